"""Recommenders served in memory: what a run does with an arm, without data, folder or log."""

from small_data import make_ratings

from recsim_llm.envs.rewards import COMMON_REWARDS, resolve_reward
from recsim_llm.recommenders import TakesRules, TakesTruth
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.exploits.arm_tally import ArmTally
from recsim_llm.scenarios.schema import scenario_from

NOTHING_RATED = make_ratings([10**9], [10**9])


def start(world, recommender, *, planning_seed=5, **settings):
    """Return the session of a recommender that is ready for its first visit, and its tally."""
    settings = {"name": "x", "recommenders": ["x"], "seed": 3, "slate_size": 5, "max_pages": 8} | settings
    scenario, tally = scenario_from(settings, "test"), ArmTally(world, {name: resolve_reward(name) for name in COMMON_REWARDS})
    session = ArmSession(scenario, world, recommender, name="x", log=tally)
    if isinstance(recommender, TakesRules):
        recommender.play_by(scenario.repeats)
    if isinstance(recommender, TakesTruth):
        recommender.reveal(session.truth())
    recommender.fit(world.catalog, NOTHING_RATED, planning_seed)
    return session, tally


def served(world, recommender, *, visits=1, **settings):
    """Return the tally of a recommender that has served everyone over all visits."""
    session, tally = start(world, recommender, visits=visits, **settings)
    for _ in session.play():
        pass
    return tally
