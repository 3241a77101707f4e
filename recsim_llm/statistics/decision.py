"""From an interval to words: never more than the interval carries.

- ``better`` or ``worse``: the interval leaves out 0.
- ``no difference that matters``: only if a smallest effect of interest d was stated, and both one-sided tests reject a
  difference of d or more (TOST: Schuirmann 1987, *Journal of Pharmacokinetics and Biopharmaceutics* 15), which at level
  alpha is: the interval of confidence ``1 - 2 alpha`` lies within -d and d. It goes before ``better``: a difference
  that is certain and certainly too small to matter is of no use to anybody.
- ``undecided``: neither. That no difference was found does not say that there is none (Altman & Bland 1995, *BMJ* 311).

Each kind of claim is wrong with probability at most ``1 - confidence``.
"""

from __future__ import annotations

from typing import Literal

from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.statistics.effects import Effect

__all__ = ["Verdict", "decide", "sentence"]

Verdict = Literal["better", "worse", "no difference that matters", "undecided"]
"""What an interval says about a difference."""


def decide(effect: Effect, *, smallest_effect: float | None = None, higher_is_better: bool = True) -> Verdict:
    """Judge one arm against another.

    Args:
        effect: one arm minus the other, with its interval widened already if there are several comparisons.
        smallest_effect: smallest difference that matters, above 0, stated before the run; None: no difference is too small.
        higher_is_better: False for measures such as the share of users who leave.

    Raises:
        ConfigError: the smallest effect is not above 0.
    """
    if smallest_effect is not None:
        check_number("smallest effect", smallest_effect, above=0.0)
    if effect.value is None or effect.low is None or effect.high is None:
        return "undecided"
    if smallest_effect is not None and _within(effect, smallest_effect):
        return "no difference that matters"
    if not effect.excludes(0.0):
        return "undecided"
    return "better" if (effect.low > 0.0) == higher_is_better else "worse"


def sentence(
    effect: Effect,
    *,
    one: str,
    other: str,
    measure: str,
    smallest_effect: float | None = None,
    higher_is_better: bool = True,
    comparisons: int = 1,
) -> str:
    """Say in a sentence what an interval carries.

    Args:
        effect: the one arm minus the other.
        one: name of the one arm.
        other: name of the other.
        measure: what is compared, such as ``clicks a user``.
        smallest_effect: as for ``decide``.
        higher_is_better: as for ``decide``.
        comparisons: how many comparisons the interval was widened for; named if more than 1.

    >>> from recsim_llm.statistics import paired_effect
    >>> found = paired_effect([3, 5, 4, 6, 5], [1, 2, 3, 2, 3]).effect
    >>> sentence(found, one="mf", other="random", measure="clicks a user")
    'mf is better than random on clicks a user: +2.4 (95% interval +0.984 to +3.82, 5 users).'
    """
    check_whole_number("comparisons", comparisons, least=0)
    verdict = decide(effect, smallest_effect=smallest_effect, higher_is_better=higher_is_better)
    detail = _detail(effect, comparisons)
    if effect.value is None or effect.low is None or effect.high is None:
        return f"Nothing can be said about {one} and {other} on {measure}: {detail}."
    if verdict == "undecided":
        return f"Whether {one} or {other} is better on {measure} is undecided: {detail}."
    if smallest_effect is None:
        return f"{one} is {verdict} than {other} on {measure}: {detail}."
    if verdict == "no difference that matters":
        return (
            f"{one} and {other} differ by less than {smallest_effect:.3g} on {measure}, so not in a way that matters: {detail}."
        )
    nearest = min(abs(effect.low), abs(effect.high))
    doubt = "" if nearest >= smallest_effect else f" Whether by the {smallest_effect:.3g} that matters is undecided."
    return f"{one} is {verdict} than {other} on {measure}: {detail}.{doubt}"


def _within(effect: Effect, smallest_effect: float) -> bool:
    # Methods without Student's t keep their own, wider interval: the claim is then made less often than it could be.
    wider = effect.confidence <= 0.5 or effect.degrees is None
    tested = effect if wider else effect.at(1.0 - 2.0 * (1.0 - effect.confidence))
    return (
        tested.low is not None and tested.high is not None and -smallest_effect < tested.low and tested.high < smallest_effect
    )


def _detail(effect: Effect, comparisons: int) -> str:
    users = "1 user" if effect.users == 1 else f"{effect.users:,} users"
    if effect.value is None:
        return f"it is undefined, {users}"
    value = _number(effect.value)
    if effect.low is None or effect.high is None:
        return f"{value}, {users}, too few or too alike for an interval"
    several = "" if comparisons <= 1 else f" for {comparisons} comparisons together"
    level = 1.0 - (1.0 - effect.confidence) * max(comparisons, 1)
    interval = f"{100.0 * level:.3g}% interval{several} {_number(effect.low)} to {_number(effect.high)}"
    return f"{value} ({interval}, {users})"


def _number(value: float) -> str:
    return f"{value:+.3g}"
