"""The log of one recommender, read in portions of whole users, page by page in the order in which it happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.errors import LogError

__all__ = ["PORTION_SLOTS", "ArmLog", "Portion", "finished_files"]

IntArray = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Files = dict[str, list[Path]]

PORTION_SLOTS = 2_000_000
"""Slots that are in memory together, unless a single user has more."""
_BATCH_ROWS = 1 << 17
_PAGE_NUMBERS = ("slate_propensity", "reward", "clicks", "invalid_slots")
_SLOT_NUMBERS = ("propensity", "prefix_propensity", "clicked", "rating")


class Portion(NamedTuple):
    """Pages of some users, ordered by user (in the order asked for), visit and page; ``p`` pages of ``k`` slots."""

    user_id: IntArray
    """int64 [p]: the users' own ids."""
    visit: IntArray
    """int64 [p]: visit number."""
    page: IntArray
    """int64 [p]: page number within the visit, from 0."""
    slate_propensity: Floats
    """float64 [p]: probability of the whole page; NaN unknown."""
    reward: Floats
    """float64 [p]."""
    invalid: IntArray
    """int64 [p]: blanked slots."""
    left: npt.NDArray[np.bool_]
    """bool [p]: the user ended the visit after this page."""
    out_of_pages: npt.NDArray[np.bool_]
    """bool [p]: the page budget ended it."""
    item_id: IntArray
    """int64 [p, k]: outside ids, -1 for a blank slot."""
    clicked: npt.NDArray[np.bool_]
    """bool [p, k]."""
    rating: npt.NDArray[np.float32]
    """float32 [p, k]: stars; NaN where none was given."""
    propensity: Floats
    """float64 [p, k]: probability of this item at this position; NaN unknown."""
    prefix_propensity: Floats
    """float64 [p, k]: probability of it given the positions before it; NaN unknown."""
    text: npt.NDArray[np.object_]
    """str or None [p, k]: what the user wrote."""

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """int64 [v]: the row at which each visit begins."""
        changed = (np.diff(self.user_id, prepend=-1) != 0) | (np.diff(self.visit, prepend=-1) != 0)
        return np.flatnonzero(changed)


class ArmLog:
    """What a finished arm logged.

    Args:
        run: run folder.
        arm: name of the arm.
        files: of the arm by table, from ``finished_files``.
        slate_size: slots a page.
    """

    def __init__(self, run: Path, arm: str, files: Mapping[str, Sequence[Path]], *, slate_size: int) -> None:
        self.run, self.arm, self.slate_size = run, arm, slate_size
        self._files = files

    def keys(self, key: str) -> tuple[IntArray, IntArray]:
        """Return the distinct values of ``user_id`` or ``visit``, ascending, and the pages of each, int64 [n] each."""
        parts = [np.unique(_whole(batch, key), return_counts=True) for batch in self._batches("pages", [key])]
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        values, place = np.unique(np.concatenate([value for value, _ in parts]), return_inverse=True)
        counts = np.concatenate([count for _, count in parts])
        return values, np.bincount(place, weights=counts, minlength=len(values)).astype(np.int64)

    def shown(self) -> tuple[int, int]:
        """Return the number of slots that showed an item, and of blank ones."""
        items, blank = 0, 0
        for batch in self._batches("impressions", ["item_id"]):
            known = int(np.count_nonzero(_whole(batch, "item_id") >= 0))
            items, blank = items + known, blank + len(batch) - known
        return items, blank

    def portions(self, order: IntArray | None = None, *, key: str = "user_id") -> Iterator[Portion]:
        """Yield the whole log; it is read once for each portion, and a portion is what is in memory.

        Args:
            order: int64 [n]: positions in ``keys(key)``, in the order wanted; None takes them ascending.
            key: ``user_id`` for portions of whole users, or ``visit`` where each visit of a log has a number of its own.

        Raises:
            LogError: pages and impressions do not fit together, or a file cannot be read.
        """
        values, pages = self.keys(key)
        order = np.arange(len(values)) if order is None else order
        rank = np.empty(len(values), np.int64)
        rank[order] = np.arange(len(order))
        number = np.cumsum(pages[order]) * self.slate_size // PORTION_SLOTS
        for one in np.unique(number):
            wanted = np.sort(order[number == one])
            yield self._portion(values[wanted], rank[wanted], key)

    def _portion(self, values: IntArray, rank: IntArray, key: str) -> Portion:
        slots = self.slate_size
        names = ["user_id", "visit", "page"]
        pages = self._columns("pages", [*names, *_PAGE_NUMBERS, "stop_reason"], values, key)
        shown = self._columns("impressions", [*names, "position", "item_id", *_SLOT_NUMBERS, "text"], values, key)
        place = rank[np.searchsorted(values, pages[key])]
        by_page = np.lexsort((pages["page"], pages["visit"], place))
        place = rank[np.searchsorted(values, shown[key])]
        by_slot = np.lexsort((shown["position"], shown["page"], shown["visit"], place))
        pages = {name: column[by_page] for name, column in pages.items()}
        grid = {name: column[by_slot] for name, column in shown.items()}
        whole = len(by_slot) == len(by_page) * slots and np.array_equal(
            grid["position"], np.tile(np.arange(slots), len(by_page))
        )
        if not whole or any(not np.array_equal(grid[name], np.repeat(pages[name], slots)) for name in names):
            raise LogError(
                f"{self.run}: pages and impressions of arm {self.arm!r} do not fit, expected {slots} slots a page; "
                "restore the files or start a new run"
            )
        table = {name: column.reshape(-1, slots) for name, column in grid.items()}
        return Portion(
            user_id=pages["user_id"],
            visit=pages["visit"],
            page=pages["page"],
            slate_propensity=pages["slate_propensity"],
            reward=pages["reward"],
            invalid=pages["invalid_slots"].astype(np.int64),
            left=pages["stop_reason"] == "left",
            out_of_pages=pages["stop_reason"] == "max_pages",
            item_id=table["item_id"],
            clicked=table["clicked"] == 1,
            rating=table["rating"].astype(np.float32),
            propensity=table["propensity"],
            prefix_propensity=table["prefix_propensity"],
            text=table["text"],
        )

    def _columns(self, table: str, names: list[str], values: IntArray, key: str) -> dict[str, npt.NDArray[Any]]:
        parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in names}
        for batch in self._batches(table, names):
            mine = np.isin(_whole(batch, key), values)
            for name in names if mine.any() else ():
                parts[name].append(_column(batch, name)[mine])
        return {name: np.concatenate(columns) if columns else np.empty(0) for name, columns in parts.items()}

    def _batches(self, table: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for path in self._files[table]:
            try:
                with pq.ParquetFile(path) as file:
                    missing = set(columns) - set(file.schema_arrow.names)
                    if missing:
                        raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(columns)}")
                    yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error


def finished_files(run: Path) -> dict[str, Files]:
    """Return the files of each arm whose last segment is in, by arm and table; nothing is changed.

    Raises:
        LogError: the index cannot be read, or a file is missing or damaged.
    """
    path = run / "segments.jsonl"
    try:
        # What stands after the last line break is a torn write.
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").split("\n")[:-1]] if path.is_file() else []
        arms = {str(line["arm"]) for line in lines if line["last"]}
        files: dict[str, Files] = {arm: {"impressions": [], "pages": [], "visits": []} for arm in arms}
        for line in lines:
            for name, digest in sorted(line["sha256"].items()) if str(line["arm"]) in arms else ():
                files[str(line["arm"])][name.partition("/")[0]].append(_whole_file(run / name, digest))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LogError(f"{path}: got {error!r}, expected the index of a run; restore the file or start a new run") from error
    return files


def _whole_file(path: Path, digest: str) -> Path:
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise LogError(f"{path}: missing or damaged, expected SHA-256 {digest}; restore the file or start a new run")
    return path


def _whole(batch: pa.RecordBatch, name: str) -> IntArray:
    values: IntArray = batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def _column(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    """Return a column: whole numbers as int64, other numbers as float64 with NaN for null, words as objects."""
    column = batch.column(name)
    if name in ("stop_reason", "text"):
        words = np.empty(len(column), object)
        words[:] = column.to_pylist()
        return words
    if name in _PAGE_NUMBERS or name in _SLOT_NUMBERS:
        numbers: npt.NDArray[Any] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers
    return _whole(batch, name)
