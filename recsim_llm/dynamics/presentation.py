"""How users take the words on a page: explanations, titles of the recommender's own, and the trust that these earn or lose.

All numbers of the settings are assumed: no log that is loaded tells what words did. What is added is exact and drawn by nobody.
A user has a trust ``t`` from 0 to 1. An explanation that names a reason adds ``t * (lift + taste * like)`` to the log-odds of a
click, where ``like``, -1 to 1, is how much the user likes the genres that it names (0 where it names none); one of which no
reason can be read, such as "." or a heap of words, is as if it were not there. A title of the recommender's own adds
``t * titles.lift * strength``. Words promise something: of a clicked item with words the user expects
``usual + t * promise`` stars, ``usual`` being the user's own mean rating. Who likes it at least so much trusts more,
``t += gain * (1 - t)``, who likes it less trusts less, ``t -= loss * t``; a reason that the catalog refutes counts as
``broken`` stars less. What falls short is kept as a moving average and taken from satisfaction and from the wish to stay.
"""

from __future__ import annotations

import re
from copy import copy
from typing import Literal

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Rows, Slates
from recsim_llm.dynamics.influence import LIMIT
from recsim_llm.dynamics.reasons import FRIENDS, GENRE, POPULAR, ReasonReader
from recsim_llm.population.personas import Population

__all__ = ["Presentation", "PresentationSettings", "TitleSettings", "clickbait_strength"]

_WORST = 4.0
"""Stars between the best and the worst rating: nothing falls further short, promises and broken ones apart."""
_MARKS = (
    re.compile(r"[!?]"),
    re.compile(r"\.\.\.|…"),
    re.compile(r"\b[A-Z]{4,}\b"),
    re.compile(
        r"\b(?:you won't believe|won't believe|what happen(?:s|ed) next|will (?:shock|amaze|surprise) you)\b", re.IGNORECASE
    ),
    re.compile(
        r"\b(?:shocking|unbelievable|incredible|amazing|secret|must[- ]see|insane|ultimate|best|worst)\b", re.IGNORECASE
    ),
    re.compile(r"\b(?:this|these|here's|you|your)\b", re.IGNORECASE),
    re.compile(r"^\d+ "),
)


class TitleSettings(FrozenSettings):
    """What a title of the recommender's own does."""

    rule: Literal["strength", "changed"] = "strength"
    """How strong it is: ``strength`` takes ``clickbait_strength``, ``changed`` 1 whatever it says."""
    lift: float = Field(default=0.8, ge=-LIMIT, le=LIMIT)
    """Log-odds of a click that it adds at full strength and full trust."""
    promise: float = Field(default=1.0, ge=0, le=_WORST)
    """Stars that it promises more than usual at full strength and full trust."""


class PresentationSettings(FrozenSettings):
    """How users take the words on a page: the section ``presentation`` of a scenario."""

    lift: float = Field(default=0.3, ge=-LIMIT, le=LIMIT)
    """Log-odds of a click that an explanation adds at full trust by naming a reason, whichever and whether it holds or not."""
    taste: float = Field(default=0.5, ge=0, le=LIMIT)
    """Log-odds that it adds, at full trust, where it names a genre that the user likes as much as can be."""
    promise: float = Field(default=0.0, ge=0, le=_WORST)
    """Stars that it promises more than usual at full trust."""
    broken: float = Field(default=1.0, ge=0, le=_WORST)
    """Stars by which a reason that does not hold lets the user down."""
    titles: TitleSettings = TitleSettings()
    """What a title of the recommender's own does."""
    trust: float = Field(default=0.5, ge=0, le=1)
    """Trust of who has met no words yet."""
    gain: float = Field(default=0.1, ge=0, le=1)
    """Share of the trust that is missing which a promise kept gives."""
    loss: float = Field(default=0.2, ge=0, le=1)
    """Share of the trust that a promise not kept takes."""
    memory: float = Field(default=0.8, ge=0, lt=1)
    """Share of a disappointment that is left one page later."""
    disappointment: float = Field(default=0.5, ge=0, le=LIMIT)
    """Log-odds that a lasting disappointment of one star takes from satisfaction and adds to leaving."""
    ask_without: bool = False
    """Whether users who read words themselves, such as those of a language model, are asked about each page without its words
    as well, to know what these did; it costs as much again. Of other users it is known anyway."""
    loyalty: float = Field(default=1.0, ge=0, le=LIMIT)
    """Log-odds of coming back for each unit of trust above or below that of the beginning."""


def clickbait_strength(title: str) -> float:
    """Return how much a title is clickbait, 0 to 1: a quarter for each kind of mark in it.

    The marks are those that tell clickbait from news in Chakraborty, Paranjape, Kakarla & Ganguly 2016, "Stop Clickbait",
    section IV, as far as a pattern can find them: exclamation, dots that leave something open, words in capitals, phrases
    such as "you won't believe", hyperbolic words, pronouns that speak to the reader or point ahead, a number in front.
    """
    return min(sum(bool(mark.search(title)) for mark in _MARKS) / 4, 1.0)


class Presentation:
    """What the words of the last page do to each row, and how much each row trusts words.

    Args:
        settings: how users take them.
        catalog: the items.
        population: the users; what genres they like is their taste, what is usual their mean rating.
    """

    def __init__(self, settings: PresentationSettings, catalog: Catalog, population: Population) -> None:
        self.settings, self.reader = settings, ReasonReader.of_catalog(catalog)
        self._like = _likes(catalog, population)
        self._usual = np.ascontiguousarray(population.trait("rating_mean"))
        self._strength: dict[str, float] = {"": 0.0}
        self.most_disappointment = _WORST + settings.promise + settings.titles.promise + settings.broken
        """Most stars by which anything can fall short."""
        self.allocate(0, 1)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for so many rows; nobody has met words yet."""
        self.trust: FloatArray = np.full(rows, self.settings.trust, np.float32)
        """float32 [r]: 0 to 1."""
        self.disappointment: FloatArray = np.zeros(rows, np.float32)
        """float32 [r]: stars, a moving average."""
        shape = (rows, slate_size)
        self._item = np.full(shape, -1)
        self._added, self._promise = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._worded, self._broken = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)

    def begin(self, rows: Rows) -> None:
        """Let somebody sit in these rows who has met no words yet."""
        self.trust[rows], self.disappointment[rows] = self.settings.trust, 0.0
        self.forget(rows)

    def copy_rows(self, rows: IntArray) -> Presentation:
        """Return what holds of int64 [m] rows, as rows of its own; of words that come next nobody knows."""
        other = copy(self)
        other.allocate(len(rows), self._item.shape[1])
        other.trust, other.disappointment = self.trust[rows], self.disappointment[rows]
        return other

    def show(self, rows: Rows, user_index: IntArray, item_index: IntArray, slates: Slates) -> None:
        """Put words on the pages to come.

        Args:
            rows: of the pages.
            user_index: int64 [m]: who sits there.
            item_index: int64 [m, k]: the pages, -1 where blank.
            slates: with the words.
        """
        shown, own = item_index >= 0, self.settings
        explained, titled = _there(slates.explanation, shown), _there(slates.title, shown)
        added, promise = np.zeros(shown.shape, np.float32), np.zeros(shown.shape, np.float32)
        broken = np.zeros(shown.shape, np.bool_)
        if explained.any():
            assert slates.explanation is not None
            row, slot = np.nonzero(explained)
            number = self.reader.numbers(np.asarray(slates.explanation, object)[row, slot])
            says, like, refuted = self._judge(number, user_index[row], item_index[row, slot])
            explained[row, slot] = says
            added[row, slot] += np.where(says, np.float32(own.lift) + np.float32(own.taste) * like, np.float32(0))
            promise[row, slot] += np.where(says, np.float32(own.promise), np.float32(0))
            broken[row, slot] = refuted
        self._item[rows], self._worded[rows] = item_index, explained | titled
        if titled.any():
            assert slates.title is not None
            row, slot = np.nonzero(titled)
            strength = np.array([self._strength_of(title) for title in np.asarray(slates.title, object)[row, slot]], np.float32)
            added[row, slot] += np.float32(own.titles.lift) * strength
            promise[row, slot] += np.float32(own.titles.promise) * strength
        self._added[rows], self._promise[rows], self._broken[rows] = added, promise, broken

    def forget(self, rows: Rows) -> None:
        """Take the words off the pages of these rows."""
        self._item[rows], self._worded[rows] = -1, False

    def clicks(self, rows: Rows, item_index: IntArray) -> FloatArray | None:
        """Return float32 [m, k]: log-odds added to a click on each slot of the page that has words; None for any other page."""
        if item_index.shape[1] != self._item.shape[1]:
            return None
        on = self._worded[rows] & (self._item[rows] == item_index)
        if not on.any():
            return None
        added: FloatArray = np.where(on, self._added[rows] * self.trust[rows][:, None], np.float32(0))
        return np.clip(added, -LIMIT, LIMIT, out=added)

    def consume(self, rows: Rows, user_index: IntArray, clicked: tuple[IntArray, IntArray, FloatArray]) -> None:
        """Take in what was clicked on a page that has words, and how it was liked.

        Args:
            rows: of the pages.
            user_index: int64 [m]: who sits there.
            clicked: of what was clicked: flat slots, rows of the pages that they belong to, int64 [c] each, and what users
                think of it, float32 [c], in stars.
        """
        slot, row, rating = clicked
        count, own = len(user_index), self.settings
        worded = self._worded[rows]
        # Copies may be shown pages of another width, on which nothing is written.
        told = worded.reshape(-1).take(slot) if worded.any() else np.zeros(len(slot), np.bool_)
        slot, row, rating = slot[told], row[told], rating[told]
        trust = self.trust[rows]
        expected = self._usual.take(user_index.take(row)) + trust.take(row) * self._promise[rows].reshape(-1).take(slot)
        short = expected - rating + np.float32(own.broken) * self._broken[rows].reshape(-1).take(slot)
        kept = np.bincount(row[short <= 0], minlength=count)
        failed = np.bincount(row[short > 0], minlength=count)
        trust = trust * np.float32(1 - own.loss) ** failed.astype(np.float32)
        trust = 1 - (1 - trust) * np.float32(1 - own.gain) ** kept.astype(np.float32)
        self.trust[rows] = np.clip(trust, 0, 1)
        total = np.bincount(row, np.maximum(short, 0), minlength=count)
        worse = (total / np.maximum(kept + failed, 1)).astype(np.float32)
        memory = np.float32(own.memory)
        self.disappointment[rows] = memory * self.disappointment[rows] + (1 - memory) * worse
        self.forget(rows)

    def _judge(self, number: IntArray, user: IntArray, item: IntArray) -> tuple[BoolArray, FloatArray, BoolArray]:
        """Return which explanations name a reason, how much users like the genres named, and which the item itself refutes."""
        about, holds = self.reader.hold(number, item)
        if not self.reader.kind.size:
            nothing = np.zeros(len(number), np.bool_)
            return nothing, nothing.astype(np.float32), nothing
        kind, subject = self.reader.kind[number], self.reader.subject[number]
        genre = about & (kind == GENRE)
        like = (
            np.where(genre, self._like[user[:, None], np.where(genre, subject, 0)], 0) if self._like.shape[1] else genre * 0.0
        )
        mean = like.sum(axis=1) / np.maximum(genre.sum(axis=1), 1)
        # Who watches a film learns what it is; how many or which friends liked it, it does not say.
        refuted = about & ~holds & (kind != POPULAR) & (kind != FRIENDS)
        says: BoolArray = np.logical_or.reduce(about, axis=1)
        return says, mean.astype(np.float32), refuted.any(axis=1)

    def _strength_of(self, title: str) -> float:
        if self.settings.titles.rule == "changed":
            return 1.0
        strength = self._strength.get(title)
        if strength is None:
            strength = self._strength[title] = clickbait_strength(title)
        return strength


def _there(words: TextArray | None, shown: BoolArray) -> BoolArray:
    """Return bool [m, k]: where a page that is shown has words."""
    if words is None:
        return np.zeros(shown.shape, np.bool_)
    there: BoolArray = (np.asarray(words, object) != "") & shown
    return there


def _likes(catalog: Catalog, population: Population) -> FloatArray:
    """Return float32 [u, g]: how much each user likes each genre of the catalog, -1 to 1; 0 where nothing is known."""
    likes = np.zeros((len(population), len(catalog.genre_names)), np.float32)
    place = {name: number for number, name in enumerate(population.genre_names)}
    for column, name in enumerate(catalog.genre_names):
        if name in place:
            likes[:, column] = np.tanh(population.taste[:, place[name]])
    return likes
