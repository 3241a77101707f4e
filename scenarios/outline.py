"""What a scenario asks, what it expects, and what it costs, without running it."""

from __future__ import annotations

from dataclasses import dataclass

from recsim_llm.scenarios.schema import Scenario, load_scenario, shipped_scenarios

__all__ = ["ScenarioOutline", "outline_scenario", "outline_scenarios"]


@dataclass(frozen=True, kw_only=True)
class ScenarioOutline:
    """A scenario at a glance."""

    description: str
    """What it shows or asks."""
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
    arms, count = len(scenario.recommenders), scenario.users.count
    pages = None if count is None else arms * count * scenario.visits * scenario.max_pages
    users = f"all users of {scenario.data}" if count is None else f"{count:,} users"
    factors = [_several(arms, "recommender"), users, _several(scenario.visits, "visit"), _several(scenario.max_pages, "page")]
    asked = "; language models too: `--dry-run` tells calls, tokens and money" if scenario.models else ""
    total = "" if pages is None else f" = {pages:,} pages"
    return ScenarioOutline(
        description=scenario.description,
        claims=tuple(finding.claim for finding in scenario.expect),
        cost=f"at most {' x '.join(factors)}{total}{asked}",
        pages=pages,
        seeds=len({seed for finding in scenario.expect for seed in finding.seeds}),
    )


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
