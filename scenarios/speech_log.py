"""Reading a run's log for speech: who is asked about what, drawn by key, and what had happened until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.voice import Moment, ShownItem, ShownPage
from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import LogError
from recsim_llm.log.columns import integers, numbers, words
from recsim_llm.log.reader import open_run
from recsim_llm.population.personas import Population

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KINDS", "Occasion", "SpeechLog"]

KINDS = ("review", "reason", "interview")
"""What users can be asked for."""

_KEYS = {
    "review": ("impressions", ("user_id", "visit", "page", "position", "item_id")),
    "reason": ("pages", ("user_id", "visit", "page")),
    "interview": ("visits", ("user_id", "visit")),
}
_ASKED = {"review": ("clicked", "rating"), "reason": ("clicks", "stop_reason"), "interview": ()}
_SHOWN = ("user_id", "visit", "page", "position", "item_id", "clicked", "rating", "watched")


class Occasion(NamedTuple):
    """One thing that a user is asked for."""

    arm: str
    """Name of the recommender; the user is not told."""
    user_id: int
    """Outside id."""
    visit: int
    """Visit number, from 0."""
    page: int | None
    """Page number, from 0; None for an interview."""
    position: int | None
    """Slot, from 0; None but for a review."""
    item_id: int | None
    """Outside id of the item; None but for a review."""
    kind: str
    """``review``, ``taken`` or ``left`` (reasons), or ``interview``."""
    moment: Moment
    """What had happened."""


class SpeechLog:
    """The finished segments of a run, as far as speech needs them; nothing is written.

    Args:
        run: run folder.
        catalog: the run's items.
        population: the run's users.

    Raises:
        LogError: no segment is finished, or the log is damaged.
    """

    def __init__(self, run: Path, catalog: Catalog, population: Population) -> None:
        self._run, self._catalog = run, catalog
        self._user_index = {int(user): index for index, user in enumerate(population.user_id)}
        self._log = open_run(run)
        self.arms = self._log.begun_arms
        """Recommenders with finished segments, in the order of the run."""
        if not self.arms:
            raise LogError(
                f"{run}: got no finished segment, expected at least one; finish the run with `recsim-llm resume {run}`"
            )

    def occasions(self, arm: str, kind: str, count: int, seed: int) -> list[Occasion]:
        """Draw up to ``count`` occasions of a kind for one recommender, without replacement and each with equal chance.

        A draw depends on the seed, the user, the visit, the page, the slot and the kind alone: recommenders share it, so the
        same users are asked about the same moments where these exist, and a larger count keeps those of a smaller one.

        Args:
            arm: name of the recommender.
            kind: ``review`` (a rated click), ``reason`` (a page with a click, or after which the user left) or
                ``interview`` (a visit that is over).
            count: how many.
            seed: of the draw.

        Returns:
            Ordered by user, visit, page and position.

        Raises:
            LogError: the log cannot be read, or is of other items or users.
        """
        table, names = _KEYS[kind]
        drawn, kept = len(names) - (kind == "review"), np.empty((len(names), 0), np.int64)
        word = np.empty(0, np.uint64)
        for batch in self._log.batches(table, [*names, *_ASKED[kind]], arm=arm) if count else ():
            rows = np.stack([integers(batch, name) for name in names])[:, _wanted(kind, batch)]
            word = np.concatenate([word, keyed.words(seed, f"speech {kind}", *rows[:drawn])])
            kept = np.concatenate([kept, rows], axis=1)
            order = np.argsort(word, kind="stable")[:count]
            word, kept = word[order], kept[:, order]
        keys = sorted(tuple(row) for row in kept.T.tolist())
        visits = self._visits(arm, sorted({key[0] for key in keys})) if keys else {}
        return [self._occasion(arm, kind, key, visits) for key in keys]

    def _occasion(self, arm: str, kind: str, key: tuple[int, ...], visits: dict[tuple[int, int], list[ShownPage]]) -> Occasion:
        user_id, visit, *more = key
        page, position, item_id = (*more, None, None, None)[:3]
        pages = tuple(shown for shown in visits.get((user_id, visit), ()) if page is None or shown.page <= page)
        if user_id not in self._user_index or not pages:
            raise LogError(f"{self._run}: got user {user_id} without pages or persona, expected the run's own log and data")
        if kind == "reason":
            kind = "left" if pages[-1].left else "taken"
        chosen = None
        if item_id is not None:
            index = int(self._catalog.index_of([item_id])[0])
            chosen = next((shown for shown in pages[-1].items if shown.item_index == index and shown.taken), None)
            if chosen is None:
                raise LogError(f"{self._run}: got item {item_id} that the catalog lacks, expected the data of the run")
        moment = Moment(self._user_index[user_id], visit, pages, chosen)
        return Occasion(arm, user_id, visit, page, position, item_id, kind, moment)

    def _visits(self, arm: str, user_id: Sequence[int]) -> dict[tuple[int, int], list[ShownPage]]:
        """Return the pages of these users by user and visit."""
        ends = self._rows(arm, "pages", ("user_id", "visit", "page", "stop_reason"), user_id)
        left = {row[:3] for row in ends if row[3] == "left"}
        slots: dict[tuple[int, int, int], list[ShownItem]] = {}
        rows = sorted(self._rows(arm, "impressions", _SHOWN, user_id), key=lambda row: row[:4])
        index = self._catalog.index_of(np.array([row[4] for row in rows], np.int64)).tolist()
        for row, item_index in zip(rows, index, strict=True):
            user, visit, page, _, item_id, clicked, rating, watched = row
            items = slots.setdefault((user, visit, page), [])
            if item_id >= 0 and item_index < 0:
                raise LogError(f"{self._run}: got item {item_id} that the catalog lacks, expected the data of the run")
            if item_id >= 0:
                items.append(ShownItem(item_index, clicked, rating, watched))
        visits: dict[tuple[int, int], list[ShownPage]] = {}
        for (user, visit, page), items in slots.items():
            shown = ShownPage(page, tuple(items), (user, visit, page) in left)
            visits.setdefault((user, visit), []).append(shown)
        return visits

    def _rows(self, arm: str, table: str, names: tuple[str, ...], user_id: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        among = {"user_id": np.asarray(user_id, np.int64)}
        for batch in self._log.batches(table, names, arm=arm, among=among):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def _wanted(kind: str, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Return which rows of its table can be drawn for a kind."""
    if kind == "review":
        return np.asarray((numbers(batch, "clicked") == 1) & ~np.isnan(numbers(batch, "rating")))
    if kind == "reason":
        return np.asarray((numbers(batch, "clicks") > 0) | (words(batch, "stop_reason") == "left"))
    return np.ones(len(batch), np.bool_)
