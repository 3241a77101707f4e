"""Obedience of a conversation beyond chance: what became of what users asked for, beside what they could have asked for there.

Which value a user asks less or more of is drawn from those that it could name on that page. A policy that is deaf shows the
same next items whatever the die says, so that on each page what was said is held against what could have been said instead.
With ``q`` the probability of each value there, the one said weighs ``1 - q`` and each other one its ``q``: over the draws both
sums have the same mean, whatever the page and whatever comes next. With ``m`` the weight of what was said and not heeded, and
``c`` that of what was not said and would not have been heeded,

    obedience = 1 - m / c

is 0 for a policy that is deaf, however it leans, and 1 for one that heeds everything. Who asks, and when, may hang on the page:
only the value must be drawn by a rule, as it is also for users whom a language model plays. Where there was one value to name
nothing is compared; nor is "not this one", which always means the first item. What a user could have named hangs on what it
looks for. That is in the log where users look for something certain, from their last change of mind on; turns before it do not
count here.
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
    POLICY_ACTS,
    RECOMMEND,
    USER_ACTS,
)
from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.goals import Goals
from recsim_llm.conversation.hypotheses import meant_by
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.log.reader import RunReader
from recsim_llm.log.tables import read_table
from recsim_llm.statistics import Estimate, ratio_estimate, weighted_contrast

__all__ = ["ALL", "ChanceObedience", "ChanceReader"]

ALL = "all"
"""Stands for critiques that name a value, of both kinds."""
_KINDS = (LESS, MORE)
_ITEMS = ("item_id", "title", "year", "genres", "provider", "popularity")
_TURNS = ("user_id", "turn", "who", "act", "attribute", "value", "critique", "item_ids")
_POLICY = "policy"

_Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ChanceObedience:
    """Obedience beyond chance, by kind of critique that names a value and of ``all`` of them; intervals by user."""

    critiques: Mapping[str, int]
    """Critiques that count: a recommendation came after them, what the user looks for is known, and it could have named
    another value."""
    heeded: Mapping[str, Estimate]
    """Share of what was said that the next recommendation heeded, each critique with its weight."""
    by_chance: Mapping[str, Estimate]
    """Share of what could have been said instead that the next recommendation would have heeded, likewise."""
    obedience: Mapping[str, Estimate]
    """0: as if nothing had been said; 1: every critique is heeded. None where chance alone heeds everything."""


class _Criticised(NamedTuple):
    """A page of which a user said what was wrong, and the recommendation after it."""

    user: int
    shown: list[int]
    """Ids of the items on it."""
    then: list[int]
    """Ids of the items of the next recommendation."""
    goal: int
    """Id of what the user looks for."""
    kind: int
    """``LESS`` or ``MORE``."""
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
        pages = [page for turns, goal in self._dialogues(arm) for page in _criticised(turns, goal)]
        kind = np.array([page.kind for page in pages], np.int64)
        users, row = np.unique(np.array([page.user for page in pages], np.int64), return_inverse=True)
        columns = self._judge(pages, kind)
        # By kind and user: weight of what was said, of that not heeded, of what was not said, and of that not heeded.
        sums: DoubleArray = np.zeros((len(columns), len(_KINDS), len(users)))
        for place, one in enumerate(_KINDS):
            for number, column in enumerate(columns):
                sums[number, place] = np.bincount(row, column * (kind == one), len(users))
        counts = {CRITIQUES[one]: int(np.count_nonzero((kind == one) & (columns[0] > 0))) for one in _KINDS}
        found = {CRITIQUES[one]: _beyond(sums[:, place]) for place, one in enumerate(_KINDS)}
        found[ALL] = _beyond(sums.sum(axis=1))
        return ChanceObedience(
            critiques=counts | {ALL: sum(counts.values())},
            heeded={name: heeded for name, (heeded, _, _) in found.items()},
            by_chance={name: by_chance for name, (_, by_chance, _) in found.items()},
            obedience={name: obedience for name, (_, _, obedience) in found.items()},
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

    def _judge(self, pages: Sequence[_Criticised], kind: IntArray) -> DoubleArray:
        """Return float64 [4, p]: weight of what was said, of that if not heeded, of what was not said, of that not heeded."""
        shown, then = self._places([page.shown for page in pages]), self._places([page.then for page in pages])
        goal = self._catalog.index_of(np.array([page.goal for page in pages], np.int64))
        # Goals are certain: nothing hangs on the pool that they were drawn from.
        meant = meant_by(goal, goal[:, None], shown, attributes=self._attributes, goals=self._goals)
        has: BoolArray = np.logical_or.reduce(self._attributes.members[then] & (then >= 0)[:, :, None], axis=1)
        lacking, less = meant["lacking"], (kind == LESS)[:, None]
        chance = np.where(less, lacking / np.maximum(lacking.sum(axis=1, keepdims=True), 1), meant["missing"])
        missed = np.where(less, has, ~has)
        each, value = np.arange(len(pages)), np.array([self._place[page.value] for page in pages], np.int64)
        said = 1.0 - chance[each, value]
        others = chance.copy()
        others[each, value] = 0.0
        return np.stack([said, said * missed[each, value], others.sum(axis=1), (others * missed).sum(axis=1)])

    def _places(self, items: Sequence[list[int]]) -> IntArray:
        """Return int64 [p, k]: catalog positions, -1 where there are no more."""
        width = max((len(row) for row in items), default=0)
        ids = np.array([[*row, *[-1] * (width - len(row))] for row in items], np.int64).reshape(len(items), width)
        return self._catalog.index_of(ids)


def _criticised(turns: Sequence[_Row], goal: int) -> Iterator[_Criticised]:
    """Yield the pages of a dialogue after which a value was named, and which had another recommendation after them."""
    known = max((turn["turn"] for turn in turns if turn["act"] == USER_ACTS[CHANGE_MIND]), default=-1)
    shown: list[int] = []
    waiting: tuple[_Row, list[int]] | None = None
    for turn in turns:
        if turn["who"] != _POLICY:
            if shown and turn["act"] == USER_ACTS[CRITIQUE] and turn["turn"] > known:
                waiting = turn, shown
            continue
        recommends, items = turn["act"] == POLICY_ACTS[RECOMMEND], list(turn["item_ids"] or ())
        if recommends and waiting is not None:
            said, before = waiting
            kind = CRITIQUES.index(said["critique"])
            if items and kind in _KINDS:
                yield _Criticised(turn["user_id"], before, items, goal, kind, (said["attribute"], said["value"]))
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


def _beyond(sums: DoubleArray) -> tuple[Estimate, Estimate, Estimate]:
    """Return what was heeded, what would have been by chance, and obedience beyond it; intervals by the delta method.

    Args:
        sums: float64 [4, users], of ``ChanceReader._judge``.
    """
    said, failed, others, expected = sums
    heeded = ratio_estimate(said - failed, said, bounds=(0.0, 1.0))
    return heeded, ratio_estimate(others - expected, others, bounds=(0.0, 1.0)), _obedience(said, failed, expected)


def _obedience(said: DoubleArray, failed: DoubleArray, expected: DoubleArray) -> Estimate:
    ones = (said > 0).astype(np.float64)
    there = int(ones.sum())
    if not there or expected.sum() <= 0:
        return Estimate(value=None, users=there)
    if not failed.sum():
        return Estimate(value=1.0, users=there)
    kept = weighted_contrast([failed, expected], [ones, ones], [1.0, -1.0], logarithmic=True)
    if kept.value is None:
        return Estimate(value=None, users=there)
    low, high = (None if end is None else 1.0 - end for end in (kept.high, kept.low))
    return Estimate(value=1.0 - kept.value, low=low, high=high, users=there)
