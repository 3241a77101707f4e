"""Calls of language models in shards: every shard has a file and a lease of its own; the run has one of each.

What the limits leave is divided among the shards before they begin, so that all together never exceed it. A shard that has used
up its lease ends all, what the others left is divided anew, and they begin again with the answers that they have.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsim_llm.errors import ConfigError
from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.calls.budget import budget_refused
from recsim_llm.language.calls.calls_file import FILE_NAME, find_calls
from recsim_llm.language.calls.joined_calls import join_calls, join_shards, shard_name
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.providers import total_meter
from recsim_llm.scenarios.schema import Scenario

__all__ = ["ShardCalls", "check_concurrency", "divide_concurrency", "divide_limits"]

_SHARED = ("calls", "tokens", "cost")
_MOMENT = 0.001
"""Seconds left to a shard that begins again when they are over, so that it says so."""


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
        self._own: dict[int, Path] = {}
        self._started = time.monotonic()
        self.gather()
        self._lease()

    def arguments(self, number: int) -> dict[str, Any]:
        """Return arguments of ``serve_share`` for a shard that begins, or begins again after its worker was ended.

        Raises:
            BudgetExceeded: too little is left to give every shard something.
        """
        if self._refused:
            raise budget_refused(self._refused, getattr(self._limits, self._refused), self._shards)
        whole = self._out / FILE_NAME
        return {
            "calls": str(self._new_file(number).resolve()) if self._models else None,
            "before": str(whole.resolve()) if self._models and whole.is_file() else None,
            "cache": None if self._cache is None or not self._models else str(find_calls(self._cache).resolve()),
            "limits": self._leased | {name: max(left, _MOMENT) for name, left in self._seconds().items()},
        }

    def _new_file(self, number: int) -> Path:
        """Return the calls file of a shard that begins; one that begins again finds there what its lease was used for so far.

        It is another file, since a worker on a machine that was lost may not have ended.
        """
        own = self._out / shard_name(number, secrets.token_hex(8))
        if number in self._own and self._own[number].is_file():
            join_calls(own, [self._own[number]])
        self._own[number] = own
        return own

    def divided(self, scenario: Scenario) -> Scenario:
        """Return the scenario with each shard's part of the calls that may be in flight."""
        return divide_concurrency(scenario, self._shards)

    def gather(self) -> None:
        """Make the calls of all shards, which have ended, part of the run's own file."""
        self._own = {}
        join_shards(self._out)

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
        shares = _shares(left, self._shards)
        self._refused = next((name for name, value in (shares | self._seconds()).items() if value <= 0), "")
        # What was used before counts in every shard, of all calls and of those about each user.
        self._leased = limits | {name: getattr(paid, name) + value for name, value in shares.items()}

    def _seconds(self) -> dict[str, float]:
        """Return what is left of the limit on time, which every shard has whole; nothing without one."""
        allowed = self._limits.seconds
        return {} if allowed is None else {"seconds": allowed - (time.monotonic() - self._started)}


def check_concurrency(scenario: Scenario, shards: int) -> None:
    """See to it that every shard may have a call in flight.

    Raises:
        ConfigError: a model may have fewer than there are shards.
    """
    for role, model in scenario.models.items():
        if model.concurrency is not None and model.concurrency < shards:
            raise ConfigError(
                f"models.{role}.concurrency: got {model.concurrency} for {shards} shards, expected at least one each; lower "
                "--shards"
            )


def divide_concurrency(scenario: Scenario, shards: int) -> Scenario:
    """Return the scenario with each shard's part of the calls that may be in flight."""
    models = {
        role: model
        if model.concurrency is None
        else model.model_copy(update={"concurrency": max(model.concurrency // shards, 1)})
        for role, model in scenario.models.items()
    }
    return scenario.model_copy(update={"models": models})


def divide_limits(scenario: Scenario, shards: int) -> Scenario:
    """Return the scenario with each shard's part of what may be used up, where it is not divided anew later.

    Raises:
        BudgetExceeded: a limit is too low to give every shard something.
    """
    limits = scenario.limits.model_dump(exclude_none=True)
    shares = _shares({name: limits[name] for name in _SHARED if name in limits}, shards)
    refused = next((name for name, value in shares.items() if value <= 0), "")
    if refused:
        raise budget_refused(refused, limits[refused], shards)
    return scenario.model_copy(update={"limits": scenario.limits.model_copy(update=shares)})


def _shares(left: Mapping[str, float], shards: int) -> dict[str, float]:
    """Return a shard's part of what is left of each limit."""
    return {name: value / shards if name == "cost" else int(value // shards) for name, value in left.items()}
