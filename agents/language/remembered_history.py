"""What users remember of what they rated before the first page: the most telling ratings, and what they make of all of it."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.user_memory import UserMemory

__all__ = ["RememberedHistory", "impression"]

_TYPICAL = 0.3  # importance of an item that was as good as expected
_TAKEN = 0.5  # valence of an item that was taken where nobody gives stars
_A_PAGE = 10  # ratings that count as a page of a user's life
_HALF_LIFE = 50  # pages after which a rating counts half as telling
_EVIDENCE = 50  # latest ratings of which users make something


def impression(stars: DoubleArray, mean: float) -> tuple[FloatArray, FloatArray]:
    """Return importance and valence of rated items: the further from the user's mean, the more important.

    Args:
        stars: float64 [n]: NaN where an item was taken without being rated.
        mean: the user's mean rating.
    """
    valence = np.where(np.isnan(stars), _TAKEN, np.clip((stars - mean) / 2, -1, 1))
    importance = _TYPICAL + (1 - _TYPICAL) * np.where(np.isnan(stars), 0, abs(valence))
    return importance.astype(np.float32), valence.astype(np.float32)


class RememberedHistory:
    """Lets the memory of users begin with their ratings from before the run.

    The most telling ratings can be recalled: those furthest from the user's mean, later ones rather than earlier ones (half as
    much after 500 ratings). Ratings that the persona tells anyway are not among them. Users make something, in the way they
    reflect, of their latest 50 ratings, whichever can be recalled.

    Args:
        history: what users rated.
        catalog: the items.
        rating_mean: float32 [population]: each user's mean rating in stars.
        templates: the words, with ``events``.
        memory_templates: the words, with ``remembered``.
        writer: knows the items' text, and what personas tell.
        most: most ratings of a user that can be recalled.
    """

    def __init__(
        self,
        history: RatingHistory,
        catalog: Catalog,
        *,
        rating_mean: FloatArray,
        templates: Templates,
        memory_templates: Templates,
        writer: PromptWriter,
        most: int,
    ) -> None:
        self._history, self._most = history, most
        self._genres, self._rating_mean = catalog.genres, rating_mean
        self._templates, self._memory_templates, self._writer = templates, memory_templates, writer
        self._lines: dict[tuple[int, float], str] = {}

    def write(self, memory: UserMemory, rows: IntArray, user_index: IntArray) -> None:
        """Write into memories that are empty.

        Args:
            memory: where to.
            rows: int64 [m]: different rows.
            user_index: int64 [m]: who sits in them.
        """
        own = [self._chosen(user) for user in user_index.tolist()]
        count = [len(items) for items, *_ in own]
        if not sum(count):
            return
        items, stars, time, importance, valence, silent = (np.concatenate(column) for column in zip(*own, strict=True))
        texts = [self._line(item, given) for item, given in zip(items.tolist(), stars.tolist(), strict=True)]
        memory.remember(
            np.repeat(rows, count),
            time,
            texts,
            importance=importance,
            valence=valence,
            topics=self._genres[items],
            stars=stars.astype(np.float32),
            only_evidence=silent,
        )
        memory.settle(rows, np.zeros(len(rows)))

    def _chosen(self, user: int) -> tuple[IntArray, DoubleArray, DoubleArray, FloatArray, FloatArray, BoolArray]:
        """Return items, stars, times, importance, valence, and which are evidence alone; oldest first."""
        items, stars = self._history.of(user)
        place, told = np.arange(len(items)), self._writer.told(user)
        time = (place - len(items)) / _A_PAGE
        importance, valence = impression(stars, float(self._rating_mean[user]))
        telling = importance * np.exp2(time / _HALF_LIFE)
        older = place[: max(len(items) - told, 0)]
        # Of equals the later one.
        best = older[np.lexsort((-older, -telling[older]))[: self._most]]
        recalled = np.isin(place, best)
        kept = np.flatnonzero(recalled | (place >= len(items) - _EVIDENCE))
        return items[kept], stars[kept], time[kept], importance[kept], valence[kept], ~recalled[kept]

    def _line(self, item: int, stars: float) -> str:
        key = (item, -1.0 if np.isnan(stars) else stars)
        if key not in self._lines:
            told = self._writer.item(item)
            self._lines[key] = (
                self._memory_templates.say("remembered.took", item=told)
                if key[1] < 0
                else self._templates.say("events.taken", item=told, stars=f"{stars:g}")
            )
        return self._lines[key]
