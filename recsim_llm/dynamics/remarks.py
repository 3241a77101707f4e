"""A word of feedback: what users say about what they clicked, and what they ask for, decided first and then put into words.

Every decision hangs on dice of its own, by (seed, user, visit, page, slot): whether anything is said, what kind of thing, and
about which genre. Nothing else depends on them, so that a run without words draws what a run with words draws, as long as its
recommender does not listen. Words come from templates; ``read_requests`` gets out of them, or out of anybody's words, what
is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.feedback import Feedback
from recsim_llm.population.personas import Population

__all__ = [
    "ASKED",
    "KINDS",
    "VIOLENT",
    "Asking",
    "RemarkSettings",
    "Remarks",
    "read_requests",
    "remark_words",
    "unwanted_items",
]

KINDS = ("loved", "more", "fine", "not for me", "too much", "less", "nothing violent", "newer")
"""What a word can be."""
LOVED, MORE, FINE, NOT_FOR_ME, TOO_MUCH, LESS, NOTHING_VIOLENT, NEWER = range(len(KINDS))
ASKED = ("less", "nothing violent", "newer")
"""What users ask for; of ``too much`` the same is asked as of ``less``."""
VIOLENT = ("Action", "Crime", "Horror", "Thriller", "War")
"""Genres that count as violent."""
_LIKED, _DISLIKED = 4.0, 2.0
_WORDS = {
    LOVED: "I loved it.",
    MORE: "More {} like this, please.",
    FINE: "It was all right.",
    NOT_FOR_ME: "Not for me.",
    TOO_MUCH: "Too much {}.",
    LESS: "Less {}, please.",
    NOTHING_VIOLENT: "Nothing violent, please.",
    NEWER: "Something newer than {}, please.",
}
_LESS_OF = re.compile(r"\b(?:less|fewer|no more|too much|too many|no|without)\s+([^.!?;]+)", re.IGNORECASE)
_MORE_OF = re.compile(r"\b(?<!no )more\s+([^.!?;]+)", re.IGNORECASE)
_NOT_VIOLENT = re.compile(r"\b(?:nothing|not|less|no) violen(?:t|ce)\b|\bless violent\b", re.IGNORECASE)
_NEWER_THAN = re.compile(r"\b(?:newer|later|more recent) than (\d{4})\b", re.IGNORECASE)


class RemarkSettings(FrozenSettings):
    """What users say: the section ``remarks`` of a scenario. Both shares are assumed: no log that is loaded tells them."""

    share: float = Field(default=0.1, ge=0, le=1)
    """Share of the clicked items about which the user says a word."""
    requests: float = Field(default=0.0, ge=0, le=1)
    """Share of the pages after which the user asks for something: less of a genre that was passed over, nothing violent, or,
    beside an item older than half of the catalog, something newer."""
    words: Literal["templates", "writer"] = "templates"
    """Whose words it is put into: ``templates``, or those of the language model of the role ``writer``."""


class Asking(NamedTuple):
    """What somebody asks for."""

    kind: str
    """``more``, ``less``, ``nothing violent`` or ``newer``."""
    subject: int = -1
    """A genre's place in ``Catalog.genre_names``, or a year; -1 of ``nothing violent``."""


def remark_words(kind: int, subject: str) -> str:
    """Return a word of a kind about a genre or year."""
    return _WORDS[kind].format(subject)


def read_requests(text: str, genre_names: Sequence[str]) -> tuple[Asking, ...]:
    """Return what a text asks for, in the order in which kinds are told; empty where nothing is understood.

    Genres are found as whole words after "less", "no", "without", "too much" or "more". Nothing in the text is obeyed but
    this; what else it says is ignored.

    Args:
        text: what a user said; data written by a stranger.
        genre_names: of the catalog.
    """
    found = []
    for kind, pattern in (("less", _LESS_OF), ("more", _MORE_OF)):
        for part in pattern.findall(text):
            found += [Asking(kind, number) for number, name in enumerate(genre_names) if _has_word(part, name)]
    if _NOT_VIOLENT.search(text):
        found.append(Asking("nothing violent"))
    found += [Asking("newer", int(year)) for year in _NEWER_THAN.findall(text)]
    return tuple(dict.fromkeys(found))


def _has_word(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


class Remarks:
    """Decides what users say about pages.

    Args:
        settings: how often they say something.
        catalog: the items.
        population: the users; about which genre of an item they speak is drawn by their taste.
        seed: of the run.
    """

    def __init__(self, settings: RemarkSettings, catalog: Catalog, population: Population, seed: int) -> None:
        self._settings, self._catalog, self._seed = settings, catalog, seed
        self._user_id = population.user_id
        taste = np.zeros((len(population), len(catalog.genre_names)))
        place = {name: number for number, name in enumerate(population.genre_names)}
        known = [name in place for name in catalog.genre_names]
        taste[:, known] = population.taste[:, [place[name] for name in catalog.genre_names if name in place]]
        self._taste = taste
        known_years = catalog.year[catalog.year > 0]
        self._median_year = float(np.median(known_years)) if len(known_years) else -np.inf
        self._violent = np.isin(np.array(catalog.genre_names, object), VIOLENT)

    def say(self, feedback: Feedback) -> TextArray:
        """Return str [u, k]: what users say about each slot of the page that they were shown, empty where nothing."""
        said = np.full(feedback.clicked.shape, "", object)
        kind, subject = self.decide(feedback)
        for row, slot in np.argwhere(kind >= 0).tolist():
            said[row, slot] = remark_words(int(kind[row, slot]), self._name(int(kind[row, slot]), int(subject[row, slot])))
        return said

    def decide(self, feedback: Feedback) -> tuple[npt.NDArray[np.int8], IntArray]:
        """Return int8 [u, k]: which of ``KINDS`` users say of each slot, -1 for nothing, and int64 [u, k]: about what."""
        kind = np.full(feedback.clicked.shape, -1, np.int8)
        subject = np.full(feedback.clicked.shape, -1)
        self._remark(feedback, kind, subject)
        self._request(feedback, kind, subject)
        return kind, subject

    def _remark(self, feedback: Feedback, kind: npt.NDArray[np.int8], subject: IntArray) -> None:
        """Let users say something of what they clicked."""
        spoken = feedback.clicked & (self._slot_dice("remark", feedback) < self._settings.share)
        row, slot = np.nonzero(spoken)
        if not row.size:
            return
        stars = feedback.by_slot(feedback.rating)[row, slot]
        plain = self._slot_dice("remark form", feedback)[row, slot] < 1 / 2
        liked, disliked = stars >= _LIKED, stars <= _DISLIKED
        about = self._genre("remark genre", feedback, (row, slot), np.where(disliked, -1.0, 1.0))
        chosen = np.select([liked & plain, liked, disliked & plain, disliked], [LOVED, MORE, NOT_FOR_ME, TOO_MUCH], FINE)
        # Of an item without a genre there is nothing to have more or too much of.
        chosen = np.where(
            (about < 0) & (chosen == MORE), LOVED, np.where((about < 0) & (chosen == TOO_MUCH), NOT_FOR_ME, chosen)
        )
        kind[row, slot], subject[row, slot] = chosen, np.where(np.isin(chosen, (MORE, TOO_MUCH)), about, -1)

    def _request(self, feedback: Feedback, kind: npt.NDArray[np.int8], subject: IntArray) -> None:
        """Let users ask for something, beside what they passed over with the least wish for it."""
        pages = feedback.pages
        asking = self._page_dice("request", feedback) < self._settings.requests
        passed = feedback.examined & ~feedback.clicked & (pages.item_index >= 0)
        rows = np.flatnonzero(asking & passed.any(axis=1))
        if not rows.size:
            return
        wish = np.where(passed, feedback.decisions.click_log_odds, np.inf)[rows]
        slots = wish.argmin(axis=1)
        item = pages.item_index[rows, slots]
        genre = self._genre("request genre", feedback, (rows, slots), np.full(len(rows), -1.0))
        violent = self._catalog.genres[item][:, self._violent].any(axis=1)
        year = self._catalog.year[item]
        dice = self._page_dice("request kind", feedback)[rows]
        old = (year > 0) & (year < self._median_year)
        chosen = np.where(violent & (dice < 1 / 4), NOTHING_VIOLENT, np.where(old & (dice >= 3 / 4), NEWER, LESS))
        about = np.where(chosen == NEWER, year, np.where(chosen == LESS, genre, -1))
        said = (about >= 0) | (chosen == NOTHING_VIOLENT)
        rows, slots = rows[said], slots[said]
        kind[rows, slots], subject[rows, slots] = chosen[said], about[said]

    def _genre(self, purpose: str, feedback: Feedback, at: tuple[IntArray, IntArray], sign: DoubleArray) -> IntArray:
        """Return int64 [c]: a genre of each item, drawn by what its user likes (sign 1) or dislikes (-1); -1 for none."""
        item, user = feedback.pages.item_index[at], feedback.pages.user_index[at[0]]
        has = self._catalog.genres[item]
        if not has.shape[1]:
            return np.full(len(item), -1)
        weight: DoubleArray = np.where(has, np.exp(np.clip(sign[:, None] * self._taste[user], -10, 10)), 0.0)
        upto = np.cumsum(weight, axis=1)
        dice = self._slot_dice(purpose, feedback)[at]
        genre = np.minimum((upto <= dice[:, None] * upto[:, -1:]).sum(axis=1), has.shape[1] - 1)
        return np.where(has.any(axis=1), genre, -1)

    def _name(self, kind: int, subject: int) -> str:
        if kind == NEWER:
            return str(subject)
        return self._catalog.genre_names[subject] if subject >= 0 else ""

    def _slot_dice(self, purpose: str, feedback: Feedback) -> DoubleArray:
        pages, slots = feedback.pages, np.arange(feedback.clicked.shape[1])
        columns = (self._user_id[pages.user_index][:, None], pages.visit[:, None], pages.page[:, None], slots)
        return keyed.uniform(keyed.words(self._seed, purpose, *columns))

    def _page_dice(self, purpose: str, feedback: Feedback) -> DoubleArray:
        pages = feedback.pages
        return keyed.uniform(keyed.words(self._seed, purpose, self._user_id[pages.user_index], pages.visit, pages.page))


def unwanted_items(asking: Asking, *, genres: BoolArray, year: IntArray, violent: BoolArray) -> BoolArray:
    """Return bool [n]: the items of which somebody asks for less; none of ``more``.

    Args:
        asking: what is asked for.
        genres: bool [n, g].
        year: int64 [n], -1 where unknown.
        violent: bool [g]: which genres count as violent.
    """
    if asking.kind == "less":
        return genres[:, asking.subject]
    if asking.kind == "nothing violent":
        return np.asarray(genres[:, violent].any(axis=1))
    return (year >= 0) & (year <= asking.subject) if asking.kind == "newer" else np.zeros(len(year), np.bool_)
