"""Grammar engine: turn premise blocks and tone phrases into film titles and two-sentence descriptions.

Grammar files hold premise blocks: a header ``> +Genre ... *f *m *mm @year``, one ``S`` line (first sentence),
``D`` lines (developments, as clauses) and a ``T`` line (title patterns).  ``[a|b]`` is a choice, ``[x:a|b]`` also
binds the choice to ``{x}``.  Tone phrases hold one ``*`` where the development goes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from film_words import (
    FAMOUS_TITLES,
    FANTASY_MEN,
    FANTASY_SURNAMES,
    FANTASY_WOMEN,
    FLAVOURS,
    FRONTIER,
    PLANETS,
    REALMS,
    SHIPS,
    STATIONS,
    Flavour,
)

GRAMMAR_DIR: Path = Path(__file__).resolve().parent / "film_grammar"
CHOICE = re.compile(r"\[(?:([A-Za-z_]\w*):)?([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
ARTICLE = re.compile(r"\b([Aa])n? (?=([\w'-]+))")
_SMALL = "a an and as at but by for from in is it of on or out over the to up v versus with under"
SMALL_WORDS = frozenset(_SMALL.split())
SMALL_TITLE_WORDS = SMALL_WORDS - {"is", "it", "out", "over", "up", "under"}
AN_EXCEPTIONS = ("hour", "honest", "heir", "honour", "mp")
A_EXCEPTIONS = ("one", "once", "uni", "use", "usu", "eu", "ukulele", "ura", "oui", "ut")
FRONTIER_FLAVOURS = ("english", "celtic", "nordic", "iberian")


class Premise(NamedTuple):
    """One parsed premise block."""

    number: int
    genre: str
    extras: tuple[str, ...]
    flags: frozenset[str]
    first_year: int
    opening: str
    developments: tuple[str, ...]
    titles: tuple[str, ...]


class Draft(NamedTuple):
    """One candidate text."""

    title: str
    description: str
    development: int


def pick(rng: np.random.Generator, options: tuple[str, ...] | list[str]) -> str:
    """Return one option, uniformly."""
    return options[int(rng.random() * len(options))]


def parse_block(block: list[str], genre: str, number: int) -> Premise:
    """Parse the lines of one premise block."""
    header = block[0][1:].strip()
    extras = tuple(part.strip() for part in re.findall(r"\+([A-Za-z ]+)", header))
    year = re.search(r"@(\d{4})", header)
    flags = frozenset(re.findall(r"[*!]\w+", header))
    lines: dict[str, list[str]] = {"S": [], "D": [], "T": []}
    for line in block[1:]:
        lines[line[0]].append(line[2:].strip())
    titles = tuple(title.strip() for title in lines["T"][0].split(";"))
    return Premise(number, genre, extras, flags, int(year.group(1)) if year else 1950, lines["S"][0], tuple(lines["D"]), titles)


def load_premises(folder: Path = GRAMMAR_DIR) -> list[Premise]:
    """Read every premise file of ``folder`` in name order."""
    premises: list[Premise] = []
    for path in sorted(folder.glob("[a-f]_*.txt")):
        genre = ""
        block: list[str] = []
        for line in [*path.read_text(encoding="utf-8").splitlines(), "## end"]:
            if line.startswith((">", "##")) and block:
                premises.append(parse_block(block, genre, len(premises)))
                block = []
            if line.startswith("##"):
                genre = line[2:].strip()
            elif line.strip():
                block.append(line)
    return premises


def load_tones(folder: Path = GRAMMAR_DIR) -> dict[str, tuple[str, ...]]:
    """Read the tone phrases, by tone."""
    tones: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (folder / "tones.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("##"):
            current = tones.setdefault(line[2:].strip(), [])
        elif line.strip():
            current.append(line.strip())
    return {tone: tuple(phrases) for tone, phrases in tones.items()}


def person(rng: np.random.Generator, flavour: Flavour, fantasy: bool, gender: str) -> tuple[str, str]:
    """Return (first name, surname) for ``gender`` 'f' or 'm'."""
    if fantasy:
        firsts, lasts = (FANTASY_WOMEN if gender == "f" else FANTASY_MEN), FANTASY_SURNAMES
    else:
        firsts, lasts = (flavour.women if gender == "f" else flavour.men), flavour.surnames
    return pick(rng, firsts.split()), pick(rng, lasts.split())


def place(rng: np.random.Generator, flavour: Flavour, endings: str) -> str:
    """Return an invented place name of this flavour."""
    start, end = pick(rng, flavour.starts.split()), pick(rng, endings.split())
    if start[-1] in "aeiou" and end[0] in "aeiou":
        start = start[:-1]
    joined = start if start[-1] != end[0] else start[:-1]
    return joined + end


def place_slots(rng: np.random.Generator, flavour: Flavour) -> dict[str, str]:
    """Return the place and vessel slots of one film; all values differ."""
    towns: list[str] = []
    while len(towns) < 6:
        name = place(rng, flavour, flavour.towns)
        if name not in towns:
            towns.append(name)
    land = place(rng, flavour, flavour.lands)
    return {
        "town": towns[0],
        "town2": towns[1],
        "isle": towns[2],
        "river": towns[3],
        "city": towns[4],
        "valley": f"the {towns[5]} Valley",
        "region": land,
        "mount": place(rng, flavour, flavour.peaks),
        "realm": pick(rng, REALMS.split()),
        "planet": pick(rng, PLANETS.split()).replace("-", " "),
        "ship": pick(rng, SHIPS),
        "station": pick(rng, STATIONS),
        "west": pick(rng, FRONTIER),
    }


def people_slots(rng: np.random.Generator, flavour: Flavour, premise: Premise) -> dict[str, str]:
    """Return the name and pronoun slots of one film."""
    fantasy = premise.genre == "Fantasy" and "{realm}" in premise.opening
    gender = "f" if rng.random() < 0.5 else "m"
    gender = "f" if "*f" in premise.flags else "m" if "*m" in premise.flags else gender
    other = "m" if gender == "f" else "f"
    mate_gender = other if rng.random() < 0.8 else gender
    mate_gender = "m" if "*mm" in premise.flags else mate_gender
    people: list[tuple[str, str]] = []
    for wanted in (gender, mate_gender, "f" if rng.random() < 0.5 else "m", "f"):
        name = person(rng, flavour, fantasy, wanted)
        while any(name[0] == old[0] or name[1] == old[1] for old in people):
            name = person(rng, flavour, fantasy, wanted)
        people.append(name)
    slots = {
        "first": people[0][0],
        "last": people[0][1],
        "hero": " ".join(people[0]),
        "mate": " ".join(people[1]),
        "mfirst": people[1][0],
        "mlast": people[1][1],
        "elder": " ".join(people[2]),
        "efirst": people[2][0],
        "elderf": " ".join(people[3]),
    }
    words = {"f": ("she", "her", "her", "herself"), "m": ("he", "him", "his", "himself")}
    slots.update(zip(("he", "him", "his", "himself"), words[gender], strict=True))
    slots.update(zip(("mhe", "mhim", "mhis", "mhimself"), words[mate_gender], strict=True))
    return slots


def make_slots(rng: np.random.Generator, premise: Premise) -> dict[str, str]:
    """Draw one naming flavour and return every slot value."""
    names = FRONTIER_FLAVOURS if "{west}" in premise.opening else tuple(FLAVOURS)
    flavour = FLAVOURS[pick(rng, names)]
    slots = place_slots(rng, flavour)
    slots.update(people_slots(rng, flavour, premise))
    return slots


def fill(rng: np.random.Generator, pattern: str, slots: dict[str, str]) -> str:
    """Expand choices then slots of ``pattern``; named choices are stored into ``slots``."""

    def choose(match: re.Match[str]) -> str:
        value = pick(rng, match.group(2).split("|"))
        value = SLOT.sub(lambda m: slots[m.group(1)], value)
        if match.group(1):
            slots[match.group(1)] = value
        return value

    text = CHOICE.sub(choose, pattern)
    text = SLOT.sub(lambda m: slots[m.group(1)], text)
    return re.sub(r"\s+", " ", text).strip()


def fix_articles(text: str) -> str:
    """Make every 'a'/'an' agree with the sound of the next word."""

    def repair(match: re.Match[str]) -> str:
        word = match.group(2).lower()
        vowel = word[0] in "aeiouáéíóú" and not word.startswith(A_EXCEPTIONS)
        vowel = vowel or word.startswith(AN_EXCEPTIONS)
        return match.group(1) + ("n " if vowel else " ")

    return ARTICLE.sub(repair, text)


def tidy(text: str) -> str:
    """Fix articles, doubled 'the' and spacing."""
    text = re.sub(r"\b([Tt]he) (?:the|a|an|my)\b ", r"\1 ", text)
    text = re.sub(r"\b([Aa]) (?:the|a|an) ", r"\1 ", text)
    text = re.sub(r"([Mm]ount) Mount\b", r"\1", text)
    return fix_articles(re.sub(r"\s+([,;])", r"\1", text))


def sentence(text: str) -> str:
    """Capitalise the first letter and add the full stop."""
    text = tidy(text)
    return text[0].upper() + text[1:] + "."


def title_case(text: str) -> str:
    """Capitalise a title; short function words stay lower case except at the ends or after a colon."""
    words = tidy(text).split(" ")
    out: list[str] = []
    for position, word in enumerate(words):
        edge = position in (0, len(words) - 1) or out[-1].endswith((":", ","))
        if word.lower() in SMALL_TITLE_WORDS and not edge:
            out.append(word.lower() if word.islower() or word in ("The", "Of", "And") else word)
        else:
            out.append("-".join(part[:1].upper() + part[1:] for part in word.split("-")))
    return " ".join(out)


def normalise_title(title: str) -> str:
    """Return a comparison key: lower case, no leading article, letters and digits only."""
    key = re.sub(r"[^\w ]", "", title.lower())
    return re.sub(r"^(the|a|an) ", "", key).strip()


FAMOUS: frozenset[str] = frozenset(normalise_title(title) for title in FAMOUS_TITLES.split(";"))


def usable_title(pattern: str, title: str, description: str, slots: dict[str, str]) -> bool:
    """True if the title is specific, invented and tied to its description."""
    used = [slots[name] for name in SLOT.findall(pattern)]
    proper = any(value[0].isupper() for value in used)
    words = title.split()
    generated = {slots[name] for name in ("town", "city", "isle", "river", "realm")}
    if len(words) == 1 and title not in generated:
        return False
    if len(words) < 4 and not proper:
        return False
    if normalise_title(title) in FAMOUS or len(title) > 48 or len(set(words)) < len(words) - 1:
        return False
    return all(value.split()[-1].lower()[:4] in description.lower() for value in used)


def write_draft(rng: np.random.Generator, premise: Premise, tone_phrases: tuple[str, ...], taken: set[str]) -> Draft | None:
    """Write one candidate; None if no title of it is usable and free."""
    slots = make_slots(rng, premise)
    opening = sentence(fill(rng, premise.opening, slots))
    choice = int(rng.random() * len(premise.developments))
    development = fill(rng, premise.developments[choice], slots)
    phrase = fill(rng, pick(rng, tone_phrases), slots)
    description = f"{opening} {sentence(phrase.replace('*', development))}"
    for _ in range(6):
        pattern = pick(rng, premise.titles)
        title = title_case(fill(rng, pattern, slots))
        if normalise_title(title) not in taken and usable_title(pattern, title, description, slots):
            return Draft(title, description, choice)
    return None
