"""What every kind of memory must keep to, as checks that run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.user_memory import Rendered, UserMemory
from recsim_llm.errors import ContractError
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.testing.calls import checked_call

__all__ = ["check_memory"]

_ROWS = 4
_PAGES = 6
_BUDGETS = (0, 5, 20, 60, 400)
_AMPLE = 400
_WORDS = ("amber", "cobalt", "ivory", "jade")
_OWN_ROW = "let each row depend on its own memories only"
_OLD, _NEW = "You live by the harbour of", "You moved to the mountains of"


def check_memory(memory: UserMemory, topics: int = 0) -> None:
    """Check that memories keep the contract of ``recsim_llm.core.user_memory.UserMemory``.

    A few made-up users live through some pages and are told things, again and again. Checked: what is rendered fits its budget
    and is made of lines that begin with ``- ``; nothing of a row gets into another; a row is the same in any company and order;
    rendering without a touch leaves no trace; a fact that was replaced is not shown, or counted as outdated; who is forgotten
    has nothing in mind, everyone else has; copies are apart; arrays are left as they were. The memories are left with rows that
    mean nothing: call ``allocate`` before use.

    Args:
        memory: memories, in any state.
        topics: how many topics they were made with.

    Raises:
        ContractError: the first breach.
    """
    trial = _Trial(memory, topics)
    everyone = np.arange(_ROWS)
    trial.check_empty(everyone)
    together = trial.live(everyone)
    trial.check_rendered(together)
    trial.check_facts(together)
    trial.same(trial.live(everyone), together, "lived through again", "let allocate forget what was before")
    trial.same(trial.live(everyone[::-1]), together, "with rows in another order", _OWN_ROW)
    for row in everyone.tolist():
        trial.same(trial.live(np.array([row]))[row : row + 1], together[row : row + 1], "alone", _OWN_ROW)
    trial.check_traces(everyone)
    trial.check_copies(everyone)
    trial.check_forgetting(everyone)


class _Trial:
    """Lets rows of memories live through the same things."""

    def __init__(self, memory: UserMemory, topics: int) -> None:
        self._memory, self._topics = memory, topics
        self._name = type(memory).__name__

    def live(self, order: IntArray) -> list[Rendered]:
        """Return what each row has in mind at the end; rows that are not in the order live through nothing."""
        self._memory.allocate(_ROWS)
        for page in range(_PAGES):
            now = np.full(len(order), float(page))
            self._page(order, now, page)
            if page in (1, 3):
                self._state(order, now, _OLD if page == 1 else _NEW)
            later = now + 1
            self._call("settle", (order, later), partial(self._memory.settle, order, later))
        return self.render(np.arange(_ROWS))

    def render(self, order: IntArray, budget: int = _AMPLE, *, touch: bool = False) -> list[Rendered]:
        queries = [f"harbour, mountains, {_WORDS[row]}" for row in order.tolist()]
        now = np.full(len(order), float(_PAGES))
        shown: list[Rendered] = self._call(
            "render", (order, now), lambda: self._memory.render(order, queries, now, budget, touch=touch)
        )
        if len(shown) != len(order) or not all(isinstance(one, Rendered) for one in shown):
            raise ContractError(f"{self._name}: got {str(shown)[:60]} from render, expected a Rendered for each row")
        return shown

    def check_empty(self, everyone: IntArray) -> None:
        self._memory.allocate(_ROWS)
        self._nothing(self.render(everyone), "before anything happened")

    def check_rendered(self, shown: Sequence[Rendered]) -> None:
        for budget in _BUDGETS:
            for one in self.render(np.arange(_ROWS), budget):
                used = sum(estimate_tokens(text) for text in (one.consolidated, one.recent))
                if used > budget:
                    raise ContractError(
                        f"{self._name}: got {used} tokens rendered, expected at most {budget}, the budget; leave lines out"
                    )
        for row, one in enumerate(shown):
            self._check_lines(row, one)

    def _check_lines(self, row: int, one: Rendered) -> None:
        recent = one.recent.split("\n") if one.recent else []
        for line in [*one.consolidated.split("\n"), *recent] if one.consolidated else recent:
            if not line.startswith("- "):
                raise ContractError(f"{self._name}: got the line {line!r}, expected lines '- text'; join them by line breaks")
        if not len(recent) == len(one.index) == len(one.time):
            got = f"{len(recent)} recent lines with {len(one.index)} numbers and {len(one.time)} times"
            raise ContractError(f"{self._name}: got {got}, expected as many of each")
        held = self._call("lines", (), lambda: self._memory.lines(row))
        if any("You heard" in text for text in (one.consolidated, one.recent)):
            raise ContractError(
                f"{self._name}: got an observation that is evidence alone in a prompt, expected it never recalled"
            )
        others = [word for other, word in enumerate(_WORDS) if other != row]
        for text in (one.consolidated, one.recent, *held):
            found = [word for word in others if word in text]
            if found:
                raise ContractError(f"{self._name}: got {found[0]!r} of another row in what row {row} has in mind; {_OWN_ROW}")

    def check_facts(self, shown: Sequence[Rendered]) -> None:
        for row, one in enumerate(shown):
            old = f"{_OLD} {_WORDS[row]}" in f"{one.consolidated}\n{one.recent}"
            if old and not one.outdated:
                raise ContractError(
                    f"{self._name}: got a fact in whose place another was stated, expected it gone, or counted in outdated"
                )

    def check_traces(self, everyone: IntArray) -> None:
        first = self.live(everyone)
        for budget in (*_BUDGETS, _AMPLE):
            self.render(everyone, budget)
        self.same(self.render(everyone), first, "after renderings without touch", "change nothing in them")
        for row, one in zip(everyone.tolist(), first, strict=True):
            self._call("touch", (one.index,), partial(self._memory.touch, row, one.index, float(_PAGES)))
        self.render(everyone, touch=True)

    def check_copies(self, everyone: IntArray) -> None:
        first = self.live(everyone)
        other = _Trial(deepcopy(self._memory), self._topics)
        other._page(everyone, np.full(_ROWS, float(_PAGES)), 9)
        other._state(everyone, np.full(_ROWS, float(_PAGES)), "You own a violin of")
        self.same(self.render(everyone), first, "after its copy lived on", "share nothing with a deepcopy")

    def check_forgetting(self, everyone: IntArray) -> None:
        first = self.live(everyone)
        self._memory.forget(everyone[:1])
        shown = self.render(everyone)
        self._nothing(shown[:1], "after it was forgotten")
        self.same(shown[1:], first[1:], "after another row was forgotten", _OWN_ROW)

    def same(self, got: Sequence[Rendered], expected: Sequence[Rendered], when: str, remedy: str) -> None:
        for one, other in zip(got, expected, strict=True):
            if _comparable(one) != _comparable(other):
                raise ContractError(
                    f"{self._name}: got {_comparable(one)} {when}, expected {_comparable(other)} as before; {remedy}"
                )

    def _nothing(self, shown: Sequence[Rendered], when: str) -> None:
        for one in shown:
            if one.consolidated or one.recent:
                raise ContractError(f"{self._name}: got {one.consolidated or one.recent!r} {when}, expected nothing in mind")

    def _page(self, order: IntArray, now: Any, page: int) -> None:
        texts = [f"You saw film {page} of {_WORDS[row]}." for row in order.tolist()]
        topics = np.ones((len(order), self._topics), np.bool_)
        stars = np.full(len(order), 1 + page % 5, np.float32)
        more: dict[str, Any] = {"importance": 0.9, "valence": np.full(len(order), 0.5), "topics": topics, "stars": stars}
        inputs = (order, now, topics, stars)
        self._call("remember", inputs, lambda: self._memory.remember(order, now, texts, **more))
        told = [f"You heard of film {page} of {_WORDS[row]}." for row in order.tolist()]
        silent = np.ones(len(order), np.bool_)
        self._call("remember", inputs, lambda: self._memory.remember(order, now, told, **more, only_evidence=silent))

    def _state(self, order: IntArray, now: Any, words: str) -> None:
        texts = [f"{words} {_WORDS[row]}." for row in order.tolist()]
        keys = ["home"] * len(order)
        self._call("state_fact", (order, now), lambda: self._memory.state_fact(order, now, texts, keys))

    def _call(self, verb: str, inputs: tuple[Any, ...], act: Callable[[], Any]) -> Any:
        return checked_call(self._name, verb, inputs, act)


def _comparable(one: Rendered) -> tuple[Any, ...]:
    return one.consolidated, one.recent, one.dropped, one.time.tolist(), one.outdated
