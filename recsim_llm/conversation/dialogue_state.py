"""What is remembered of each dialogue in progress: the hidden side, and what was said."""

from __future__ import annotations

import numpy as np

from recsim_llm.conversation.acts import RECOMMEND, Said, UserActs
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.keyed import Words

__all__ = ["NEVER", "DialogueState", "Record"]

NEVER = -1
"""Stands for a dialogue that has not stopped, and for a turn or place that there is not."""


class DialogueState:
    """One row of numbers a dialogue.

    Args:
        rows: dialogues at the same time.
        items: of the catalog.
        attributes: that can be asked about.
    """

    def __init__(self, rows: int, items: int, attributes: int) -> None:
        self.user_index, self.visit, self.turn = (np.zeros(rows, np.int64) for _ in range(3))
        self.seed = np.zeros(rows, np.uint64)
        self.goal: IntArray = np.zeros(rows, np.int64)
        """int64 [r]: place in the pool of what is looked for."""
        self.changes = np.zeros(rows, np.int64)
        """int64 [r]: how often the user changed its mind."""
        self.patience: DoubleArray = np.zeros(rows)
        self.spent: DoubleArray = np.zeros(rows)
        """float64 [r]: how much of the patience is used up."""
        self.alone: BoolArray = np.zeros(rows, np.bool_)
        self.told: BoolArray = np.zeros((rows, attributes), np.bool_)
        self.candidates: BoolArray = np.zeros((rows, items), np.bool_)
        """bool [r, n]: items that fit every answer since the user last changed its mind."""
        self.stop: IntArray = np.full(rows, NEVER)
        """int64 [r]: place in ``STOPS``, ``NEVER`` while the dialogue goes on."""

    def begin(self, rows: IntArray, user_index: IntArray, visit: IntArray, seed: Words) -> None:
        """Let new dialogues begin in rows int64 [m]."""
        self.user_index[rows], self.visit[rows], self.seed[rows] = user_index, visit, seed
        self.turn[rows], self.changes[rows], self.spent[rows] = 0, 0, 0.0
        self.told[rows], self.candidates[rows], self.stop[rows] = False, True, NEVER


class Record:
    """What was said in each dialogue, turn by turn.

    Args:
        rows: dialogues at the same time.
        turns: most turns, the opening included.
        slots: most items of an act.
    """

    def __init__(self, rows: int, turns: int, slots: int) -> None:
        shape = (rows, turns)
        self._said = Said(*(np.full((*shape, slots) if name == "item_id" else shape, -1) for name in Said._fields))
        self._open_critique = np.full((rows, 2), -1)
        self._criticised = np.full((rows, slots), -1)

    def begin(self, rows: IntArray) -> None:
        """Forget what was said in rows int64 [m]."""
        for column in self._said:
            column[rows] = -1
        self._open_critique[rows], self._criticised[rows] = -1, -1

    def add(self, rows: IntArray, turn: IntArray, policy: tuple[IntArray, IntArray, IntArray], user: UserActs) -> None:
        """Add a turn: the policy's act, attribute and items shown, and what the user did."""
        act, attribute, item_id = policy
        said = (act, attribute, item_id, user.act, user.value, user.critique, user.item_id)
        for column, values in zip(self._said, said, strict=True):
            column[rows, turn] = values

    def criticise(self, rows: IntArray, user: UserActs, item_id: IntArray) -> None:
        """Keep critiques, to be held against what is recommended next."""
        mine = user.critique >= 0
        self._open_critique[rows[mine], 0] = user.critique[mine]
        self._open_critique[rows[mine], 1] = user.value[mine]
        self._criticised[rows[mine]] = item_id[mine]

    def take_critiques(self, rows: IntArray, act: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return critiques that recommendations are to heed: kind int64 [m], -1 for none, value, items; each is told once."""
        answered = (act == RECOMMEND) & (self._open_critique[rows, 0] >= 0)
        kind = np.where(answered, self._open_critique[rows, 0], -1)
        value, items = self._open_critique[rows, 1], self._criticised[rows].copy()
        self._open_critique[rows[answered]] = -1
        return kind, value, items

    def shown(self, rows: IntArray) -> IntArray:
        """Return int64 [m, n]: ids of all items shown so far in rows int64 [m], -1 for none."""
        return self._said.item_id[rows].reshape(len(rows), -1)

    def said(self, rows: IntArray, turns: int) -> Said:
        """Return the first turns of rows int64 [m], columns [m, turns]."""
        return Said(*(column[rows, :turns] for column in self._said))
