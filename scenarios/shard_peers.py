"""What a shard of a run says to the others and to the run, and how it hears of their users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.profiles import Profile
from recsim_llm.language.calls.meter import Meter
from recsim_llm.recommenders.hooks import Count
from recsim_llm.scenarios.offers import AnsweredOffer
from recsim_llm.scenarios.shipped_log import LoggedTurn, ShippedLog
from recsim_llm.scenarios.shipped_talk import LoggedTalk, ShippedTalk
from recsim_llm.scenarios.told_turns import ToldTurn
from recsim_llm.shards.crew import Port

__all__ = ["Alone", "Logged", "Peers", "ShareDone", "SharePart", "Tidings"]

Told = TypeVar("Told", AnsweredOffer, ToldTurn)
Tidings = Sequence[AnsweredOffer | ToldTurn | None]
"""What each shard tells the others of a page, in their order; a shard's own is not told to it again."""
Logged = Sequence[LoggedTurn] | Sequence[LoggedTalk]
"""What is to be logged: of pages, or of a conversation."""


class SharePart(NamedTuple):
    """What a shard hands over while it serves an arm."""

    logged: Logged
    """What is to be logged."""
    answered: AnsweredOffer | ToldTurn | None
    """The page that the others have to hear of, where they have to; None also where nobody here was shown one."""
    users: int
    """Users still browsing."""
    pages: int
    """Pages served by this arm."""
    clicks: int
    """Clicks on them."""
    share: float
    """Share of the arm's page budget that has been offered, 0 to 1."""
    when: tuple[int, int]
    """Round of visits or step of the clock, and pages of it that were shown, both from 0."""
    spent: Meter | None
    """What the language models of the shard have used so far; None without them."""


class ShareDone(NamedTuple):
    """What a shard hands over when it has served an arm."""

    logged: Logged
    """What is left to be logged."""
    cost: Mapping[str, Any]
    """Its row of ``SERVING``."""
    counts: Sequence[Count] | None
    """What its recommender counted of the shard's users; None where it counts nothing."""
    unread: int
    """Slots whose words nobody saw."""


class Alone(Generic[Told]):
    """The users of other shards, where nobody has to hear of them; as ``Others``.

    Args:
        mine: as in ``Others``.
        profile: as in ``Others``.
    """

    def __init__(self, mine: IntArray, profile: Profile) -> None:
        self.mine, self.profile = mine, profile
        self.state = SharePart([], None, 0, 0, 0, 0.0, (0, 0), None)
        """How far the shard is."""

    def gather(self, answered: Told | None) -> Told | None:
        """Return what was shown here."""
        return answered


class Peers(Alone[Told]):
    """The users of other shards, where everyone has to hear of everyone; as ``Others``.

    Args:
        mine: as of ``Alone``.
        profile: as of ``Alone``.
        port: to whoever called. How far the shard is, is told with each page, so that a page is one call.
        log: of this shard.
        number: of this shard.
        portable: returns a page without what is not of its users.
        joined: returns the pages of some shards, at least one, as one.
    """

    def __init__(
        self,
        mine: IntArray,
        profile: Profile,
        *,
        port: Port,
        log: ShippedLog | ShippedTalk,
        number: int,
        portable: Callable[[Told], Told],
        joined: Callable[[Sequence[Told]], Told],
    ) -> None:
        super().__init__(mine, profile)
        self._port, self._log, self._number = port, log, number
        self._portable: Callable[[Told], Told] = portable
        self._join: Callable[[Sequence[Told]], Told] = joined

    def gather(self, answered: Told | None) -> Told | None:
        """Do as ``Others`` says."""
        told = None if answered is None else self._portable(answered)
        tidings: Tidings = self._port.ask(self.state._replace(logged=self._log.take(), answered=told))
        parts: list[Any] = [told if number == self._number else part for number, part in enumerate(tidings)]
        shown = [part for part in parts if part is not None]
        return self._join(shown) if shown else None
