"""What a scenario whose users talk cannot have besides."""

from __future__ import annotations

from recsim_llm.core.protocols import RanksItems
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World
from recsim_llm.scenarios.schema import Scenario

__all__ = ["check_conversation"]


def check_conversation(scenario: Scenario, world: World) -> None:
    """Refuse what goes with pages alone, before anybody is served.

    Raises:
        ConfigError: there is some of it beside a conversation, or users cannot tell what they like.
    """
    settings = scenario.conversation
    if settings is None:
        return
    refused = {
        "clock": (scenario.clock is None, "no clock"),
        "visits": (scenario.visits == 1, "1, since every user has one dialogue"),
        "reward": (scenario.reward == "clicks", "clicks, which accepted items count as"),
        "train": (scenario.train is None, "none, since policies are trained on pages"),
        "presentation": (scenario.presentation is None, "none, since words stand beside pages alone"),
        "remarks": (scenario.remarks is None, "none; in mode chat users say what was wrong"),
        "users.noise": (not scenario.users.noise, "none; set conversation.noise"),
        "recommenders.retrain": (all(arm.retrain is None for arm in scenario.recommenders), "none"),
    }
    for name, (fits, expected) in refused.items():
        if not fits:
            raise ConfigError(f"{name}: got some beside a conversation, expected {expected}; leave it out")
    if scenario.max_pages < settings.max_turns:
        raise ConfigError(
            f"max_pages: got {scenario.max_pages}, expected {settings.max_turns} or more, the turns of a conversation, each of "
            "which counts as a page; leave it out, or set conversation.max_turns"
        )
    if not isinstance(world.users, RanksItems):
        raise ConfigError(
            f"conversation: got users {scenario.users.model!r}, who cannot tell what they feel for every item, expected choice "
            "users; pass --users choice"
        )
