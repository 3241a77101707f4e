"""The metrics of a run as values, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from recsim_llm.metrics.fairness import GroupGap
from recsim_llm.statistics import CONFIDENCE, Estimate

__all__ = ["ArmMetrics", "MetricValue", "RunMetrics"]

SCHEMA = 1
"""Version of the JSON layout; rises when a key changes its meaning or goes."""


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """A metric's value."""

    estimate: Estimate
    """Value, interval and users; None where the log or the tables carry none."""
    note: str = ""
    """Why there is no value or no interval; empty where there are both."""
    group: str | None = None
    """Group of items that the value is of; None where it is of all."""

    def to_json(self) -> dict[str, Any]:
        """Return ``value``, ``low``, ``high``, ``users``, ``note`` and ``group``."""
        return {**asdict(self.estimate), "note": self.note, "group": self.group}


@dataclass(frozen=True, kw_only=True)
class ArmMetrics:
    """The metrics of one recommender."""

    arm: str
    """Its name."""
    users: int
    """Users it served."""
    metrics: Mapping[str, MetricValue]
    """By ``Definition.key``."""
    user_groups: Mapping[str, Mapping[str, GroupGap]]
    """Field (a trait's terciles, a demographic field) to measure (``return``, the reward of a user, ``clicks``,
    ``satisfaction``) to its gap between groups."""
    funnel: Mapping[str, int]
    """How often each step was reached, from ``shown`` to ``liked``."""
    genre_entropy_by_part: tuple[Estimate, ...]
    """Entropy of the genres in each quarter of a user's clicks, over the users with a click in every quarter."""


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """What ``measure_run`` returns and ``metrics.json`` holds under ``metrics``."""

    slots: int
    """Places of the first page, the ``k`` of the relevance metrics."""
    popularity_list: int
    """Items that a list by popularity is taken to offer, for serendipity."""
    tail_items: int
    """Items in the long tail."""
    truth: Literal["likes", "choices"]
    """What is held out: ``likes``, ratings that count as likes; ``choices``, what was clicked or bought, without stars."""
    truth_users: int
    """Users with any of it."""
    providers: str
    """Whose exposure is compared with merit: ``provider`` or, where the data has none, ``genre``."""
    arms: tuple[ArmMetrics, ...]
    """In the manifest's order."""

    def arm(self, name: str) -> ArmMetrics:
        """Return the metrics of the arm with this name."""
        return next(arm for arm in self.arms if arm.arm == name)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON: stable keys, no NaN, None where something is undefined."""
        facts = ("slots", "popularity_list", "tail_items", "truth", "truth_users", "providers")
        content = {"schema": SCHEMA, "confidence": CONFIDENCE} | {name: getattr(self, name) for name in facts}
        return content | {"arms": [_arm_json(arm) for arm in self.arms]}


def _arm_json(arm: ArmMetrics) -> dict[str, Any]:
    groups = {field: {name: asdict(gap) for name, gap in measures.items()} for field, measures in arm.user_groups.items()}
    return {
        "arm": arm.arm,
        "users": arm.users,
        "metrics": {key: value.to_json() for key, value in arm.metrics.items()},
        "user_groups": groups,
        "funnel": dict(arm.funnel),
        "genre_entropy_by_part": [asdict(estimate) for estimate in arm.genre_entropy_by_part],
    }
