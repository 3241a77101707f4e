"""What a shard of a run does: it serves a share of the users with every recommender, and hands over what is to be logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.profiles import Profile
from recsim_llm.core.protocols import UserModel
from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.calls.meter import Meter
from recsim_llm.numerics.threads import one_thread
from recsim_llm.population.world import Share
from recsim_llm.recommenders import Retrained
from recsim_llm.recommenders.hooks import Count, TellsCounts
from recsim_llm.registry import blaming
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.building import Stage, recommender_seed, stage
from recsim_llm.scenarios.offers import AnsweredOffer, join_answered
from recsim_llm.scenarios.schema import scenario_from
from recsim_llm.scenarios.serving import ServedRecommender, follow_tools, give_hooks
from recsim_llm.scenarios.shipped_log import LoggedTurn, ShippedLog
from recsim_llm.shards.crew import Port

__all__ = ["ShareDone", "SharePart", "Tidings", "serve_share"]

Tidings = Sequence[AnsweredOffer | None]
"""What each shard tells the others of a page, in their order; a shard's own is not told to it again."""


class SharePart(NamedTuple):
    """What a shard hands over while it serves an arm."""

    turns: list[LoggedTurn]
    """What is to be logged."""
    answered: AnsweredOffer | None
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

    turns: list[LoggedTurn]
    """What is left to be logged."""
    cost: Mapping[str, Any]
    """Its row of ``SERVING``."""
    counts: Sequence[Count] | None
    """What its recommender counted of the shard's users; None where it counts nothing."""
    unread: int
    """Slots whose words nobody saw."""


class _Alone:
    """The users of other shards, where nobody has to hear of them; as ``Others``."""

    def __init__(self, mine: IntArray, profile: Profile) -> None:
        self.mine, self.profile = mine, profile

    def gather(self, answered: AnsweredOffer | None) -> AnsweredOffer | None:
        """Return what was shown here."""
        return answered


class _Peers(_Alone):
    """The users of other shards, where everyone has to hear of everyone; as ``Others``.

    Args:
        port: to whoever called.
        log: of this shard.
        number: of this shard.
        mine: as in ``Others``.
        profile: as in ``Others``.
        first: its row 0 in the population of the run.
        users: the user model here.
    """

    def __init__(
        self, port: Port, log: ShippedLog, number: int, *, mine: IntArray, profile: Profile, first: int, users: UserModel
    ) -> None:
        super().__init__(mine, profile)
        self._port, self._log, self._number = port, log, number
        self._first, self._users = first, users
        self.state = SharePart([], None, 0, 0, 0, 0.0, (0, 0), None)
        """How far the shard is, to be told with the next page."""

    def gather(self, answered: AnsweredOffer | None) -> AnsweredOffer | None:
        """Do as ``Others`` says."""
        told = None if answered is None else _portable(answered, self._first)
        tidings: Tidings = self._port.ask(self.state._replace(turns=self._log.take(), answered=told))
        parts = [told if number == self._number else part for number, part in enumerate(tidings)]
        shown = [part for part in parts if part is not None]
        if not shown:
            return None
        whole = join_answered(shown)
        feedback = whole.outcome.feedback._replace(users=self._users)
        return whole._replace(outcome=whole.outcome._replace(feedback=feedback))


def _portable(answered: AnsweredOffer, first: int) -> AnsweredOffer:
    """Return a page without what is not of its users, who are named by their rows in the population of the run."""
    feedback, requests = answered.outcome.feedback, answered.offer.requests
    pages = feedback.pages._replace(rows=answered.rows + first, user_index=feedback.pages.user_index + first)
    feedback = feedback._replace(pages=pages, users=None)  # type: ignore[arg-type]
    requests = requests._replace(profile=requests.profile.alone())
    return answered._replace(
        rows=answered.rows + first,
        offer=answered.offer._replace(requests=requests),
        outcome=answered.outcome._replace(feedback=feedback),
    )


@one_thread
def serve_share(
    port: Port,
    *,
    settings: Mapping[str, Any],
    source: str,
    number: int,
    share: Share,
    rows: tuple[int, int],
    arms: Mapping[int, bool],
    calls: str | None,
    caches: Sequence[str],
    limits: Mapping[str, Any],
) -> None:
    """Serve a share of the users of a scenario, arm after arm; the ``Work`` of a shard.

    After each page it hands over a ``SharePart``, after each arm a ``ShareDone``.

    Args:
        port: to whoever called.
        settings: of the scenario, with its seed.
        source: where they stand, for error texts.
        number: of the shard, from 0.
        share: the users who are served here; everyone where there is a clock, since everyone moves the world.
        rows: user index of the first user who is served here in the population of the run, and that after the last.
        arms: places in the scenario of the arms that are left to serve, in order; and whether the shards have to hear of each
            other's users there.
        calls: file of the calls of language models.
        caches: run folders or calls files whose answers are used before a language model is asked.
        limits: of these calls.
    """
    scenario = scenario_from(dict(settings), source)
    with stage(
        scenario,
        calls=None if calls is None else Path(calls),
        also=[Path(path) for path in caches],
        limits=LimitSettings(**limits),
        share=share,
    ) as built:
        for place, together in arms.items():
            port.hand_over(_serve_arm(port, built, place, number, profile=share.profile, rows=rows, together=together))


def _serve_arm(
    port: Port, built: Stage, place: int, number: int, *, profile: Profile, rows: tuple[int, int], together: bool
) -> ShareDone:
    scenario, world, roles = built.scenario, built.world, built.roles
    arm, user_id = scenario.recommenders[place], world.population.user_id
    # Where there is a clock, everyone is in the world of every shard.
    first = rows[0] if scenario.clock is None else 0
    mine = np.arange(*rows) - first
    recommender = built.recommenders[arm.name]()
    served = ServedRecommender(recommender, arm.name, roles.role("policy").meter if "policy" in scenario.models else None)
    learner = served if arm.retrain is None else Retrained(served, arm.retrain)
    log = ShippedLog(user_id, first=first, events=number == 0, numbered=together)
    peers = _Peers(port, log, number, mine=mine, profile=profile, first=first, users=world.users)
    session = open_arm(scenario, world, learner, name=arm.name, log=log, others=peers if together else _Alone(mine, profile))
    if scenario.asks_writer:
        session.words.let_write(roles.role("writer"))
    follow_tools(log, recommender)
    with blaming(f"recommender {arm.name!r}, fit", "it to learn from the ratings; see check_recommender"):
        give_hooks(recommender, built, session)
        learner.fit(*session.stock(built.training_part()[0]), recommender_seed(scenario))
    for at in session.play():
        spent = roles.meter() if scenario.models else None
        here = SharePart([], None, at.users, session.pages, session.clicks, at.share, (at.when, at.page), spent)
        if together:
            peers.state = here  # It goes with the next page, so that a page is one call.
        else:
            port.hand_over(here._replace(turns=log.take()))
    counts = list(recommender.counts()) if isinstance(recommender, TellsCounts) else None
    return ShareDone(
        log.finish(), served.cost(""), counts and [_of(count, user_id[mine]) for count in counts], session.words.unread
    )


def _of(count: Count, user_id: IntArray) -> Count:
    """Return what was counted of some users."""
    kept = np.isin(count.user_id, user_id)
    return count._replace(user_id=count.user_id[kept], amount=count.amount[kept], cases=count.cases[kept])
