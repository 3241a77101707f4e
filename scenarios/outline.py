"""What a scenario asks, what it expects, and what it costs, without running it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recsim_llm.data import open_dataset
from recsim_llm.errors import RecSimError
from recsim_llm.scenarios.schema import Scenario, load_scenario, shipped_scenarios

__all__ = ["ScenarioOutline", "outline_scenario", "outline_scenarios"]

_OF_THE_DATA = ("choice", "language", "cascade")
_SECONDS_A_PAGE = 5e-4
"""CPU time of a page of fast users, with fitting and report: 0.2 to 0.5 ms over the shipped scenarios, on one core."""
_SECONDS_A_FIT = 15.0
"""CPU time of fitting choice users to the invented catalog, where a recommender has its own who know nothing of new items: each
seed makes others new. Those whom a scenario is about are fitted once on a machine."""
_MAGNITUDES = (
    (10.0, "CPU-seconds"),
    (100.0, "tens of CPU-seconds"),
    (1000.0, "CPU-minutes"),
    (6000.0, "tens of CPU-minutes"),
    (math.inf, "CPU-hours"),
)


@dataclass(frozen=True, kw_only=True)
class ScenarioOutline:
    """A scenario at a glance."""

    description: str
    """What it shows or asks, in the author's words."""
    claims: tuple[str, ...]
    """What it is expected to show; empty where it expects nothing."""
    cost: str
    """What a run takes at most, in words."""
    pages: int | None
    """Pages that a run serves at most; None where the number of users is that of data which are not read for this."""
    seeds: int
    """Runs that it takes to judge all it expects: seeds that may."""


def outline_scenarios() -> dict[str, ScenarioOutline]:
    """Return the shipped scenarios by name."""
    return {name: outline_scenario(load_scenario(name)) for name in shipped_scenarios()}


def outline_scenario(scenario: Scenario) -> ScenarioOutline:
    """Say what a scenario asks, expects and costs."""
    arms, count = len(scenario.recommenders), _count(scenario)
    pages = None if count is None else arms * count * scenario.visits * scenario.max_pages
    users = f"all users of {scenario.data}" if count is None else _several(count, "user")
    factors = [_several(arms, "recommender"), users, _several(scenario.visits, "visit"), _several(scenario.max_pages, "page")]
    total = "" if pages is None else f" = {_several(pages, 'page')}"
    return ScenarioOutline(
        description=scenario.description,
        claims=tuple(finding.claim for finding in scenario.expect),
        cost=f"at most {' x '.join(factors)}{total}{_time(scenario, pages)}",
        pages=pages,
        seeds=len({seed for finding in scenario.expect for seed in finding.seeds}),
    )


def _count(scenario: Scenario) -> int | None:
    """Return how many users there are, where the data are at hand and it is they who say so."""
    if scenario.users.count is not None or scenario.users.model not in _OF_THE_DATA:
        return scenario.users.count
    try:
        return len(open_dataset(scenario.data, **scenario.table_options).ratings.users)
    except RecSimError:
        return None


def _time(scenario: Scenario, pages: int | None) -> str:
    """Say how long that takes, in order of magnitude, or how to find out."""
    if scenario.models:
        return "; language models are asked: `--dry-run` tells calls, tokens and money"
    if pages is None:
        return ""
    seconds = pages * _SECONDS_A_PAGE + _own_fits(scenario) * _SECONDS_A_FIT
    return "; " + next(words for most, words in _MAGNITUDES if seconds < most)


def _own_fits(scenario: Scenario) -> int:
    """Return for how many recommenders users are fitted who know nothing of new items."""
    if scenario.cold_items is None:
        return 0
    return sum(arm.recommender == "warmed" and "interactions" not in arm.settings for arm in scenario.recommenders)


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
