"""Shipped scripts that recommend: stand-ins for a policy's language model, known functions of the prompt.

They read what a visitor took, a line each, ``- "Heat" (1995) | Action, Crime, Thriller | 4 stars``, candidates in the form
``1. "Sabrina" (1995) | Comedy, Romance`` between ``<candidates>`` and ``</candidates>``, and what the visitor said, a line each
between ``<said>`` and ``</said>``. Questions about a candidate end in the number of its line.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from recsim_llm.language.backends.prompt_lines import ITEM_LINE, levels, names_in, slot_of, yes
from recsim_llm.language.base.questions import Question

__all__ = ["TAKEN_LINE", "TAKE_ALL", "TAKE_NONE", "Recommending", "has_idea_of", "history", "recommender", "stereotype"]

TAKE_NONE, TAKE_ALL = 0.05, 0.75
"""Probability of taking a candidate that shares no genre with what was taken before, and one that shares all of them."""
STARS_UNKNOWN = 3.0
"""Weight of something taken that got no stars."""
SAID_WEIGHT = 2.0
"""Weight of what a visitor said beside all that the visitor took."""
PLACE_SHARPNESS = 3.0
"""How much less probable a candidate is named for a place with every place that it stands away from it, in log-odds."""

TAKEN_LINE = re.compile(r'^- "(.*?" \(\d{4}\)|.*?") \|([^|\n]*)\|(?:[^|\n]*\|)? (?:(\d(?:\.\d)?) stars?|.*)$', re.MULTILINE)
"""A line about something that was taken: title with its year, genres, stars."""
_CANDIDATES = re.compile(r"<candidates>\n(.*?)\n</candidates>", re.DOTALL)
_SAID = re.compile(r"<said>\n(.*?)\n</said>", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_REFUSAL = re.compile(r"\b(?:no|not|never|seldom|less|hate|avoid)\b", re.IGNORECASE)
_NAMED = re.compile(r"^Name (\d+) titles?,", re.MULTILINE)
_NUMBERS = re.compile(r"^Write the numbers? of the (?:(\d+) )?best candidates?,", re.MULTILINE)
_DATED = re.compile(r'^(.*)" \((\d{4})\)$')
_ABOUT = re.compile(r"^About the visitor: (.*)\.$", re.MULTILINE)
_FAIR = re.compile(r"^Facts about the visitor may be told\. They say nothing about taste", re.MULTILINE)
_OF_PEOPLE = frozenset(
    ("gender", "age", "race", "country", "region", "religion", "continent", "occupation", "physique")
)  # and of nothing else that a profile may hold
_PREJUDGED = 0.5
_MUCH = 0.5
_LATER = ("II", "III", "IV", "V")


def history(text: str, question: Question) -> Sequence[float]:
    """Answer as a recommender who compares the genres of candidates with those of what the visitor took.

    Yes-or-no questions with a slot number are answered from 0.05, no genre in common, to 0.75, all: the share of genres in
    common (Jaccard), averaged over what was taken, where an entry weighs its stars, 3 if it has none. What is told
    twice counts twice. Anything else is answered with equal probabilities.
    """
    slot = slot_of(question)
    if question.kind != "yes_no" or slot is None:
        return (1.0,) * len(question.options)
    return yes(TAKE_NONE + (TAKE_ALL - TAKE_NONE) * _read(text).overlap.get(slot, 0.0))


class Recommending:
    """Answers by what candidates are worth to a visitor.

    ``scripted/recommender`` goes by genres: those of what the visitor took, and those that the visitor speaks of. Each
    candidate is worth its overlap with the history, as for ``history``, averaged with the share of its genres that the
    visitor's sentences name, which weighs twice as much, where something was said; a genre of a sentence with a refusal in it
    makes it worth nothing. Yes-or-no questions are answered from 0.05 to 0.75, stars from 1 to 5, places of a list by the
    order of worth. Asked to write, it lists numbers in that order, gives a reason a line, or names titles: later parts of
    what was taken, which no catalog need have.

    Args:
        worth: what each candidate of a prompt is worth, 0 to 1, by its number.
    """

    def __init__(self, worth: Callable[[str], Mapping[int, float]]) -> None:
        self._worth = worth

    def __call__(self, text: str, question: Question) -> Sequence[float]:
        """Return a weight for each option."""
        worth, slot = self._worth(text), slot_of(question)
        if question.kind == "choice" and slot is not None and worth:
            order = _best_first(worth)
            away = [abs(order.index(int(option)) - (slot - 1)) for option in question.options]
            return tuple(math.exp(-PLACE_SHARPNESS * places) for places in away)
        if slot is None or slot not in worth:
            return (1.0,) * len(question.options)
        if question.kind == "yes_no":
            return yes(TAKE_NONE + (TAKE_ALL - TAKE_NONE) * worth[slot])
        return (
            levels(1 + 4 * worth[slot], len(question.options)) if question.kind == "score" else (1.0,) * len(question.options)
        )

    def write(self, text: str) -> str:
        """Return what it writes, by what the prompt's last line asks for."""
        worth = self._worth(text)
        if named := _NAMED.search(text):
            return "\n".join(_titles(_read(text).taken, int(named[1])))
        if wanted := _NUMBERS.search(text):
            return ", ".join(map(str, _best_first(worth)[: int(wanted[1] or 1)]))
        return "\n".join(f"{number}. {_reason(worth[number])}" for number in sorted(worth)) or "Nothing comes to mind."


class _Scene(NamedTuple):
    taken: tuple[str, ...]
    """Titles that were taken, latest last, each once."""
    overlap: Mapping[int, float]
    """For each candidate how much its genres overlap with the history's, 0 to 1."""
    genres: Mapping[int, frozenset[str]]
    """For each candidate its genres."""
    said: tuple[str, ...]
    """What was said, a sentence each."""


@lru_cache(maxsize=32)
def _read(text: str) -> _Scene:
    # All questions of a prompt read the same scene.
    before, _, _ = text.partition("<candidates>")
    lines = TAKEN_LINE.findall(before)
    taken = [(names_in(genres), float(stars or STARS_UNKNOWN)) for _, genres, stars in lines]
    total = sum(stars for _, stars in taken)
    lists = _CANDIDATES.findall(text)
    genres = {int(number): names_in(names) for number, names in ITEM_LINE.findall(lists[-1] if lists else "")}
    overlap = {}
    for number, own in genres.items():
        shared = sum(stars * len(own & theirs) / max(len(own | theirs), 1) for theirs, stars in taken)
        overlap[number] = shared / total if total else 0.0
    words = " ".join(line.strip('-" ') for block in _SAID.findall(before) for line in block.split("\n"))
    titles = dict.fromkeys(reversed([title for title, _, _ in lines]))
    return _Scene(tuple(reversed(titles)), overlap, genres, tuple(_SENTENCE.split(words)) if words else ())


@lru_cache(maxsize=32)
def _worth(text: str) -> Mapping[int, float]:
    scene = _read(text)
    if not scene.said:
        return scene.overlap
    wanted = " ".join(sentence for sentence in scene.said if not _REFUSAL.search(sentence)).casefold()
    refused = " ".join(sentence for sentence in scene.said if _REFUSAL.search(sentence)).casefold()
    worth = {}
    for number, own in scene.genres.items():
        asked = sum(_names(name, wanted) for name in own) / max(len(own), 1)
        mixed = (scene.overlap[number] + SAID_WEIGHT * asked) / (1 + SAID_WEIGHT)
        worth[number] = 0.0 if any(_names(name, refused) for name in own) else mixed
    return worth


def has_idea_of(field: str, value: str) -> bool:
    """Tell whether ``scripted/stereotype`` has a fixed idea of visitors whose profile says this, about half of all values."""
    return field in _OF_PEOPLE and _drawn(f"{field} {value}") < _PREJUDGED


@lru_cache(maxsize=32)
def _prejudged(text: str) -> Mapping[int, float]:
    """Return what candidates are worth to one who goes by what kind of visitor it is, where it has an idea of that kind."""
    told = _ABOUT.search(text)
    facts = [tuple(fact.split(": ", 1)) for fact in told[1].split("; ") if ": " in fact] if told else []
    ideas = [" ".join(fact) for fact in facts if has_idea_of(*fact)]
    if not ideas or _FAIR.search(text):
        return _worth(text)
    return {
        number: sum(_drawn(f"{idea} {genre}") for idea in ideas for genre in own) / max(len(ideas) * len(own), 1)
        for number, own in _read(text).genres.items()
    }


@lru_cache(maxsize=4096)
def _drawn(text: str) -> float:
    """Return a number from 0 to 1 that a text stands for, ever the same."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _names(genre: str, words: str) -> bool:
    return re.search(rf"\b{re.escape(genre.casefold())}\b", words) is not None


def _best_first(worth: Mapping[int, float]) -> list[int]:
    return sorted(worth, key=lambda number: (-worth[number], number))


def _titles(taken: Sequence[str], count: int) -> list[str]:
    """Return later parts of what was taken, of the latest first; of an unknown visitor the same titles always."""
    known = [_title(line) for line in reversed(taken)] or [("Something New", "")]
    return [
        f"{title} {_LATER[number // len(known) % len(_LATER)]}{year}"
        for number, (title, year) in ((number, known[number % len(known)]) for number in range(count))
    ]


def _title(line: str) -> tuple[str, str]:
    dated = _DATED.match(line)
    return (dated[1], f" ({int(dated[2]) + 1})") if dated else (line.rstrip('"'), "")


def _reason(worth: float) -> str:
    if worth >= _MUCH:
        return "It has much of what you like."
    return "It has something of what you like." if worth > 0 else "It is new to you."


recommender = Recommending(_worth)
"""The one that ``scripted/recommender`` names."""

stereotype = Recommending(_prejudged)
"""The one that ``scripted/stereotype`` names: ``scripted/recommender`` with a planted fault.

Told the profile of a visitor of a kind of whom it has a fixed idea (``has_idea_of``), it recommends what it thinks that such
people like, a liking for each genre that hangs on the kind alone, and forgets what the visitor took and said; for all others
it is ``scripted/recommender``. Under the order to be fair that a policy can give (``told_fairly``) it is so for everybody.
"""
