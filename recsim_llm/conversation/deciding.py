"""How a user decides its next act: what it heard, probabilities of what it may do, and one distribution over all of it.

A user decides first and speaks afterwards: whoever plays the user returns ``Chances``, typed and without words; ``spread``
makes of them one probability for each act that is possible, in the order of ``Options``, and one keyed die draws from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from recsim_llm.conversation.acts import (
    ACCEPT,
    ANSWER,
    CHANGE_MIND,
    CRITIQUE,
    EXPLAIN,
    LEAVE,
    LESS,
    MORE,
    NOT_THIS,
    NOTHING,
    RECOMMEND,
    REFUSE,
)
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray

__all__ = [
    "AnswersTurnsLater",
    "Chances",
    "DecidesByRule",
    "DialogueUsers",
    "Heard",
    "Options",
    "RemembersTurns",
    "draw",
    "options_of",
    "spread",
]


class Heard(NamedTuple):
    """What a batch of users heard and wants; the hidden side of a dialogue, for who plays the users alone."""

    user_index: IntArray
    """int64 [m]: who."""
    visit: IntArray
    """int64 [m]: at which visit."""
    turn: IntArray
    """int64 [m]: in which turn; 0 is the opening, before the policy's first act."""
    act: IntArray
    """int64 [m]: the policy's act."""
    attribute: IntArray
    """int64 [m]: what was asked about; -1 for an open question, or none."""
    item_index: IntArray
    """int64 [m, k]: catalog positions of what was shown; -1 where there is none."""
    appeal: DoubleArray
    """float64 [m, k]: how much better the items are than those that the user would just about take, in standard deviations
    of the user's appeal over the catalog."""
    wanted: BoolArray
    """bool [m, k]: which of them are what the user looks for; all False without a goal."""
    goal: IntArray
    """int64 [m]: catalog position of what is looked for, or of whose attributes; -1 without a goal."""
    has_goal: bool
    """Whether users look for something certain."""
    truth: DoubleArray
    """float64 [m, v]: what a true answer is: shares of the values, summing to 1 within an attribute, or to 0 where the user
    does not care."""
    told: BoolArray
    """bool [m, a]: which attributes the user spoke of already, since it last changed its mind."""
    lacking: BoolArray
    """bool [m, v]: values that some item shown has and nothing wanted has."""
    missing: DoubleArray
    """float64 [m, v]: shares of what is wanted, of values that no item shown has; sum to 1, or to 0."""
    alone: BoolArray
    """bool [m]: who would rather look around undisturbed."""
    out_of_patience: BoolArray
    """bool [m]: whose patience is used up with this act of the policy."""


class Chances(NamedTuple):
    """Probabilities of what users may do, before anything is drawn."""

    take: DoubleArray
    """float64 [m, k]: of taking a slot's item, given that none above was taken."""
    answer: DoubleArray
    """float64 [m, v]: of answering with a value; what is missing to 1 is no answer."""
    less: DoubleArray
    """float64 [m, v]: of asking for less of a value, of those who take nothing."""
    more: DoubleArray
    """float64 [m, v]: of asking for more of a value, likewise."""
    not_this: DoubleArray
    """float64 [m]: of refusing the first item for good, likewise; with the two above it sums to at most 1."""
    change_mind: DoubleArray
    """float64 [m]: of looking for something else from now on."""
    leave: DoubleArray
    """float64 [m]: of leaving, of those who take nothing and keep their mind."""


class DialogueUsers(Protocol):
    """Who plays the users of conversations: probabilities out, nothing drawn."""

    def decide(self, heard: Heard) -> Chances:
        """Return what each user may do and how probably."""
        ...


@runtime_checkable
class DecidesByRule(Protocol):
    """Users whose decision for any goal costs nothing, so that a leak meter may ask what they would have done."""

    by_rule: bool
    """True."""


@runtime_checkable
class AnswersTurnsLater(Protocol):
    """Users whose decisions take their time: turns are started, and decided in whatever order they become ready.

    Deciding a turn that was started gives what deciding it at once would have given.
    """

    def start(self, heard: Heard) -> Sequence[Future[Any]]:
        """Begin to work on decisions and return without waiting: what each of them waits for, [m]."""
        ...


@runtime_checkable
class RemembersTurns(Protocol):
    """Users who keep what was said, in words."""

    def remember(self, user_index: IntArray, policy: TextArray, user: TextArray) -> None:
        """Keep what was said in a turn of users int64 [m]; both str [m], empty where nothing was."""


class Options(NamedTuple):
    """All that a user can do in a turn, a column each."""

    act: IntArray
    """int64 [o]: place in ``USER_ACTS``."""
    value: IntArray
    """int64 [o]: value index, -1 for none."""
    critique: IntArray
    """int64 [o]: place in ``CRITIQUES``, -1 for none."""
    slot: IntArray
    """int64 [o]: slot that is accepted or criticised, -1 for none."""


def options_of(slots: int, values: int) -> Options:
    """Return the columns of ``spread``: change of mind, a slot each, leaving, answers, critiques, refusal, nothing."""
    act = [CHANGE_MIND] + [ACCEPT] * slots + [LEAVE] + [ANSWER] * values + [CRITIQUE] * (2 * values + 1) + [REFUSE, NOTHING]
    none, every = np.full(1, -1), np.arange(values)
    value = np.concatenate([np.full(slots + 2, -1), every, every, every, np.full(3, -1)])
    head = np.full(slots + 2 + values, -1)
    critique = np.concatenate([head, np.full(values, LESS), np.full(values, MORE), [NOT_THIS], none, none])
    slot = np.concatenate([none, np.arange(slots), np.full(1 + 3 * values, -1), [0], none, none])
    return Options(np.array(act), value, critique, slot)


def spread(chances: Chances, heard: Heard) -> DoubleArray:
    """Return float64 [m, o]: one probability for each of ``options_of``, summing to 1.

    A change of mind comes first, then items are looked at in their order; who takes none leaves, or answers, criticises or
    refuses, as the policy's act allows.
    """
    keep = 1 - chances.change_mind
    left = np.cumprod(1 - chances.take, axis=1)
    above = np.concatenate([np.ones((len(keep), 1)), left[:, :-1]], axis=1)
    accept = keep[:, None] * chances.take * above
    rest = keep * left[:, -1]
    leave = rest * chances.leave
    stay = (rest - leave)[:, None]
    answer, less, more = stay * chances.answer, stay * chances.less, stay * chances.more
    not_this = stay * chances.not_this[:, None]
    other = np.maximum(stay[:, 0] - sum(part.sum(axis=1) for part in (answer, less, more, not_this)), 0.0)
    shown = np.isin(heard.act, (RECOMMEND, EXPLAIN)) & ~heard.alone & (heard.item_index >= 0).any(axis=1)
    refuse = np.where(shown, other, 0.0)
    columns = (chances.change_mind, accept, leave, answer, less, more, not_this, refuse, other - refuse)
    return np.concatenate([column if column.ndim == 2 else column[:, None] for column in columns], axis=1)


def draw(probability: DoubleArray, dice: DoubleArray) -> IntArray:
    """Return int64 [m]: the option that each die, uniform within 0 and 1, float64 [m], falls on."""
    along = np.cumsum(probability, axis=1)
    place = (along <= (dice * along[:, -1])[:, None]).sum(axis=1)
    last = probability.shape[1] - 1 - (probability[:, ::-1] > 0).argmax(axis=1)
    option: IntArray = np.minimum(place, last)
    return option
