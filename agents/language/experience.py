"""Experience: what a page leaves in the memories of the users who saw it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.remembered_history import impression
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Pages
from recsim_llm.core.user_memory import UserMemory

__all__ = ["Experience"]

_NAMED = 3  # titles named of those that were not taken; the rest is a number
_PASSED = 0.0  # importance of what was not taken beside something that was
_EMPTY_HANDED = (0.4, -0.3)  # importance and valence of a page on which nothing was taken


class _Event(NamedTuple):
    row: int
    text: str
    importance: float
    valence: float
    item: int
    stars: float


class Experience:
    """Turns drawn feedback into observations.

    A taken item becomes one observation, the more important the further its stars are from the user's mean, upwards as much
    as downwards. What was not taken becomes one observation a page that names three titles: on a page where nothing was taken
    a telling one, beside something that was a faint one.

    Args:
        catalog: the items.
        rating_mean: float32 [population]: each user's mean rating in stars.
        templates: the words.
        writer: knows the items' text.
    """

    def __init__(self, catalog: Catalog, rating_mean: FloatArray, templates: Templates, writer: PromptWriter) -> None:
        self._genres = catalog.genres
        self._rating_mean = rating_mean
        self._templates = templates
        self._writer = writer

    def write(
        self,
        memory: UserMemory,
        rows: IntArray,
        pages: Pages,
        taken: tuple[IntArray, IntArray, FloatArray],
        *,
        now: FloatArray,
    ) -> None:
        """Remember a batch of pages.

        Args:
            memory: where to.
            rows: int64 [u]: the row of each page.
            pages: what was shown.
            taken: flat positions, rows in the batch and stars of the clicked slots, as ``UserModel.update`` gets them.
            now: float32 [u]: pages that each user has lived.
        """
        by_page: list[dict[int, float]] = [{} for _ in rows]
        slots = pages.item_index.shape[1]
        for slot, row, stars in zip(*(column.tolist() for column in taken), strict=True):
            by_page[row][slot - row * slots] = stars
        events = [event for page in range(len(rows)) for event in self._events(page, pages, by_page[page])]
        if not events:
            return
        row, texts, importance, valence, item, stars = (list(column) for column in zip(*events, strict=True))
        shown = np.array(item)
        memory.remember(
            rows[row],
            now[row],
            texts,
            importance=np.array(importance, np.float32),
            valence=np.array(valence, np.float32),
            topics=self._genres[shown] & (shown >= 0)[:, None],
            stars=np.array(stars, np.float32),
        )

    def _events(self, page: int, pages: Pages, taken: dict[int, float]) -> list[_Event]:
        mean = float(self._rating_mean[pages.user_index[page]])
        shown = pages.item_index[page].tolist()
        events = []
        for position, stars in sorted(taken.items()):
            importance, valence = (float(value) for value in impression(np.array(stars), mean))
            words = self._templates.say("events.taken", item=self._writer.item(shown[position]), stars=f"{stars:g}")
            events.append(_Event(page, words, importance, valence, shown[position], stars))
        left = [item for position, item in enumerate(shown) if item >= 0 and position not in taken]
        if left:
            importance, valence = (_PASSED, 0.0) if taken else _EMPTY_HANDED
            named = [self._writer.item(item) for item in left[:_NAMED]]
            words = self._templates.say(
                "events.passed" if taken else "events.nothing", items=named, more=len(left) - len(named)
            )
            events.append(_Event(page, words, importance, valence, -1, float("nan")))
        return events
