"""Obedience of a conversation beyond chance: what became of critiques beside what became of pages refused without one.

Whether a user who takes nothing says what was wrong is drawn, and so is what it says. So the pages that users refused plainly
show what the same policy does when nothing is asked for. Each is held against the critiques that its user could have made
there, weighted as they are drawn: the share that the next recommendation heeds all the same is chance. With the share ``m`` of
critiques that were not heeded, and ``c`` of those that would not have been heeded by chance,

    obedience = 1 - m / c

is 0 for a policy that is deaf and 1 for one that heeds everything. Over all kinds ``c`` is that of each kind, weighted by the
number of critiques of that kind. What a user could have said hangs on what it looks for. That is in the log where users look
for something certain, from their last change of mind on; turns before it do not count here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.conversation.acts import (
    CHANGE_MIND,
    CRITIQUE,
    CRITIQUES,
    LESS,
    MORE,
    NOT_THIS,
    POLICY_ACTS,
    RECOMMEND,
    REFUSE,
    USER_ACTS,
)
from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.goals import Goals
from recsim_llm.conversation.hypotheses import meant_by
from recsim_llm.conversation.taste_users import LESS_SHARE, MORE_SHARE
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.log.reader import RunReader
from recsim_llm.log.tables import read_table
from recsim_llm.statistics import Estimate, ratio_estimate, weighted_contrast

__all__ = ["ALL", "ChanceObedience", "ChanceReader"]

ALL = "all"
"""Stands for critiques of every kind."""
_ITEMS = ("item_id", "title", "year", "genres", "provider", "popularity")
_TURNS = ("user_id", "turn", "who", "act", "attribute", "value", "critique", "item_ids")
_POLICY = "policy"

_Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ChanceObedience:
    """Obedience beyond chance, by kind of critique and of ``all``; intervals by user."""

    critiques: Mapping[str, int]
    """Critiques that count: there was a recommendation after them, and what the user looks for is known."""
    refusals: int
    """Pages refused without a critique, beside which they are held."""
    by_chance: Mapping[str, Estimate]
    """Share of the critiques that users could have made on these pages which the next recommendation would have heeded."""
    obedience: Mapping[str, Estimate]
    """0: as if nothing had been said; 1: every critique is heeded. None where chance alone heeds everything."""


class _Refused(NamedTuple):
    """A page that was not taken, and the recommendation after it."""

    user: int
    shown: list[int]
    """Ids of the items on it."""
    then: list[int]
    """Ids of the items of the next recommendation."""
    goal: int
    """Id of what the user looks for."""
    kind: int
    """Place in ``CRITIQUES``; -1 where it was refused plainly."""
    value: tuple[str | None, str | None]
    """Attribute and value of the critique."""


class ChanceReader:
    """Measures obedience beyond chance in a run whose users look for something certain.

    Args:
        log: of the run.
        settings: its section ``conversation``.

    Raises:
        LogError: the table of items cannot be read.
    """

    def __init__(self, log: RunReader, settings: Mapping[str, Any]) -> None:
        self._log, self._catalog = log, _read_catalog(log)
        self._attributes = find_attributes(self._catalog)
        self._goals = Goals(self._attributes, ConversationSettings(**settings))
        names = [self._attributes.names[place] for place in self._attributes.attribute.tolist()]
        pairs = zip(names, self._attributes.value_names, strict=True)
        self._place: dict[tuple[str | None, str | None], int] = {pair: place for place, pair in enumerate(pairs)}

    def measure(self, arm: str) -> ChanceObedience:
        """Measure the obedience of an arm."""
        pages = [page for turns, goal in self._dialogues(arm) for page in _refused(turns, goal)]
        kind = np.array([page.kind for page in pages], np.int64)
        users, row = np.unique(np.array([page.user for page in pages], np.int64), return_inverse=True)
        missed, chance, weight = self._judge(pages, kind)
        # By kind and user: critiques, those not heeded, pages refused plainly, and what would not have been heeded on them.
        sums = np.zeros((4, len(CRITIQUES), len(users)))
        for number in range(len(CRITIQUES)):
            made, plain = kind == number, np.where(kind < 0, weight[:, number], 0.0)
            for place, amount in enumerate((made, made & missed, plain, plain * (1 - chance[:, number]))):
                sums[place, number] = np.bincount(row, amount, len(users))
        found = {name: _beyond(sums[:, [number]]) for number, name in enumerate(CRITIQUES)} | {ALL: _beyond(sums)}
        counts = {name: int(sums[0, number].sum()) for number, name in enumerate(CRITIQUES)}
        return ChanceObedience(
            critiques=counts | {ALL: sum(counts.values())},
            refusals=int(np.count_nonzero(kind < 0)),
            by_chance={name: by_chance for name, (by_chance, _) in found.items()},
            obedience={name: obedience for name, (_, obedience) in found.items()},
        )

    def _dialogues(self, arm: str) -> Iterator[tuple[list[_Row], int]]:
        """Yield the turns of each dialogue that is over, and the id of what its user looked for in the end."""
        goals = self._log.columns("dialogues", ["user_id", "goal_item"], arm=arm)
        turns: dict[int, list[_Row]] = {int(user): [] for user in goals["user_id"]}
        for batch in self._log.batches("turns", _TURNS, arm=arm):
            for turn in batch.to_pylist():
                if turn["user_id"] in turns:
                    turns[turn["user_id"]].append(turn)
        for user, goal in zip(goals["user_id"].tolist(), goals["goal_item"].tolist(), strict=True):
            yield sorted(turns[user], key=lambda turn: (turn["turn"], turn["who"] != _POLICY)), int(goal)

    def _judge(self, pages: Sequence[_Refused], kind: IntArray) -> tuple[Any, DoubleArray, DoubleArray]:
        """Return which critiques were not heeded, bool [p]; by kind the chance that one would be, and how probably it is made.

        The last two are float64 [p, 3].
        """
        shown, then = self._places([page.shown for page in pages]), self._places([page.then for page in pages])
        goal = self._catalog.index_of(np.array([page.goal for page in pages], np.int64))
        # Goals are certain: nothing hangs on the pool that they were drawn from.
        meant = meant_by(goal, goal[:, None], shown, attributes=self._attributes, goals=self._goals)
        has: BoolArray = np.logical_or.reduce(self._attributes.members[then] & (then >= 0)[:, :, None], axis=1)
        again = ((then[:, :, None] == shown[:, None, :]) & (then >= 0)[:, :, None]).any(axis=(1, 2))
        lacking, missing = meant["lacking"], meant["missing"]
        few, some = lacking.any(axis=1), missing.sum(axis=1) > 0
        chance = np.empty((len(pages), len(CRITIQUES)))
        chance[:, LESS] = (lacking & ~has).sum(axis=1) / np.maximum(lacking.sum(axis=1), 1)
        chance[:, MORE] = (missing * has).sum(axis=1)
        chance[:, NOT_THIS] = ~again
        weight = np.zeros_like(chance)
        weight[:, LESS], weight[:, MORE] = LESS_SHARE * few, MORE_SHARE * some
        weight[:, NOT_THIS] = 1 - weight[:, LESS] - weight[:, MORE]
        value = np.array([self._place.get(page.value, 0) for page in pages], np.int64)
        there = has[np.arange(len(pages)), value]
        return np.select([kind == LESS, kind == MORE, kind == NOT_THIS], [there, ~there, again], False), chance, weight

    def _places(self, items: Sequence[list[int]]) -> IntArray:
        """Return int64 [p, k]: catalog positions, -1 where there are no more."""
        width = max((len(row) for row in items), default=0)
        ids = np.array([[*row, *[-1] * (width - len(row))] for row in items], np.int64).reshape(len(items), width)
        return self._catalog.index_of(ids)


def _refused(turns: Sequence[_Row], goal: int) -> Iterator[_Refused]:
    """Yield the pages of a dialogue that were not taken and had another recommendation after them."""
    known = max((turn["turn"] for turn in turns if turn["act"] == USER_ACTS[CHANGE_MIND]), default=-1)
    shown: list[int] = []
    waiting: tuple[_Row, list[int]] | None = None
    for turn in turns:
        if turn["who"] != _POLICY:
            refused = turn["act"] in (USER_ACTS[CRITIQUE], USER_ACTS[REFUSE])
            if shown and refused and turn["turn"] > known:
                waiting = turn, shown
            continue
        recommends, items = turn["act"] == POLICY_ACTS[RECOMMEND], list(turn["item_ids"] or ())
        if recommends and waiting is not None:
            said, before = waiting
            kind = -1 if said["critique"] is None else CRITIQUES.index(said["critique"])
            if items:
                yield _Refused(turn["user_id"], before, items, goal, kind, (said["attribute"], said["value"]))
            waiting = None
        shown = items if recommends else []


def _read_catalog(log: RunReader) -> Catalog:
    """Return what the run's table of items tells: enough to know what can be asked about them."""
    items = read_table(log.folder, "items", _ITEMS)
    columns = {name: items[name].to_pylist() for name in _ITEMS}
    columns["year"] = [-1 if year is None else year for year in columns["year"]]
    if not any(columns["provider"]):
        del columns["provider"]
    return Catalog.from_columns(**columns)


def _beyond(sums: DoubleArray) -> tuple[Estimate, Estimate]:
    """Return what chance would have heeded and obedience beyond it, from sums float64 [4, kinds, users].

    The expected misses are linear in the sums around their totals, so that the interval allows for all of them (delta method).
    """
    made, missed, plain, by_chance = sums[:, (sums[0].sum(axis=1) > 0) & (sums[2].sum(axis=1) > 0)]
    total, refused = made.sum(axis=1, keepdims=True), plain.sum(axis=1, keepdims=True)
    rate = by_chance.sum(axis=1, keepdims=True) / refused
    expected = (total / refused * (by_chance - rate * plain) + rate * made).sum(axis=0)
    asked, failed = made.sum(axis=0), missed.sum(axis=0)
    heeded = ratio_estimate(asked - expected, asked, bounds=(0.0, 1.0))
    there = int(np.count_nonzero(asked))
    if not there or expected.sum() <= 0:
        return heeded, Estimate(value=None, users=there)
    if not failed.sum():
        return heeded, Estimate(value=1.0, users=there)
    ones = ((asked > 0) | (plain > 0).any(axis=0)).astype(np.float64)
    kept = weighted_contrast([failed, expected], [ones, ones], [1.0, -1.0], logarithmic=True)
    if kept.value is None:
        return heeded, Estimate(value=None, users=there)
    low, high = (None if end is None else 1.0 - end for end in (kept.high, kept.low))
    # Nobody heeds more than everything.
    return heeded, Estimate(value=1.0 - kept.value, low=low, high=high, users=there).within(-np.inf, 1.0)
