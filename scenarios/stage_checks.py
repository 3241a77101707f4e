"""What must be true of a scenario's recommenders before anybody is served by them."""

from __future__ import annotations

from recsim_llm.conversation.conversational import conversational
from recsim_llm.core.protocols import CopiesRows, RanksItems
from recsim_llm.envs.rewards import resolve_reward
from recsim_llm.errors import ConfigError
from recsim_llm.language.providers import Roles
from recsim_llm.population.world import World
from recsim_llm.recommenders import AsksModel, Planner, Recommender, TakesTruth, open_recommender
from recsim_llm.recommenders.hooks import AnswersQueries
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.trained_arms import check_trained_arm

__all__ = [
    "check_names",
    "check_oracle",
    "check_policies",
    "check_retraining",
    "check_search",
    "check_slate_size",
    "make_recommender",
]


def check_names(scenario: Scenario) -> None:
    """See to it that rewards and recommenders exist and take their settings.

    Raises:
        ConfigError: one does not.
    """
    resolve_reward(scenario.reward, buys=scenario.buys)
    for arm in scenario.recommenders:
        made = make_recommender(arm)
        if scenario.conversation is not None:
            conversational(made)  # Refused here, before there is a folder.
        check_retraining(scenario, arm)
        check_trained_arm(scenario, arm, made)


def check_retraining(scenario: Scenario, arm: Arm) -> None:
    """Refuse fits for which the time never comes.

    Raises:
        ConfigError: there are none.
    """
    place = f"recommender {arm.name!r}, retrain"
    if arm.retrain == "visit" and scenario.visits == 1:
        raise ConfigError(
            f"{place}: got 'visit' with one visit a user, after which no page is shown, expected more visits or a number of "
            "pages; pass --set visits=2 or more"
        )
    if arm.retrain == "day" and (scenario.clock is None or scenario.clock.days == 1):
        raise ConfigError(
            f"{place}: got 'day' with {'no clock' if scenario.clock is None else 'one day'}, expected a clock of two days or "
            "more; add clock: {days: 30}"
        )
    if isinstance(arm.retrain, int) and scenario.barrier == "visit":
        raise ConfigError(
            f"{place}: got {arm.retrain} pages with barrier 'visit', where recommenders learn of pages when everyone has ended "
            "the visit, expected 'visit'; or pass --set barrier=page"
        )
    if isinstance(arm.retrain, int) and arm.retrain >= scenario.visits * scenario.max_pages:
        most = scenario.visits * scenario.max_pages
        raise ConfigError(
            f"{place}: got {arm.retrain} pages, expected fewer than the {most} that a user sees at most, since none is shown "
            "after them; lower it"
        )


def check_slate_size(scenario: Scenario, world: World) -> None:
    """Refuse pages that the catalog cannot fill.

    Raises:
        ConfigError: a page has more slots than there are items.
    """
    if scenario.slate_size > len(world.catalog):
        raise ConfigError(
            f"slate_size: got {scenario.slate_size}, expected at most {len(world.catalog)}, the items in the catalog; pass "
            f"--slate-size {len(world.catalog)} or fewer"
        )


def check_oracle(scenario: Scenario, world: World) -> None:
    """Refuse arms that must know the users before anything is asked of users that cannot tell.

    Raises:
        ConfigError: there is one, and the users cannot tell what they feel for every item.
    """
    knowing = {arm.name: make_recommender(arm) for arm in scenario.recommenders}
    knowing = {name: made for name, made in knowing.items() if isinstance(made, TakesTruth)}
    planning = [name for name, made in knowing.items() if isinstance(made, Planner)]
    ranks, copies = isinstance(world.users, RanksItems), isinstance(world.users, CopiesRows)
    refused, why = (list(knowing), "tell what they feel for every item") if not ranks else (planning, "be copied to plan with")
    if refused and not (ranks and copies):
        others = ",".join(arm.name for arm in scenario.recommenders if arm.name not in refused) or "popularity"
        raise ConfigError(
            f"recommender {refused[0]!r}: got users {scenario.users.model!r}, who cannot {why}, expected choice users; leave "
            f"it out: --recommenders {others}"
        )


def check_policies(scenario: Scenario, roles: Roles) -> None:
    """Refuse arms and users that ask a language model that nobody named, before others are served and a folder is left behind.

    Raises:
        ConfigError: there are such.
    """
    if any(isinstance(make_recommender(arm), AsksModel) for arm in scenario.recommenders):
        roles.settings_for("policy")
    if scenario.asks_writer or scenario.enriched_by_writer:
        roles.settings_for("writer")


def check_search(scenario: Scenario) -> None:
    """Refuse arms that are to answer queries and cannot, before others are served.

    Raises:
        ConfigError: there is one.
    """
    search = None if scenario.actions is None else scenario.actions.search
    if search is None or search.answered_by == "index":
        return
    for arm in scenario.recommenders:
        if not isinstance(make_recommender(arm), AnswersQueries):
            raise ConfigError(
                f"recommender {arm.name!r}: got one without search(requests, queries, k), expected one with it; or set "
                "actions.search.answered_by: index"
            )


def make_recommender(arm: Arm) -> Recommender:
    """Return a new recommender, not yet fitted.

    Raises:
        ConfigError: there is none of that name, or it does not take these settings.
    """
    return open_recommender(arm.recommender, arm.settings, source=f"recommender {arm.name!r}")
