"""What a report says first where an arm beats one that knows the users."""

from __future__ import annotations

from collections.abc import Sequence

from recsim_llm.comparison import ORACLE, PLANNER, Beaten, Summary, find_beaten
from recsim_llm.report import numbers
from recsim_llm.report.comparison_rows import Content

__all__ = ["compared_beaten", "summary_beaten", "warn_of_beaten"]

_UNITS = {"clicks_per_user": "clicks a user", "reward_per_user": "reward a user"}


def warn_of_beaten(beaten: Sequence[Beaten], arms: Sequence[str]) -> list[str]:
    """Say which arms beat a ceiling, and what to make of it; nothing where none does.

    Args:
        beaten: what was found.
        arms: of the run.
    """
    by_planner = [row for row in beaten if row.ceiling == PLANNER]
    lines = [f"{row.arm} beats the planner by {_amount(row)}: the game was beaten, distrust the ranking." for row in by_planner]
    known = {row.arm for row in by_planner}
    for row in (row for row in beaten if row.ceiling == ORACLE and row.arm not in known):
        said = f"{row.arm} beats the oracle by {_amount(row)}"
        if PLANNER in arms:
            lines.append(
                f"{said}, which looks no further than a page; the planner, the ceiling of whole visits, is not beaten."
            )
        else:
            lines.append(
                f"{said}: the game was beaten, or looking ahead pays. Distrust the ranking until the planner, the ceiling of "
                "whole visits, is among the recommenders."
            )
    return lines


def summary_beaten(summary: Summary) -> tuple[Beaten, ...]:
    """Return which ceilings of a finished run are beaten; the reward is what the planner planned for."""
    if not all(arm.finished for arm in summary.arms):
        return ()
    rows = [
        Beaten(row.against, row.arm, metric, difference.mean.turned())
        for row in summary.regret
        for metric, difference in (("clicks_per_user", row.clicks), ("reward_per_user", row.reward))
    ]
    alike = {row.arm for row in summary.regret if row.reward.mean.value == row.clicks.mean.value}
    found = find_beaten(rows, planned="reward_per_user")
    # Where clicks are what is paid, they are called so.
    return tuple(row._replace(metric="clicks_per_user") if row.ceiling in alike else row for row in found)


def compared_beaten(content: Content) -> tuple[Beaten, ...]:
    """Return which ceilings of a comparison are beaten, as far as its metrics tell.

    Without metrics of its own a comparison holds the reward wherever that is not the clicks.
    """
    keys = [metric["key"] for metric in content["metrics"]]
    usual = "clicks_per_user" if not content["judging"]["metrics"] else None
    planned = "reward_per_user" if "reward_per_user" in keys else usual
    rows = []
    for row in content["comparisons"]:
        effect = numbers.read_estimate(row["effect"])
        sides = ((row["arm"], row["against"], effect), (row["against"], row["arm"], effect.turned()))
        rows += [Beaten(arm, other, row["metric"], by) for arm, other, by in sides if other in (ORACLE, PLANNER)]
    return find_beaten(rows, planned=planned)


def _amount(row: Beaten) -> str:
    return f"{numbers.with_interval(row.by, sign=True)} {_UNITS[row.metric]}"
