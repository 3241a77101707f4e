"""What a shard of a run does: it serves a share of the users with every recommender, and hands over what is to be logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.profiles import Profile
from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.numerics.threads import one_thread
from recsim_llm.population.world import Share
from recsim_llm.recommenders import Retrained
from recsim_llm.recommenders.hooks import Count, TellsCounts
from recsim_llm.registry import blaming
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.building import Stage, recommender_seed, stage
from recsim_llm.scenarios.conversation_session import ConversationSession
from recsim_llm.scenarios.offers import AnsweredOffer, join_answered
from recsim_llm.scenarios.schema import scenario_from
from recsim_llm.scenarios.serving import ServedRecommender, follow_tools, give_hooks
from recsim_llm.scenarios.shard_peers import Alone, Peers, ShareDone, SharePart
from recsim_llm.scenarios.shipped_log import ShippedLog
from recsim_llm.scenarios.shipped_talk import ShippedTalk
from recsim_llm.scenarios.told_turns import ToldTurn, join_told
from recsim_llm.shards.crew import Port

__all__ = ["serve_share"]


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
    before: str | None,
    cache: str | None,
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
        before: calls file of the run, which nobody writes meanwhile: its answers are used, and what they used up counts.
        cache: another calls file whose answers are used before a language model is asked.
        limits: of all that is used up by these calls, those before included.
    """
    scenario = scenario_from(dict(settings), source)
    with stage(
        scenario,
        calls=None if calls is None else Path(calls),
        before=None if before is None else Path(before),
        cache=None if cache is None else Path(cache),
        limits=LimitSettings(**limits),
        share=share,
    ) as built:
        for place, together in arms.items():
            port.hand_over(_serve_arm(port, built, place, number, profile=share.profile, rows=rows, together=together))


def _serve_arm(
    port: Port, built: Stage, place: int, number: int, *, profile: Profile, rows: tuple[int, int], together: bool
) -> ShareDone:
    scenario, roles = built.scenario, built.roles
    arm, user_id = scenario.recommenders[place], built.world.population.user_id
    # Where there is a clock, everyone is in the world of every shard.
    first = rows[0] if scenario.clock is None else 0
    mine = np.arange(*rows) - first
    recommender = built.recommenders[arm.name]()
    served = ServedRecommender(recommender, arm.name, roles.role("policy").meter if "policy" in scenario.models else None)
    learner = served if arm.retrain is None else Retrained(served, arm.retrain)
    log: ShippedLog | ShippedTalk
    if scenario.conversation is None:
        log = ShippedLog(user_id, first=first, events=number == 0, numbered=together)
    else:
        log = ShippedTalk(first)
    others = _others(built, log, port, number, mine=mine, profile=profile, first=first, together=together)
    session = _open_session(built, arm.name, learner, log=log, others=others)
    follow_tools(log, recommender)
    with blaming(f"recommender {arm.name!r}, fit", "it to learn from the ratings; see check_recommender"):
        give_hooks(recommender, built, session)
        learner.fit(*session.stock(built.training_part()[0]), recommender_seed(scenario))
    for at in session.play():
        spent = roles.meter() if scenario.models else None
        others.state = SharePart([], None, at.users, session.pages, session.clicks, at.share, (at.when, at.page), spent)
        if not together:
            port.hand_over(others.state._replace(logged=log.take()))
    counts = list(recommender.counts()) if isinstance(recommender, TellsCounts) else None
    return ShareDone(
        log.finish(),
        served.cost(""),
        counts and [_of(count, user_id[mine]) for count in counts],
        session.words.unread if isinstance(session, ArmSession) else 0,
    )


def _others(
    built: Stage,
    log: ShippedLog | ShippedTalk,
    port: Port,
    number: int,
    *,
    mine: IntArray,
    profile: Profile,
    first: int,
    together: bool,
) -> Any:
    """Return what the users of other shards are to this one; as ``Others`` of what its session tells."""
    if not together:
        return Alone[Any](mine, profile)
    if built.scenario.conversation is not None:
        return Peers(mine, profile, port=port, log=log, number=number, portable=ToldTurn.alone, joined=join_told)

    def joined(parts: Sequence[AnsweredOffer]) -> AnsweredOffer:
        whole = join_answered(parts)
        feedback = whole.outcome.feedback._replace(users=built.world.users)
        return whole._replace(outcome=whole.outcome._replace(feedback=feedback))

    portable = partial(_portable, first=first)
    return Peers(mine, profile, port=port, log=log, number=number, portable=portable, joined=joined)


def _open_session(
    built: Stage, name: str, learner: Any, *, log: ShippedLog | ShippedTalk, others: Any
) -> ArmSession | ConversationSession:
    scenario, world = built.scenario, built.world
    if isinstance(log, ShippedTalk):
        return ConversationSession(scenario, world, learner, name=name, log=log, models=built.roles, others=others)
    session = open_arm(scenario, world, learner, name=name, log=log, others=others)
    if scenario.asks_writer:
        session.words.let_write(built.roles.role("writer"))
    return session


def _of(count: Count, user_id: IntArray) -> Count:
    """Return what was counted of some users."""
    kept = np.isin(count.user_id, user_id)
    return count._replace(user_id=count.user_id[kept], amount=count.amount[kept], cases=count.cases[kept])
