"""The suite's profile: worlds of shipped scenarios in which any recommender can stand, and what is measured of it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from recsim_llm.errors import ConfigError, one_of
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.hooks import keeps_users_apart
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.schema import Scenario, load_scenario

__all__ = ["PROBES", "SEEDS", "Probe", "ProbeMeasure", "choose_probes", "probe_scenario"]

SEEDS = (51, 52, 53, 54, 55)
"""Seeds of every profile: none of them was used to choose a world, a measure or a recommender's settings."""


class ProbeMeasure(NamedTuple):
    """What is measured of a recommender in a profile scenario."""

    name: str
    """Short name."""
    label: str
    """In words."""
    series: Mapping[str, Any]
    """As ``SeriesSettings`` takes it."""
    window: tuple[int, int] | None = None
    """First and last time; None: the whole run."""
    before: tuple[int, int] | None = None
    """Where it is a change: times that the window is held against."""


class Probe(NamedTuple):
    """A profile scenario: a shipped one with other recommenders and measures."""

    name: str
    """Short name."""
    question: str
    """What it asks of a recommender."""
    base: str
    """The shipped scenario whose world it takes."""
    changes: Mapping[str, Any]
    """What is different in it, by dotted keys."""
    measures: tuple[ProbeMeasure, ...]
    """What is measured."""
    fitted_daily: bool = False
    """Whether recommenders are fitted anew every day to the clicks of the run, unless they learn from everybody's as they go or
    say themselves when they are fitted."""


PROBES = (
    Probe(
        "pages",
        "How much of ten pages do users click?",
        "demo",
        {"users.count": 300, "max_pages": 10},
        (ProbeMeasure("clicks", "Clicks a user, in one visit", {"metric": "clicks_per_user"}),),
    ),
    Probe(
        "visits",
        "Users click what they do not like: are they content, and do they come back?",
        "long-term",
        {"users.count": 300},
        (
            ProbeMeasure("satisfaction", "Satisfaction after a page", {"metric": "mean_satisfaction"}),
            ProbeMeasure("returns", "Visits after which a user comes back", {"metric": "return_share"}),
        ),
    ),
    Probe(
        "loop",
        "Learning from the clicks on its own pages day by day: what becomes of the catalog, and of what users have in common?",
        "popularity-loop",
        {"clock.days": 10},
        (
            ProbeMeasure("inequality", "Gini of exposure", {"metric": "exposure_gini"}, (5, 9)),
            ProbeMeasure("coverage", "Items of the catalog shown a day", {"metric": "catalog_coverage"}, (5, 9)),
            ProbeMeasure("overlap", "Overlap of what two users click", {"metric": "choice_overlap"}),
        ),
        fitted_daily=True,
    ),
    Probe(
        "drift",
        "Tastes move on day 12: are clicks there again after two days?",
        "drift",
        {"clock.days": 18},
        (
            ProbeMeasure(
                "recovery",
                "Clicks an impression, change after tastes moved",
                {"metric": "click_share"},
                (14, 17),
                (8, 11),
            ),
        ),
    ),
    Probe(
        "new-items",
        "A tenth of the items is new: do they find their users?",
        "cold-start-items",
        {"users.count": 300},
        (
            ProbeMeasure(
                "new-items",
                "Clicks a user on items that are new",
                {"metric": "clicks_per_user", "items": {"popularity": "none"}},
            ),
        ),
    ),
    Probe(
        "bubble",
        "Users become what they consume: do their pages narrow?",
        "filter-bubble",
        {"users.count": 200},
        (
            ProbeMeasure(
                "width",
                "Genres shown to a user, change in bits",
                {"metric": "shown_genre_entropy"},
                (20, 29),
                (0, 5),
            ),
        ),
    ),
    Probe(
        "providers",
        "Providers who are shown too little leave: how little is that, and how many go?",
        "provider-exodus",
        {"users.count": 200},
        (
            ProbeMeasure(
                "least-shown",
                "Exposure over merit of the worst-off provider",
                {"metric": "exposure_over_merit"},
                (7, 29),
            ),
            ProbeMeasure("providers-left", "Providers who left", {"metric": "providers_left"}),
        ),
    ),
)
"""The profile, in the order of its table."""


def choose_probes(names: Sequence[str] = ()) -> tuple[Probe, ...]:
    """Return profile scenarios, in their order.

    Args:
        names: the only ones; none: all.

    Raises:
        ConfigError: a name is none of them.
    """
    held = [probe.name for probe in PROBES]
    for name in names:
        if name not in held:
            raise ConfigError(f"suite: got the profile scenario {name!r}, expected {one_of(name, held)}")
    return tuple(probe for probe in PROBES if not names or probe.name in names)


def probe_scenario(probe: Probe, first: Arm, second: Arm) -> Scenario:
    """Return the scenario in which a recommender is held against another one.

    Args:
        probe: the profile scenario.
        first: the one that is held against.
        second: the one that is measured.
    """
    arms = [_arm(probe, arm) for arm in (first, second)]
    contrasts: dict[str, Any] = {}
    for measure in probe.measures:
        taken = {"series": measure.name, "window": measure.window and list(measure.window)}
        taken["before"] = measure.before and list(measure.before)
        contrasts[f"{measure.name}-baseline"] = taken | {"arm": first.name}
        contrasts[measure.name] = taken | {"arm": second.name}
        contrasts[f"{measure.name}-difference"] = taken | {"arm": second.name, "against": first.name}
    series = {measure.name: dict(measure.series) for measure in probe.measures}
    changes = {"recommenders": arms, "measure": {"series": series, "contrasts": contrasts}, "expect": []}
    return load_scenario(probe.base, {**probe.changes, **changes})


def _arm(probe: Probe, arm: Arm) -> dict[str, Any]:
    settings = arm.model_dump(mode="json", exclude_none=True)
    # A bandit that were fitted anew would forget what it has learned.
    apart = probe.fitted_daily and keeps_users_apart(open_recommender(arm.recommender, arm.settings))
    return {"retrain": "day"} | settings if apart else settings
