"""What a written persona claims, held against the history that it was written from."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from recsim_llm.agents.memory.topic_words import split_words, stem

__all__ = ["CueWords", "PersonaCheck", "check_persona"]

_DISAGREES_FROM = math.log(1.2)  # taste from which a genre is liked, by persona_text
_DISAGREES_TO = -math.log(2)  # taste up to which a genre is avoided
_FEWEST_WORDS, _MOST_WORDS = 5, 120
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+")
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]{2,80})[\"“”„«»]")
_YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


class CueWords(NamedTuple):
    """Words of a language by which claims are found."""

    loves: frozenset[str]
    """Somebody likes what stands near."""
    avoids: frozenset[str]
    """Somebody dislikes it; counts more than ``loves``."""
    turns: frozenset[str]
    """Another claim begins."""
    addresses: frozenset[str]
    """The reader is meant."""


@dataclass(frozen=True, kw_only=True)
class PersonaCheck:
    """What was found in a text."""

    loved: tuple[str, ...]
    """Genres that it says the person loves or likes."""
    avoided: tuple[str, ...]
    """Genres that it says the person avoids or dislikes."""
    agreeing: int
    """Of these claims, how many agree in direction with the measured taste."""
    faults: tuple[str, ...]
    """Why it must not be used, in words; empty where nothing is wrong."""

    @property
    def claims(self) -> int:
        """How many claims about genres there are."""
        return len(self.loved) + len(self.avoided)


def check_persona(text: str, taste: Mapping[str, float], titles: Collection[str], cues: CueWords) -> PersonaCheck:
    """Compare a persona's text with measured taste.

    A sentence, cut at words such as ``but``, claims something about each genre that it names: avoided where it has a word of
    dislike, else loved where it has one of liking. Found by words, not understood: irony and rare turns of phrase are missed.

    Args:
        text: as the model wrote it.
        taste: genre to taste, on the scale of ``Persona.taste``: above 0 picked more often than by others.
        titles: what the person was said to have rated; other titles in quotation marks are invented.
        cues: words of the text's language.

    Returns:
        Faults: a claim against the measured taste (loved, though picked half as often as by others or less; avoided, though
        picked a fifth more often or more), a genre claimed both ways, an invented title, no claim at all, nobody addressed,
        too short or too long.
    """
    loved, avoided = _claims(text, list(taste), cues)
    both = sorted(loved & avoided)
    against = [
        f"says loved of {genre}, picked {_times(taste[genre])}" for genre in sorted(loved) if taste[genre] <= _DISAGREES_TO
    ]
    against += [
        f"says avoided of {genre}, picked {_times(taste[genre])}"
        for genre in sorted(avoided)
        if taste[genre] >= _DISAGREES_FROM
    ]
    known = {_bare(title) for title in titles} | {_bare(genre) for genre in taste}
    invented = sorted({quoted for quoted in _QUOTED.findall(text) if _bare(quoted) not in known})
    words = split_words(text)
    faults = [
        *against,
        *(f"says loved and avoided of {genre}" for genre in both),
        *(f"names a title that was not rated: {title}" for title in invented),
    ]
    if not loved and not avoided:
        faults.append("claims nothing about any genre")
    if not cues.addresses & set(words):
        faults.append("addresses nobody")
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS:
        faults.append(f"has {len(words)} words, expected {_FEWEST_WORDS} to {_MOST_WORDS}")
    agreeing = sum(taste[genre] > 0 for genre in loved) + sum(taste[genre] < 0 for genre in avoided)
    return PersonaCheck(loved=tuple(sorted(loved)), avoided=tuple(sorted(avoided)), agreeing=agreeing, faults=tuple(faults))


def _claims(text: str, genres: Sequence[str], cues: CueWords) -> tuple[set[str], set[str]]:
    loved: set[str] = set()
    avoided: set[str] = set()
    stems = {genre: [stem(word) for word in split_words(genre)] for genre in genres}
    bare = {_bare(genre) for genre in genres}
    titles_left_out = _QUOTED.sub(lambda found: found[0] if _bare(found[1]) in bare else " ", text)
    for sentence in _SENTENCE.split(titles_left_out):
        for clause in _clauses(split_words(sentence), cues):
            named = {genre for genre, parts in stems.items() if _holds([stem(word) for word in clause], parts)}
            if cues.avoids & set(clause):
                avoided |= named
            elif cues.loves & set(clause):
                loved |= named
    return loved, avoided


def _clauses(words: Sequence[str], cues: CueWords) -> list[list[str]]:
    clauses: list[list[str]] = [[]]
    for word in words:
        if word in cues.turns:
            clauses.append([])
        clauses[-1].append(word)
    return clauses


def _holds(words: Sequence[str], parts: Sequence[str]) -> bool:
    width = len(parts)
    return width > 0 and any(list(words[place : place + width]) == list(parts) for place in range(len(words) - width + 1))


def _times(taste: float) -> str:
    return f"{math.exp(taste):.1f} times as often as by others"


def _bare(title: str) -> str:
    """Return a title by its words, without a year, so that spelling and punctuation do not count."""
    return " ".join(split_words(_YEAR.sub("", title)))
