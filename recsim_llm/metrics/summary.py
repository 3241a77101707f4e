"""What a run amounts to, as values: the records that ``evaluation.summarise`` fills and ``metrics.json`` holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.statistics.intervals import Difference, Estimate

__all__ = ["METRICS", "ArmSummary", "Comparison", "Deciders", "Metric", "Summary"]

SCHEMA = 1
"""Version of the JSON layout; rises when a key changes its meaning or goes."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric by user: a mean over users, or a ratio of two sums over users."""

    key: str
    """Name in ``metrics.json``."""
    label: str
    """Name in tables."""
    unit: str
    """Unit, or ``share`` for a number from 0 to 1."""
    numerator: str
    """Sum on top, a name of ``recsim_llm.metrics.tallies.SUMS``."""
    denominator: str | None = None
    """Sum below; None for a mean over users."""
    low: float = 0.0
    """Smallest possible value."""
    high: float = np.inf
    """Largest possible value."""


METRICS = (
    Metric(key="clicks_per_user", label="Clicks per user", unit="clicks", numerator="clicks"),
    Metric(key="reward_per_user", label="Reward per user", unit="reward", numerator="reward", low=-np.inf),
    Metric(key="visits_per_user", label="Visits per user", unit="visits", numerator="visits"),
    Metric(key="pages_per_visit", label="Pages per visit", unit="pages", numerator="visit_pages", denominator="visits"),
    Metric(key="clicks_per_page", label="Clicks per page", unit="clicks", numerator="clicks", denominator="pages"),
    Metric(
        key="click_share",
        label="Clicks per impression",
        unit="share",
        numerator="impression_clicks",
        denominator="impressions",
        high=1.0,
    ),
    Metric(key="mean_rating", label="Mean rating", unit="stars", numerator="stars", denominator="rated"),
    Metric(key="like_share", label="Liked, of rated", unit="share", numerator="liked", denominator="judged", high=1.0),
    Metric(
        key="watch_share",
        label="Share watched",
        unit="share",
        numerator="watched",
        denominator="watch_rows",
        high=1.0,
    ),
    Metric(
        key="mean_satisfaction",
        label="Satisfaction",
        unit="0 to 1",
        numerator="satisfaction",
        denominator="satisfaction_pages",
        high=1.0,
    ),
)
"""The metrics of every run, in the order of the tables; a like is a rating from ``runlog.LIKE_THRESHOLD`` stars up."""


@dataclass(frozen=True, kw_only=True)
class Deciders:
    """Who decided an arm's pages, where there is more than one way."""

    pages: int
    """Pages of which the log says who decided them."""
    language_pages: int
    """Of them, pages that a language model decided."""
    audited_pages: int
    """Of them, pages that the choice model decided while the language model was asked too."""
    disagreement: Estimate
    """Mean over compared pages: mean absolute difference of the two models' click probabilities on the page."""
    memories_dropped: int
    """Memories that prompts had no room for."""


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One recommender's results."""

    arm: str
    """Name of the recommender."""
    finished: bool
    """All its users and pages are in the log; False where a run was stopped and waits to be resumed."""
    users: int
    """Users it served."""
    visits: int
    """Finished visits."""
    pages: int
    """Pages shown."""
    impressions: int
    """Items shown."""
    clicks: int
    """Clicks drawn."""
    invalid_slots: int
    """Slots whose item was unknown, retired or repeated, and was blanked."""
    metrics: dict[str, Estimate]
    """By ``Metric.key``."""
    item_coverage: float
    """Share of the catalog that was shown at least once."""
    exposure_gini: float | None
    """Gini coefficient of exposures over the catalog: 0 all items alike, near 1 one item takes all; None: nothing shown."""
    capped_visits: int
    """Visits that ended because the page budget was used up, not because the user left."""
    clicks_by_position: tuple[Estimate, ...]
    """Clicks per item shown, by position, first position first."""
    visits_reaching_page: tuple[float, ...]
    """Share of finished visits with at least 1, 2, ... pages."""
    ratings: dict[str, int]
    """Number of ratings by stars given, ascending."""
    satisfaction_by_page: tuple[Estimate, ...]
    """Mean satisfaction after the 1st, 2nd, ... page, over the users who were still there."""
    exposure_lorenz: tuple[float, ...]
    """Share of exposures of the least shown 0%, 1%, ... 100% of the catalog; empty: nothing shown."""
    deciders: Deciders | None
    """Who decided the pages; None where there is one way only."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One arm minus another on the users whom both served."""

    arm: str
    """The one."""
    against: str
    """The other."""
    users: int
    """Users whom both served."""
    clicks: Difference
    """In clicks per user."""
    reward: Difference
    """In reward per user."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What ``summarise`` returns and ``metrics.json`` holds."""

    scenario: str
    """Name of the scenario."""
    seed: int | None
    """Seed of the run."""
    users: int
    """Users planned, by the manifest."""
    confidence: float
    """Confidence of the intervals: of each for metrics, of all of a measure's pairs of arms together for comparisons."""
    best: str
    """Arm with the most clicks per user, the oracle left out; the first of equals."""
    arms: tuple[ArmSummary, ...]
    """In the manifest's order."""
    against_first: tuple[Comparison, ...]
    """Every other arm minus the first."""
    against_best: tuple[Comparison, ...]
    """Every other arm minus the best."""
    regret: tuple[Comparison, ...]
    """The oracle minus every other arm; empty without an oracle."""
    notes: tuple[str, ...]
    """What a reader must know about the log itself: users missing, arms without rows."""

    def arm(self, name: str) -> ArmSummary:
        """Return the results of the arm with this name."""
        return next(arm for arm in self.arms if arm.arm == name)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain values for JSON: stable keys, no NaN, None where something is undefined."""
        return {"schema": SCHEMA, **asdict(self)}
