"""Numbers as a reader wants them: as many decimals as their interval carries, shares as percent, a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recsim_llm.statistics import Estimate

__all__ = [
    "NONE",
    "NO_INTERVAL",
    "common_decimals",
    "count",
    "counted",
    "decimals",
    "interval",
    "interval_below",
    "plain",
    "read_estimate",
    "with_interval",
]

NONE = "–"
"""Shown where a number is undefined."""
NO_INTERVAL = f"{NONE} below a number: no interval, since users are too few or all alike, which does not make it exact"
"""What ``interval_below`` means, for the legend of a table."""
_MOST_DECIMALS = 4


def count(number: int) -> str:
    """Write a whole number with thousands separators."""
    return f"{number:,}".replace("-", "−")


def counted(number: int, thing: str) -> str:
    """Write how many of a thing there are, such as ``1 user`` and ``1,200 users``."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def plain(number: float | None, digits: int = 2, *, share: bool = False, sign: bool = False) -> str:
    """Write a number with fixed decimals; ``share`` writes percent, ``sign`` a plus before what is positive."""
    if number is None:
        return NONE
    scaled = round(number * 100.0 if share else number, digits) + 0.0
    text = f"{scaled:+,.{digits}f}" if sign and scaled else f"{scaled:,.{digits}f}"
    return text.replace("-", "−") + ("%" if share else "")


def decimals(estimate: Estimate, *, share: bool = False) -> int:
    """Return the decimals at which the half width of the interval shows as 4 to 35 units of the last place.

    That is the rounding rule of the Particle Data Group (*Review of Particle Physics*, introduction, section 5.3). Without an
    interval: two decimals, one for percent.
    """
    if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return 1 if share else 2
    scale = 100.0 if share else 1.0
    half = (estimate.high - estimate.low) / 2.0 * scale
    digits = min(max(-math.floor(math.log10(half / 3.55)), 0), _MOST_DECIMALS)
    nearest = min(abs(estimate.low), abs(estimate.high)) * scale
    # An interval that leaves out zero must not look, once rounded, as if it touched it.
    while digits < _MOST_DECIMALS and estimate.excludes(0.0) and round(nearest, digits) == 0.0:
        digits += 1
    return digits


def common_decimals(estimates: Sequence[Estimate], *, share: bool = False) -> int:
    """Return decimals that suit numbers side by side: those of the coarsest, at most one fewer than the finest needs."""
    wanted = [decimals(estimate, share=share) for estimate in estimates if estimate.low is not None]
    return max(min(wanted), max(wanted) - 1) if wanted else (1 if share else 2)


def interval(estimate: Estimate, digits: int, *, share: bool = False) -> str:
    """Write the interval, ``[low, high]``, in percent for a share; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = (plain(end * 100.0 if share else end, digits) for end in (estimate.low, estimate.high))
    return f"[{low}, {high}]"


def interval_below(estimate: Estimate, digits: int, *, share: bool = False) -> str:
    """Write the interval as it stands below a number over users in a table: a dash where the data carry none."""
    shown = interval(estimate, digits, share=share)
    return shown or ("" if estimate.value is None else NONE)


def with_interval(estimate: Estimate, *, share: bool = False, sign: bool = False) -> str:
    """Write estimate and interval, such as ``+1.24 [0.93, 1.55]``."""
    digits = decimals(estimate, share=share)
    return f"{plain(estimate.value, digits, share=share, sign=sign)} {interval(estimate, digits, share=share)}".rstrip()


def read_estimate(content: Mapping[str, Any]) -> Estimate:
    """Return the estimate that plain values hold, whatever else stands beside it."""
    return Estimate(**{name: content[name] for name in ("value", "low", "high", "users")})
