"""When people leave: the hazard by page of the session, and what clicks do to it.

After each page the log-odds of leaving are

    logit P(leave after page p) = a[p] - relief * r[p],    r[p] = memory * r[p - 1] + clicks on page p

a discrete-time hazard (Cox 1972, section 6; Allison 1982, "Discrete-time methods for the analysis of event histories") with the
state that choice users keep. A log ends somewhere, and a system may allow so many pages and no more: that the longest sessions
end says nothing, and their last page is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, share_estimate

__all__ = ["Leaving", "fit_leaving"]

_FEWEST_SESSIONS, _FEWEST_USERS = 50, 2
_REACHED = 30
"""Sessions that must have reached a page for it to have a hazard of its own."""
_MOST_PAGES = 20
_MEMORIES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
_RESAMPLES = 40
_STEPS = 50
_WEAK = 1.0
"""Standard deviation of the prior of the relief, log-odds a click."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Leaving:
    """How sessions end."""

    by_page: DoubleArray
    """float64 [p]: log-odds after each page without a click so far; the last entry is of all later pages."""
    relief: Estimate
    """Log-odds that a click takes from leaving; below 0 where people leave once they have found something. Where its interval
    holds 0, ``by_page`` and ``relieved`` are of a fit without it."""
    memory: float
    """Share of it that is left one page later."""
    hazard: tuple[Estimate, ...]
    """Share of sessions that end after each page, as in the log."""
    relieved: DoubleArray
    """float64 [p, 20]: ``r`` of the log's sessions at each page, at 20 levels that are equally frequent."""
    pages: int
    """Behind it."""
    sessions: int


class _Rows(NamedTuple):
    """Pages after which somebody could stay."""

    group: IntArray
    """int64 [n]: number of the page, later ones as one."""
    left: BoolArray
    user: IntArray
    """int64 [n]: place among the users."""
    clicks: DoubleArray
    """float64 [n]."""
    first: BoolArray
    """bool [n]: a session begins."""
    number: IntArray
    """int64 [n]: of the page."""


def fit_leaving(exposures: Exposures, *, seed: int) -> Leaving | Untold:
    """Fit when the sessions of a log end.

    Args:
        exposures: the log.
        seed: of the bootstrap, by user.
    """
    pages = exposures.pages
    longest = int(pages.page.max())
    if longest == 0:
        return Untold("every session of the log has one page")
    sessions = int(pages.last_of_session.sum())
    if sessions < _FEWEST_SESSIONS or len(exposures.users) < _FEWEST_USERS:
        return Untold(
            f"the log holds {sessions:,} sessions of {len(exposures.users):,} users, too few of {_FEWEST_SESSIONS} of "
            f"{_FEWEST_USERS} or more"
        )
    rows = _rows(exposures, longest)
    weight, groups = np.ones(len(rows.left)), int(rows.group.max()) + 1
    fits = [(memory, *_fit(_leaky(rows, memory), rows, weight)) for memory in _MEMORIES]
    memory, found, _ = max(fits, key=lambda fit: fit[2])
    relieved, count = _leaky(rows, memory), int(rows.user.max()) + 1
    again = []
    for number in range(_RESAMPLES):
        drawn = keyed.uniform(keyed.words(seed, "leaving bootstrap", number, np.arange(count))) * count
        times = np.bincount(drawn.astype(np.int64), minlength=count).astype(np.float64)
        again.append(_fit(relieved, rows, times[rows.user], start=found)[0][-1])
    reach = _reach() * float(np.std(again, ddof=1))
    relief = Estimate(value=float(found[-1]), low=found[-1] - reach, high=found[-1] + reach, users=count)
    if not relief.excludes(0.0):
        # What is not seen is not taken over: with it the hazards of a run would hang on clicks.
        relieved = np.zeros(len(relieved))
        found, _ = _fit(relieved, rows, weight)
    levels = (np.arange(20) + 0.5) / 20
    return Leaving(
        by_page=found[:-1],
        relief=relief,
        memory=memory,
        hazard=tuple(_hazard(rows, group) for group in range(groups)),
        relieved=np.stack([np.quantile(relieved[rows.group == group], levels) for group in range(groups)]),
        pages=len(rows.left),
        sessions=sessions,
    )


def _rows(exposures: Exposures, longest: int) -> _Rows:
    pages = exposures.pages
    clicks = np.add.reduceat(exposures.clicked.astype(np.float64), pages.first)
    kept = pages.page < longest
    number = pages.page[kept]
    reached = np.bincount(number)
    own = int(np.cumprod(reached >= _REACHED).sum())
    groups = min(min(own, _MOST_PAGES) + 1, len(reached))
    user = np.unique(pages.user_id[kept], return_inverse=True)[1]
    return _Rows(np.minimum(number, groups - 1), pages.last_of_session[kept], user, clicks[kept], number == 0, number)


def _leaky(rows: _Rows, memory: float) -> DoubleArray:
    """Return float64 [n]: clicks of the session so far, those of earlier pages as far as they are remembered."""
    total = rows.clicks.copy()
    for page in range(1, int(rows.number.max()) + 1):
        here = np.flatnonzero(rows.number == page)
        total[here] += memory * total[here - 1]
    return total


def _fit(
    relieved: DoubleArray, rows: _Rows, weight: DoubleArray, *, start: DoubleArray | None = None
) -> tuple[DoubleArray, float]:
    """Return the log-odds by page and the relief, float64 [p + 1], and the log-likelihood; Newton's steps.

    Half a departure and half a stay are added to each page, at its mean relief, so that a page after which all leave or stay
    has finite log-odds.
    """
    groups = int(rows.group.max()) + 1
    shown = np.bincount(rows.group, weight, groups)
    mean = np.bincount(rows.group, weight * relieved, groups) / np.maximum(shown, 1e-9)
    group = np.concatenate([rows.group, np.arange(groups), np.arange(groups)])
    state = np.concatenate([relieved, mean, mean])
    left = np.concatenate([rows.left.astype(np.float64), np.ones(groups), np.zeros(groups)])
    times = np.concatenate([weight, np.full(2 * groups, 0.5)])
    found = np.zeros(groups + 1) if start is None else start.copy()
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-(found[:-1][group] - found[-1] * state)))
        rest, curve = times * (left - chance), times * chance * (1.0 - chance)
        slope = np.append(np.bincount(group, rest, groups), -(rest @ state) - found[-1] / _WEAK**2)
        bend = np.diag(np.append(np.bincount(group, curve, groups), curve @ state**2 + 1.0 / _WEAK**2))
        bend[-1, :-1] = bend[:-1, -1] = -np.bincount(group, curve * state, groups)
        step = np.linalg.solve(bend, slope)
        found = found + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    chance = np.clip(1.0 / (1.0 + np.exp(-(found[:-1][rows.group] - found[-1] * relieved))), 1e-12, 1.0 - 1e-12)
    return found, float(weight @ np.where(rows.left, np.log(chance), np.log1p(-chance)))


def _hazard(rows: _Rows, group: int) -> Estimate:
    here, users = rows.group == group, int(rows.user.max()) + 1
    left = np.bincount(rows.user[here], rows.left[here], users).astype(np.float64)
    return share_estimate(left, np.bincount(rows.user[here], minlength=users).astype(np.float64))


def _reach() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + CONFIDENCE / 2.0))
