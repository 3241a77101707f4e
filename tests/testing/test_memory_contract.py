"""The contract check of memories: shipped kinds pass, and a breach of each kind is found."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from memory_streams import TOPICS, WEIGHTS
from scripted_users import build_users, pages, taking

from recsim_llm.agents.memory import MemoryParts, open_memory
from recsim_llm.agents.memory.plain_memories import WindowMemory
from recsim_llm.core.user_memory import Rendered
from recsim_llm.errors import ConfigError, ContractError, PlugInError
from recsim_llm.registry import SHIPPED
from recsim_llm.testing import check_memory

PARTS = MemoryParts(words=WEIGHTS, topics=TOPICS)


class TooLong(WindowMemory):
    def render(self, row, queries, now, budget_tokens, *, touch=True):
        return super().render(row, queries, now, budget_tokens + 10, touch=touch)


class Bare(WindowMemory):
    def _render(self, row, budget):
        one = super()._render(row, budget)
        return Rendered(one.consolidated, one.recent.replace("- ", ""), one.dropped, one.index, one.time, one.outdated)


class Shared(WindowMemory):
    def _render(self, row, budget):
        return super()._render(0, budget)


class Worn(WindowMemory):
    def _render(self, row, budget):
        one = super()._render(row, budget)
        if self._held[row]:
            self._held[row].popleft()
        return one


class Blind(WindowMemory):
    def _render(self, row, budget):
        one = super()._render(row, budget)
        return Rendered(one.consolidated, one.recent, one.dropped, one.index, one.time)


class Clinging(WindowMemory):
    def forget(self, rows):
        pass


class Hoarding(WindowMemory):
    def allocate(self, rows):
        if not getattr(self, "_held", None):
            super().allocate(rows)


class Glued(WindowMemory):
    def __deepcopy__(self, memo):
        return self


class Miscounted(WindowMemory):
    def _render(self, row, budget):
        one = super()._render(row, budget)
        return Rendered(one.consolidated, one.recent, one.dropped, one.index[1:], one.time, one.outdated)


class Telling(WindowMemory):
    def remember(self, row, time, texts, *, only_evidence=False, **more):
        super().remember(row, time, texts, **more)


class Writing(WindowMemory):
    def settle(self, row, now):
        now += 1


class Crashing(WindowMemory):
    def lines(self, row):
        raise KeyError("row")


class Crowded(WindowMemory):
    def _render(self, row, budget):
        one = super()._render(row, budget)
        busy = sum(bool(held) for held in self._held)
        return Rendered(one.consolidated, one.recent, one.dropped + busy - 1, one.index, one.time, one.outdated)


@pytest.mark.parametrize("kind", SHIPPED["memories"])
def test_shipped_memories_keep_the_contract(kind):
    check_memory(open_memory(kind, {}, PARTS), len(TOPICS))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (TooLong, r"got \d+ tokens rendered, expected at most 5, the budget"),
        (Bare, "expected lines '- text'"),
        (Shared, "of another row in what row 1 has in mind"),
        (Worn, "after renderings without touch|as before"),
        (Blind, "expected it gone, or counted in outdated"),
        (Clinging, "after it was forgotten, expected nothing"),
        (Hoarding, "before anything happened, expected nothing|let allocate forget"),
        (Glued, "after its copy lived on"),
        (Miscounted, "expected as many of each"),
        (Telling, "evidence alone in a prompt"),
        (Writing, "got inputs changed by settle"),
        (Crashing, "got KeyError: 'row' from lines"),
        (Crowded, "alone, expected .* as before; let each row depend on its own"),
    ],
)
def test_a_planted_breach_is_found(broken, reason):
    with pytest.raises(ContractError, match=f"^{broken.__name__}: .*({reason})"):
        check_memory(broken(PARTS), len(TOPICS))


@pytest.fixture
def plug_in(monkeypatch):
    """A module ``my_memories`` with kinds of memory that are not shipped."""
    module = ModuleType("my_memories")

    class Short(WindowMemory):
        def __init__(self, parts, *, length=2):
            super().__init__(parts, observations=length)

    def crashing(parts):
        raise RuntimeError("no room")

    module.Short, module.crashing, module.text, module.empty = Short, crashing, "x", lambda parts: object()
    monkeypatch.setitem(sys.modules, "my_memories", module)


@pytest.mark.usefixtures("plug_in")
def test_users_remember_by_a_memory_of_ones_own():
    users = build_users(memory_kind="my_memories:Short", memory={"length": 1})
    shown = np.arange(20).reshape(4, 5)
    for page in range(3):
        taking(users, pages(shown, page=page), [0, 0, 0, 0], [4, 4, 4, 4])
    assert len(users.memory_of(100)) == 1


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(
    ("kind", "settings", "error", "reason"),
    [
        ("my_memories:Short", {"width": 1}, ConfigError, "got width .* expected its settings: length"),
        ("my_memories:text", {}, ConfigError, "got a str, expected a class of memories"),
        ("my_memories:crashing", {}, PlugInError, "got RuntimeError: no room"),
        ("my_memories:empty", {}, PlugInError, "got object without allocate, expected the methods of UserMemory"),
        ("strem", {}, ConfigError, "memories: got 'strem', expected module:attribute or one of stream.*did you mean 'stream'"),
        ("window", {"observations": 0}, ConfigError, "got 0, expected a whole number of 1 or more"),
        ("stream", {"recaled": 1}, ConfigError, "got 'recaled', expected one of"),
    ],
)
def test_a_kind_that_does_not_work_is_one_line(kind, settings, error, reason):
    with pytest.raises(error, match=reason):
        build_users(memory_kind=kind, memory=settings)
