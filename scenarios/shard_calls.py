"""Calls of language models in shards: every shard has a file and a lease of its own; the run has one of each.

What the limits leave is divided among the shards before they begin, so that all together never exceed it. A shard that has used
up its lease ends all, what the others left is divided anew, and they begin again with the answers that they have.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.calls.budget import budget_refused
from recsim_llm.language.calls.calls_file import FILE_NAME, find_calls
from recsim_llm.language.calls.joined_calls import join_calls, shard_files, shard_name
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.providers import total_meter
from recsim_llm.scenarios.schema import Scenario

__all__ = ["ShardCalls"]

_SHARED = ("calls", "tokens", "cost")


class ShardCalls:
    """The calls of a run that is served in shards.

    Args:
        out: the run folder. Files that shards left there when the run was killed become part of its own.
        scenario: says whether there are models.
        limits: of the whole run.
        shards: how many.
        cache: another run's folder, or its calls file; None for none.
    """

    def __init__(self, out: Path, scenario: Scenario, limits: LimitSettings, *, shards: int, cache: Path | None) -> None:
        self._out, self._limits, self._shards, self._cache = out, limits, shards, cache
        self._models = bool(scenario.models)
        self.gather()
        self._lease()

    def arguments(self, number: int) -> dict[str, Any]:
        """Return arguments of ``serve_share`` for a shard.

        Raises:
            BudgetExceeded: too little is left to give every shard something.
        """
        if self._refused:
            raise budget_refused(self._refused, getattr(self._limits, self._refused), self._shards)
        caches = [self._out / FILE_NAME] if (self._out / FILE_NAME).is_file() else []
        if self._cache is not None:
            caches.append(find_calls(self._cache))
        own = self._out / shard_name(number, secrets.token_hex(8))
        return {
            "calls": str(own.resolve()) if self._models else None,
            "caches": [str(path.resolve()) for path in caches] if self._models else [],
            "limits": self._leased,
        }

    def divided(self, scenario: Scenario) -> Scenario:
        """Return the scenario with each shard's part of the calls that may be in flight."""
        models = {
            role: model
            if model.concurrency is None
            else model.model_copy(update={"concurrency": max(model.concurrency // self._shards, 1)})
            for role, model in scenario.models.items()
        }
        return scenario.model_copy(update={"models": models})

    def gather(self) -> None:
        """Make the calls of all shards, which have ended, part of the run's own file."""
        files = shard_files(self._out)
        if files:
            join_calls(self._out / FILE_NAME, files)

    def lease_again(self) -> bool:
        """Divide anew what is left; tell whether every shard got something, and any got on since the last time."""
        self.gather()
        before = self._used
        self._lease()
        return self._used > before and not self._refused

    def total(self, meters: Sequence[Meter]) -> Meter:
        """Return what the models of all shards have used."""
        return total_meter(meters)

    def _lease(self) -> None:
        store = CallStore(self._out / FILE_NAME)
        try:
            paid = store.paid()
        finally:
            store.close()
        self._used = paid.calls
        limits = self._limits.model_dump(exclude_none=True)
        left = {name: limits[name] - getattr(paid, name) for name in _SHARED if name in limits}
        shares = {name: value / self._shards if name == "cost" else int(value // self._shards) for name, value in left.items()}
        self._refused = next((name for name, value in shares.items() if value <= 0), "")
        self._leased = limits | shares
