"""What a report claims of a pair of recommenders, with the evidence for it and the users who speak against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recsim_llm.comparison import ArmDifference, Summary
from recsim_llm.report import numbers
from recsim_llm.report.comparison_rows import Content, Row, against_best, against_first
from recsim_llm.statistics import Estimate

__all__ = ["Claim", "best_claims", "claim_of_row", "compared_claims", "table_rows"]

DECIDED, NOT_DECIDED, NOT_ASSESSED = "● decided", "○ not decided", "✕ not assessed"
SAME = "= identical"
"""Evidence states, each with a mark of its own shape; ``SAME`` is of the users who were there, and decides of no others."""

_TURNED = {"better": "worse", "worse": "better"}


class Claim(NamedTuple):
    """One recommender minus another on a metric."""

    arm: str
    """The one."""
    against: str
    """The other."""
    metric: str
    """Label of the metric."""
    share: bool
    """Whether the metric is a share, shown in percent."""
    verdict: str
    """``better``, ``worse``, ``no difference that matters``, ``identical`` or ``undecided``."""
    effect: Estimate
    """The difference."""
    lost: Sequence[Mapping[str, Any]]
    """Users with whom the one fell behind most, the worst first: ``user_id``, ``one``, ``other``, ``difference``."""
    gained: Sequence[Mapping[str, Any]]
    """Users with whom it was ahead most, likewise."""

    @property
    def state(self) -> str:
        """The evidence state."""
        if self.verdict == "identical":
            return SAME
        if self.effect.low is None:
            return NOT_ASSESSED
        return NOT_DECIDED if self.verdict == "undecided" else DECIDED

    @property
    def said(self) -> str:
        """The evidence state and what was decided."""
        if self.state == SAME:
            count = self.effect.users
            return f"{SAME} for {f'these {numbers.count(count)} users' if count > 1 else 'this one user'}"
        return f"{self.state}: {self.verdict}" if self.state == DECIDED else self.state

    def turned(self) -> Claim:
        """Return the other minus the one."""
        return self._replace(
            arm=self.against,
            against=self.arm,
            verdict=_TURNED.get(self.verdict, self.verdict),
            effect=self.effect.turned(),
            lost=[_turned(user) for user in self.gained],
            gained=[_turned(user) for user in self.lost],
        )


def claim_of_row(content: Content, row: Row) -> Claim:
    """Return a row of a comparison as a claim."""
    metric = next(metric for metric in content["metrics"] if metric["key"] == row["metric"])
    return Claim(
        arm=row["arm"],
        against=row["against"],
        metric=metric["label"],
        share=metric["unit"] == "share",
        verdict=row["verdict"],
        effect=numbers.read_estimate(row["effect"]),
        lost=row["lost"],
        gained=row["gained"],
    )


def table_rows(content: Content) -> Iterator[tuple[Mapping[str, Any], str, list[Row]]]:
    """Yield the groups of rows that the page's table of a comparison shows: metric, whom they are against, rows."""
    for number, metric in enumerate(content["metrics"]):
        yield metric, content["arms"][0], list(against_first(content, metric["key"]))
        others = list(against_best(content, metric["key"])) if number == 0 else []
        if others:
            yield metric, content["best"], others


def best_claims(summary: Summary, content: Content | None) -> list[Claim]:
    """Return what is claimed of the best recommender against each other one on the metric that decides.

    Args:
        summary: of the run.
        content: what a comparison found, whose best and metric then count; None where nothing was compared.
    """
    if content is not None:
        return compared_claims(content)
    waiting = {arm.arm for arm in summary.arms if not arm.finished}
    return [_of_difference(row, waiting).turned() for row in summary.against_best]


def compared_claims(content: Content) -> list[Claim]:
    """Return the same of a comparison alone."""
    best, key = content["best"], content["metrics"][0]["key"]
    rows = [claim_of_row(content, row) for row in content["comparisons"] if row["metric"] == key]
    return [row if row.arm == best else row.turned() for row in rows if best in (row.arm, row.against)]


def _of_difference(row: ArmDifference, waiting: set[str]) -> Claim:
    clicks = row.clicks
    effect = clicks.mean
    verdict = "undecided"
    if waiting & {row.arm, row.against}:
        # What is there of an unfinished run need not be like what is still to come.
        effect = Estimate(value=effect.value, users=effect.users)
    elif clicks.identical:
        verdict = "identical"
    elif effect.excludes(0.0):
        verdict = "better" if (effect.value or 0.0) > 0.0 else "worse"
    users = [[vars(user) for user in group] for group in (clicks.lost, clicks.gained)]
    return Claim(row.arm, row.against, "Clicks per user", False, verdict, effect, *users)


def _turned(user: Mapping[str, Any]) -> dict[str, Any]:
    return {**user, "one": user["other"], "other": user["one"], "difference": -user["difference"]}
