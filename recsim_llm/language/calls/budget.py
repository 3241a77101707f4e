"""What a run may use up: calls, tokens, money, time, calls about one user; a limit that is reached stops, it degrades nothing.

Only calls that brought a reply count; answers from a cache and calls that failed on their way are free. A call is *leased*
before it is sent and *settled* when it has ended:

- the limits on calls are exact: replies and leases together never exceed them. A call that finds the rest leased waits until
  it is known whether the leases were used;
- the limits on tokens and cost are checked with an expectation, for nobody knows the length of a reply beforehand: no call is
  leased once the limit is reached, nor while what was used plus the running mean of a reply for each lease and for the
  call itself would exceed it. So they overshoot by the calls in flight before the first reply at most, afterwards only by
  what the last replies exceed the mean;
- ``seconds`` is the time since the first lease; no call is sent after it, those in flight end.

A resumed run starts from what its calls file says was used; only the seconds start again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from recsim_llm.errors import BudgetExceeded, ConfigError
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.store import CallStore, Paid

__all__ = ["Budget", "Limits", "Prices", "budget_refused"]

_OPTIONS = {
    "calls": "--max-calls",
    "tokens": "--max-tokens",
    "cost": "--max-cost",
    "seconds": "--max-seconds",
    "calls_a_user": "--max-calls-a-user",
}
_PRICES = "give dollars for a million tokens: --set models.ROLE.prices.input=N --set models.ROLE.prices.output=N"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What all calls of a run may use up; None: no limit.

    Raises:
        ConfigError: a limit is not positive.
    """

    calls: int | None = None
    """Replies received."""
    tokens: int | None = None
    """Tokens read and written."""
    cost: float | None = None
    """US dollars; needs prices."""
    seconds: float | None = None
    """Wall-clock seconds since the first call of this process."""
    calls_a_user: int | None = None
    """Replies received about one subject."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and not value > 0:
                raise ConfigError(f"limit {limit.name}: got {value}, expected a positive number, or None for no limit")


class Prices(NamedTuple):
    """What a provider charges, in US dollars for a million tokens."""

    input: float
    """Tokens read."""
    output: float
    """Tokens written."""
    cached_input: float | None = None
    """Tokens read that came from its prefix cache; None: as ``input``."""

    def cost(self, usage: TokenUsage) -> float:
        """Return the US dollars of one reply; tokens that the provider did not count cost nothing."""
        cached = usage.cached or 0
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = (usage.prompt or 0) - cached
        return (fresh * self.input + cached * cached_price + (usage.completion or 0) * self.output) / 1e6


class Budget:
    """Counts what the language models of a run use up, and refuses what would exceed the limits.

    One budget may be shared by many language models of a process; it is used on their event loop only.

    Args:
        limits: what may be used up.
        prices: of every model that is not on this machine, or by the model's name; models without prices cost nothing.
        clock: seconds; only differences count.

    Raises:
        ConfigError: a limit on cost without prices.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        prices: Prices | Mapping[str, Prices] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self._prices, self._clock = limits or Limits(), prices, clock
        if self.limits.cost is not None and not prices:
            raise ConfigError(f"limit cost: got {self.limits.cost:g} without prices, expected those of the model; {_PRICES}")
        self._calls, self._tokens, self._cost = 0, 0, 0.0
        self._by_subject = Counter[str]()
        self._leased = 0
        self._leased_by_subject = Counter[str]()
        self._started: float | None = None
        self._counted: list[CallStore] = []
        self._changes: list[asyncio.Future[None]] = []

    def prices_of(self, model: str, *, local: bool) -> Prices | None:
        """Return the prices of a model; None: nobody sends a bill, or they are not known.

        A model on this machine costs something only where it has prices of its own: the server may pass calls on.

        Raises:
            ConfigError: there is a limit on cost, and the model has no prices and is not local.
        """
        if isinstance(self._prices, Mapping):
            prices = self._prices.get(model)
        else:
            prices = None if local else self._prices
        if local:
            return prices
        if prices is None and self.limits.cost is not None:
            raise ConfigError(f"limit cost: got no prices of {model}, expected those of every model that is paid; {_PRICES}")
        return prices

    def count(self, store: CallStore) -> None:
        """Add what the calls of a file have used up before now; a file that was counted is not counted again.

        Raises:
            LogError: the file is damaged.
        """
        if any(store is counted for counted in self._counted):
            return
        self._counted.append(store)
        self.add(store.paid())

    def add(self, paid: Paid) -> None:
        """Add what was used up before now."""
        self._calls += paid.calls
        self._tokens += paid.tokens
        self._cost += paid.cost
        self._by_subject.update(paid.by_subject)

    def lease(self, subject: str) -> bool:
        """Take a lease for one call; False: what is left is leased, wait for ``change``.

        Raises:
            BudgetExceeded: a limit is reached.
        """
        if self._started is None:
            self._started = self._clock()
        granted = True
        for use in self._uses(subject):
            expected = use.used + use.mean * (use.leased + 1)
            if use.used >= use.allowed or (expected > use.allowed and not use.leased):
                raise _exceeded(use, subject)
            granted = granted and expected <= use.allowed
        if not granted:
            return False
        self._leased += 1
        self._leased_by_subject[subject] += 1
        return True

    def settle(self, subject: str, usage: TokenUsage | None, cost: float = 0.0) -> None:
        """Give a lease back.

        Args:
            subject: whom the call was about.
            usage: what the reply used; None: there was no reply.
            cost: US dollars.

        Raises:
            ConfigError: the provider does not count tokens, and a limit needs them; the lease is given back all the same.
        """
        self._leased -= 1
        self._leased_by_subject[subject] -= 1
        if usage is not None:
            self._calls += 1
            self._tokens += (usage.prompt or 0) + (usage.completion or 0)
            self._cost += cost
            if subject:
                self._by_subject[subject] += 1
        changes, self._changes = self._changes, []
        for change in changes:
            if not change.done():
                change.set_result(None)
        if usage is not None and usage.prompt is None and (self.limits.tokens or self.limits.cost):
            raise ConfigError(
                "limits: got a reply without a count of tokens, expected one; limit calls instead of tokens or cost"
            )

    async def change(self) -> None:
        """Wait until a lease has been given back."""
        change = asyncio.get_running_loop().create_future()
        self._changes.append(change)
        await change

    def _uses(self, subject: str) -> list[_Use]:
        limits, replies, leased = self.limits, max(self._calls, 1), self._leased
        uses = []
        if limits.calls is not None:
            uses.append(_Use("calls", self._calls, 1, leased, limits.calls))
        if limits.tokens is not None:
            uses.append(_Use("tokens", self._tokens, self._tokens / replies, leased, limits.tokens))
        if limits.cost is not None:
            uses.append(_Use("cost", self._cost, self._cost / replies, leased, limits.cost))
        if limits.seconds is not None and self._started is not None:
            uses.append(_Use("seconds", self._clock() - self._started, 0, leased, limits.seconds))
        if limits.calls_a_user is not None and subject:
            mine = self._leased_by_subject[subject]
            uses.append(_Use("calls_a_user", self._by_subject[subject], 1, mine, limits.calls_a_user))
        return uses


class _Use(NamedTuple):
    """A limit, and how far it is used: by replies, by leases, and by one reply on average."""

    name: str
    used: float
    mean: float
    leased: int
    allowed: float


def _exceeded(use: _Use, subject: str) -> BudgetExceeded:
    whose = f" of user {subject}" if use.name == "calls_a_user" else ""
    option = _OPTIONS[use.name]
    return BudgetExceeded(
        f"limit {use.name}{whose}: got {_shown(use.used)} used of {_shown(use.allowed)} allowed; nothing is lost: go on with a "
        f"higher {option}",
        option=option,
    )


def budget_refused(name: str, allowed: float, shards: int) -> BudgetExceeded:
    """Return what is to be raised where too little of a limit is left to give each shard something.

    Args:
        name: of the limit.
        allowed: the limit.
        shards: how many there are.
    """
    option = _OPTIONS[name]
    return BudgetExceeded(
        f"limit {name}: got too little left of {_shown(allowed)} allowed to give each of {shards} shards some; nothing is "
        f"lost: go on with a higher {option}, or with fewer --shards",
        option=option,
    )


def _shown(number: float) -> str:
    return f"{number:,.4f}".rstrip("0").rstrip(".") if number >= 0.001 else f"{number:g}"
