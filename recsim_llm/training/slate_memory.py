"""What a slate learner remembers: the last pages of every row, in arrays that are overwritten in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.errors import ConfigError

__all__ = ["SlateMemory", "Transitions"]


class Transitions(NamedTuple):
    """Pages of users, and what stood before them and after them."""

    inputs: FloatArray
    """float32 [b, d]: what was observed before the page."""
    slates: IntArray
    """int64 [b, k]: catalog positions shown; 0 where the slot was blank."""
    clicked: FloatArray
    """float32 [b, k]: 1 where clicked."""
    shown: FloatArray
    """float32 [b, k]: 0 where the slot was blank."""
    reward: FloatArray
    """float32 [b]."""
    goes_on: FloatArray
    """float32 [b]: 0 where the visit ended with the page."""
    next_inputs: FloatArray
    """float32 [b, d]: what was observed after it."""
    next_fresh: BoolArray
    """bool [b, n]: items that the next page may show."""


class SlateMemory:
    """The last ``steps`` pages of ``rows`` users.

    A page's successor is the page that the same row saw next, so that each observation is kept once. Observations are kept in
    half precision.
    """

    def __init__(self, *, steps: int, rows: int, inputs: int, items: int, slots: int) -> None:
        shape = (steps, rows)
        self._items = items
        self._columns: dict[str, npt.NDArray[Any]] = {
            "inputs": np.zeros((*shape, inputs), np.float16),
            "fresh": np.zeros((*shape, -(-items // 8)), np.uint8),
            "slates": np.full((*shape, slots), -1, np.int32),
            "clicked": np.zeros((*shape, slots), np.bool_),
            "reward": np.zeros(shape, np.float32),
            "ended": np.zeros(shape, np.bool_),
            "usable": np.zeros(shape, np.bool_),
        }
        self._written = 0
        self._follows = False

    def part(self) -> None:
        """Begin anew in every row: the page that comes next follows on none."""
        self._follows = False

    def add(self, inputs: FloatArray, fresh: BoolArray, **page: npt.NDArray[Any]) -> None:
        """Remember a page of every row.

        Args:
            inputs: float32 [r, d]: what was observed before it.
            fresh: bool [r, n]: items that it may show.
            page: ``slates`` [r, k], -1 in blank slots, ``clicked`` [r, k], ``reward`` [r] and ``ended`` [r].
        """
        columns, steps = self._columns, len(self._columns["reward"])
        at = self._written % steps
        if self._follows:
            columns["usable"][at - 1] = True
        # Until its successor is there, a page is of use only where there is none.
        page |= {"inputs": inputs, "fresh": np.packbits(fresh, axis=1), "usable": page["ended"]}
        for name, column in page.items():
            columns[name][at] = column
        self._written, self._follows = self._written + 1, True

    def draw(self, random: np.random.Generator, count: int) -> Transitions:
        """Return pages drawn uniformly, fewer than ``count`` where some of the drawn ones have no successor yet."""
        columns, steps = self._columns, len(self._columns["reward"])
        step = random.integers(min(self._written, steps), size=count)
        row = random.integers(columns["reward"].shape[1], size=count)
        usable = columns["usable"][step, row]
        step, row = step[usable], row[usable]
        after, slates = (step + 1) % steps, columns["slates"][step, row]
        return Transitions(
            inputs=columns["inputs"][step, row].astype(np.float32),
            slates=np.maximum(slates, 0).astype(np.int64),
            clicked=columns["clicked"][step, row].astype(np.float32),
            shown=(slates >= 0).astype(np.float32),
            reward=columns["reward"][step, row],
            goes_on=(~columns["ended"][step, row]).astype(np.float32),
            next_inputs=columns["inputs"][after, row].astype(np.float32),
            next_fresh=np.unpackbits(columns["fresh"][after, row], axis=1, count=self._items).view(np.bool_),
        )

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that is remembered, by name."""
        return self._columns | {"written": np.array(self._written)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what ``state`` returned in place of what is remembered; the page that comes next follows on none.

        Raises:
            ConfigError: it is of another size.
        """
        for name, column in self._columns.items():
            if state[name].shape != column.shape:
                raise ConfigError(
                    f"{name}: got a memory of shape {state[name].shape}, expected {column.shape}; go on with the settings and "
                    "the number of rows that it was made with"
                )
            column[:] = state[name]
        self._written, self._follows = int(state["written"]), False
