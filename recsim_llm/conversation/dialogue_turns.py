"""A turn of a batch of dialogues: what a policy did, before and after its users answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.conversation.acts import PolicyActs, UserActs
from recsim_llm.conversation.deciding import Heard
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["Prepared", "Turn"]


class Prepared(NamedTuple):
    """An act that was said and not yet answered."""

    rows: IntArray
    """int64 [m]: of the dialogues."""
    acts: PolicyActs
    """As the policy did them; items that are invalid, or do not belong to the act, are -1."""
    invalid: IntArray
    """int64 [m]: items that were blanked."""
    heard: Heard
    """What users decide upon."""
    welcome: IntArray
    """int64 [m]: 1 where the user wanted to be spoken to, 0 where it was interrupted, -1 where the policy was silent."""
    obeyed: IntArray
    """int64 [m]: whether a recommendation heeds the last critique; -1 where there is none to heed."""

    def take(self, at: IntArray) -> Prepared:
        """Return the acts of some of the dialogues, int64 [t] of places in the columns."""
        taken: Prepared = _take(self, at)
        return taken

    @classmethod
    def join(cls, parts: Sequence[Prepared]) -> list[Prepared]:
        """Return acts that were said at different times as one, or as two where only some of them have words of their own."""
        worded = [part for part in parts if part.acts.text is not None]
        plain = [part for part in parts if part.acts.text is None]
        return [_join(same) for same in (worded, plain) if same]


class Turn(NamedTuple):
    """A turn of a batch of dialogues, as it is logged."""

    prepared: Prepared
    """What the policy did."""
    turn: IntArray
    """int64 [m]: number of the turn, 0 for the opening."""
    user: UserActs
    """What users did."""
    probability: DoubleArray
    """float64 [m]: of what was drawn."""
    accept: DoubleArray
    """float64 [m, k]: probability that each slot was accepted, before anything was drawn."""
    leave: DoubleArray
    """float64 [m]: probability of leaving, likewise."""
    bits: DoubleArray
    """float64 [m]: entropy that an answer took from the items that still fit, each as probable as the others; NaN without
    one."""
    false: BoolArray
    """bool [m]: answers that are not true of what the user looks for."""
    ended: BoolArray
    """bool [m]: which dialogues are over."""


def _take(value: Any, at: IntArray) -> Any:
    """Return some of the rows of every column of a tuple, and of the tuples in it."""
    if isinstance(value, np.ndarray):
        return value[at]
    return type(value)(*(_take(part, at) for part in value)) if isinstance(value, tuple) else value


def _join(values: Sequence[Any]) -> Any:
    """Return the columns of tuples alike one after the other; what is no column is the same in all of them."""
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    return type(first)(*map(_join, zip(*values, strict=True))) if isinstance(first, tuple) else first
