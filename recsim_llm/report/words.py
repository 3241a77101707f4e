"""The sentences of a report: each claims only what an interval carries."""

from __future__ import annotations

from collections.abc import Sequence

from recsim_llm.comparison import CEILINGS, PLANNER, ArmDifference, Summary
from recsim_llm.metrics.summary import ArmSummary
from recsim_llm.report import numbers
from recsim_llm.report.ceiling_words import summary_beaten, warn_of_beaten
from recsim_llm.statistics import Estimate

__all__ = [
    "headline",
    "join_names",
    "position_title",
    "rating_title",
    "reference",
    "reward_title",
    "satisfaction_title",
    "survival_title",
    "verdict",
]

_NAMED = 4
"""Recommenders of a kind that a sentence names; the table has all of them."""


def verdict(summary: Summary) -> str:
    """Say which recommender got the most clicks a user, or that none can be named.

    Before that it says which ceilings were beaten, after it what must be known of the users.
    """
    best = summary.arm(summary.best)
    rivals = [row for row in summary.against_best if row.arm not in CEILINGS]
    waiting = [arm.arm for arm in summary.arms if not arm.finished]
    if waiting:
        return f"The run is not finished ({', '.join(waiting)}): nothing can be claimed before it is resumed."
    if not rivals:
        clicks = numbers.with_interval(best.metrics["clicks_per_user"])
        lone = "One recommender has nothing to be compared with."
        text = f"{best.arm} got {clicks} clicks a user, {numbers.counted(best.users, 'user')}. {lone}"
    else:
        text = _against_rivals(best, sorted(rivals, key=lambda row: -(row.clicks.mean.value or 0.0)))
    beaten = warn_of_beaten(summary_beaten(summary), [arm.arm for arm in summary.arms])
    return " ".join([*beaten, text + _left_to_gain(summary), *summary.warnings])


def reference(summary: Summary) -> ArmDifference | None:
    """Return the best arm's comparison to name first: with the first arm, or with the next best if the best comes first."""
    rivals = [row for row in summary.against_best if row.arm not in CEILINGS]
    first = next((arm.arm for arm in summary.arms if arm.arm not in CEILINGS), None)
    chosen = [row for row in rivals if row.arm == first] or sorted(rivals, key=lambda row: -(row.clicks.mean.value or 0.0))
    return chosen[0] if chosen else None


def headline(summary: Summary) -> str:
    """Title of the clicks figure: the best arm's clicks a user, and how many times the reference's if that is certain."""
    best = summary.arm(summary.best)
    estimate = best.metrics["clicks_per_user"]
    clicks = numbers.plain(estimate.value, numbers.decimals(estimate))
    row = reference(summary)
    if row is None:
        return f"{best.arm}: {clicks} clicks a user"
    if not all(arm.finished for arm in summary.arms):
        return "Clicks a user so far"
    if not row.clicks.mean.excludes(0.0):
        return f"Clicks a user: no difference between {best.arm} and {row.arm} can be claimed"
    if not row.clicks.ratio.value:
        return f"{best.arm}: {clicks} clicks a user, {row.arm}: none"
    times = 1.0 / row.clicks.ratio.value
    return f"{best.arm}: {clicks} clicks a user, {numbers.plain(times, 1 if times < 10.0 else 0)} times {row.arm}"


def position_title(summary: Summary) -> str:
    """Title of the figure of clicks by position."""
    arm = summary.arm(summary.best)
    rates = arm.clicks_by_position
    if len(rates) < 2 or not arm.clicks:
        return "Clicks by position"
    first, last = (numbers.plain(rate.value, 1, share=True) for rate in (rates[0], rates[-1]))
    return f"{arm.arm}: {first} of first positions clicked, {last} of last ones"


def survival_title(summary: Summary) -> str:
    """Title of the figure of pages per visit."""
    found = []
    for arm in _shown(summary):
        reached = sum(share >= 0.5 for share in arm.visits_reaching_page)
        if reached:
            found.append((arm.arm, f"page {reached}"))
    return _listed("Half of the visits reach", found) or "Pages per visit"


def rating_title(summary: Summary) -> str:
    """Title of the rating histogram."""
    rated = [(arm, arm.metrics["mean_rating"]) for arm in _shown(summary)]
    found = [(arm.arm, f"{numbers.plain(mean.value, 1)} stars") for arm, mean in rated if mean.value is not None]
    return _listed("Clicked items are rated", found) or "Ratings of clicked items"


def satisfaction_title(summary: Summary) -> str:
    """Title of the figure of satisfaction over pages."""
    last = [(arm, arm.metrics["mean_satisfaction"]) for arm in _shown(summary)]
    found = [(arm.arm, numbers.plain(mean.value, 2)) for arm, mean in last if mean.value is not None]
    return _listed("Mean satisfaction", found) or "Satisfaction over pages"


def reward_title(summary: Summary) -> str:
    """Title of the figure of reward over pages."""
    found = [(arm.arm, numbers.plain(arm.metrics["discounted_return"].value, 1)) for arm in _shown(summary)]
    return _listed("Discounted return", found) or "Reward over pages"


def lorenz_title(summary: Summary) -> str:
    """Title of the figure of exposure concentration."""
    shown = [(arm, arm.exposure_lorenz) for arm in _shown(summary)]
    found = [(arm.arm, numbers.plain(1.0 - curve[90], 0, share=True)) for arm, curve in shown if curve]
    return _listed("The most shown tenth of the catalog takes", found, "of exposures") or "Concentration of exposures"


def _against_rivals(best: ArmSummary, rivals: Sequence[ArmDifference]) -> str:
    users = numbers.counted(min(row.users for row in rivals), "user")
    beaten = [row for row in rivals if _gain(row).excludes(0.0)]
    level = [row for row in rivals if not _gain(row).excludes(0.0)]
    if not beaten:
        return _no_difference(best, level, users)
    if len(rivals) == 1:
        return f"{best.arm} got more clicks a user than {beaten[0].arm}: {_amount(beaten[0])}, {users}."
    if not level:
        gains = ", ".join(f"{_amount(row)} over {row.arm}" for row in _nearest(beaten))
        more = "".join(f", and more than each of {others}" for others in _others(beaten))
        return f"{best.arm} got the most clicks a user: {gains}{more}, {users}."
    gains = join_names([*(f"{row.arm} ({_amount(row)})" for row in _nearest(beaten)), *_others(beaten)])
    rest = join_names([*(f"{row.arm} ({_amount(row)})" for row in _nearest(level)), *_others(level)])
    return f"{best.arm} got more clicks a user than {gains}, {users}. No difference from {rest} can be claimed."


def _no_difference(best: ArmSummary, level: Sequence[ArmDifference], users: str) -> str:
    names = join_names([*(row.arm for row in _nearest(level)), *_others(level)])
    if all(row.clicks.identical for row in level):
        return f"{best.arm} and {names} got exactly as many clicks from every user: no difference among {users}."
    if all(row.clicks.mean.low is None for row in level):
        users += ", too few or too alike for an interval"
    amounts = ", ".join(_amount(row) if len(level) == 1 else f"{_amount(row)} over {row.arm}" for row in _nearest(level))
    return f"No difference in clicks a user can be claimed between {best.arm} and {names}: {amounts}, {users}."


def _nearest(rows: Sequence[ArmDifference]) -> Sequence[ArmDifference]:
    """Return the rows that a sentence names, the first ones; a single one more is named too."""
    return rows if len(rows) <= _NAMED + 1 else rows[:_NAMED]


def _others(rows: Sequence[ArmDifference]) -> list[str]:
    others = len(rows) - len(_nearest(rows))
    return [f"{others} others"] if others else []


def _left_to_gain(summary: Summary) -> str:
    above = [row for row in summary.regret if row.against == summary.best and (row.clicks.mean.low or 0.0) > 0.0]
    if not above:
        return ""
    row = above[0]
    gain = numbers.with_interval(row.clicks.mean, sign=True)
    who = "planner, which knows the users and looks ahead" if row.arm == PLANNER else "oracle, which knows the users"
    return f" The {who}, got {gain} clicks a user more than {summary.best}."


def _gain(row: ArmDifference) -> Estimate:
    """Return the best arm minus this one: the row's difference turned round."""
    return row.clicks.mean.turned()


def _amount(row: ArmDifference) -> str:
    return numbers.with_interval(_gain(row), sign=True)


def _shown(summary: Summary) -> list[ArmSummary]:
    """Return the arms that a title names: the best and the reference."""
    row = reference(summary)
    return [summary.arm(summary.best), *([summary.arm(row.arm)] if row else [])]


def _listed(start: str, found: Sequence[tuple[str, str]], end: str = "") -> str:
    if not found:
        return ""
    return f"{start} " + ", ".join(f"{text} ({name})" for name, text in found) + (f" {end}" if end else "")


def join_names(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: the last one after "and"; there is at least one."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
