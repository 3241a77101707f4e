"""When people leave: the hazard by page of the session, and what clicks do to it.

After each page the log-odds of leaving are

    logit P(leave after page p) = a[p] - relief * r[p],    r[p] = memory * r[p - 1] + clicks on page p

a discrete-time hazard (Cox 1972, section 6; Allison 1982, "Discrete-time methods for the analysis of event histories") with the
state that choice users keep. Late pages are seen by few: each page's log-odds are drawn to the hazard of all pages, which
counts as 30 pages more. Clicks are what a log has of satisfaction; where nearly all pages have as many of them as the usual
one, ``r`` only counts pages, and ``relief`` is not told. A log ends somewhere, and a system may allow so many pages and no
more: that the longest sessions end says nothing, and their last page is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_USUAL = 30.0
"""Pages as which the hazard of all pages counts at each page."""
_MOST_PAGES = 20
_MEMORIES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
_RESAMPLES = 40
_STEPS = 50
_FEWEST_OTHERS = 30
"""Pages that must have another number of clicks than the usual one."""
_WEAK = 1.0
"""Standard deviation of the prior of the relief, log-odds a click."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Leaving:
    """How sessions end."""

    by_page: DoubleArray
    """float64 [p]: log-odds after each page without a click so far; the last entry is of all later pages."""
    ends: DoubleArray
    """float64 [2, p]: lower and upper ends of their intervals."""
    relief: Estimate
    """Log-odds that a click takes from leaving; below 0 where people leave once they have found something. Undefined where
    clicks hardly vary."""
    told_relief: float
    """The same where it is told from nothing, else 0: what goes with ``by_page`` and ``relieved``."""
    memory: float
    """Share of it that is left one page later."""
    hazard: tuple[Estimate, ...]
    """Share of sessions that end after each page, as in the log."""
    relieved: DoubleArray
    """float64 [p, 20]: ``r`` of the log's sessions at each page, at 20 levels that are equally frequent."""
    pages: int
    """Behind it."""
    sessions: int

    def chances(self, exposures: Exposures, clicked: BoolArray) -> DoubleArray:
        """Return the chance of leaving after each page of a log, float64 [p], if so was clicked, bool [n]."""
        pages = exposures.pages
        clicks = np.add.reduceat(clicked.astype(np.float64), pages.first)
        log_odds = self.by_page[np.minimum(pages.page, len(self.by_page) - 1)]
        log_odds = log_odds - self.told_relief * _leaky(clicks, pages.page, self.memory)
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), np.float64)


class _Rows(NamedTuple):
    """Pages after which somebody could stay."""

    group: IntArray
    """int64 [n]: number of the page, later ones as one."""
    left: BoolArray
    user: IntArray
    """int64 [n]: place among the users."""
    clicks: DoubleArray
    """float64 [n]."""
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
    return _fit_rows(_rows(exposures, longest), sessions, seed)


def _fit_rows(rows: _Rows, sessions: int, seed: int) -> Leaving:
    groups = int(rows.group.max()) + 1
    relief, memory = _fit_relief(rows, seed)
    # What is not seen is not taken over: with it the hazards of a run would hang on clicks.
    relieved = _leaky(rows.clicks, rows.number, memory) if relief.excludes(0.0) else np.zeros(len(rows.left))
    found, _ = _fit(relieved, rows, np.ones(len(rows.left)))
    again = np.array([_fit(relieved, rows, times, start=found)[0] for times in _resampled(rows, seed)])
    by_page, reach = found[:-1], _reach() * np.std(again[:, :-1], axis=0, ddof=1)
    levels = (np.arange(20) + 0.5) / 20
    return Leaving(
        by_page=by_page,
        ends=np.stack([by_page - reach, by_page + reach]),
        relief=relief,
        told_relief=float(found[-1]),
        memory=memory,
        hazard=tuple(_hazard(rows, group) for group in range(groups)),
        relieved=np.stack([np.quantile(relieved[rows.group == group], levels) for group in range(groups)]),
        pages=len(rows.left),
        sessions=sessions,
    )


def _fit_relief(rows: _Rows, seed: int) -> tuple[Estimate, float]:
    """Return what a click takes from leaving, and the share of it that is left a page later."""
    users, by_number = int(rows.user.max()) + 1, np.bincount(rows.clicks.astype(np.int64))
    if by_number.sum() - by_number.max() < _FEWEST_OTHERS:
        return Estimate(value=None, users=users), 0.0
    weight = np.ones(len(rows.left))
    fits = [(memory, *_fit(_leaky(rows.clicks, rows.number, memory), rows, weight)) for memory in _MEMORIES]
    memory, found, _ = max(fits, key=lambda fit: fit[2])
    relieved = _leaky(rows.clicks, rows.number, memory)
    again = [_fit(relieved, rows, times, start=found)[0][-1] for times in _resampled(rows, seed)]
    reach = _reach() * float(np.std(again, ddof=1))
    return Estimate(value=float(found[-1]), low=found[-1] - reach, high=found[-1] + reach, users=users), memory


def _resampled(rows: _Rows, seed: int) -> Iterator[DoubleArray]:
    """Yield how often each row counts, float64 [n], when users are drawn again."""
    count = int(rows.user.max()) + 1
    for number in range(_RESAMPLES):
        drawn = keyed.uniform(keyed.words(seed, "leaving bootstrap", number, np.arange(count))) * count
        yield np.bincount(drawn.astype(np.int64), minlength=count).astype(np.float64)[rows.user]


def _rows(exposures: Exposures, longest: int) -> _Rows:
    pages = exposures.pages
    clicks = np.add.reduceat(exposures.clicked.astype(np.float64), pages.first)
    kept = pages.page < longest
    number = pages.page[kept]
    reached = np.bincount(number)
    own = int(np.cumprod(reached >= _REACHED).sum())
    groups = min(min(own, _MOST_PAGES) + 1, len(reached))
    user = np.unique(pages.user_id[kept], return_inverse=True)[1]
    return _Rows(np.minimum(number, groups - 1), pages.last_of_session[kept], user, clicks[kept], number)


def _leaky(clicks: DoubleArray, number: IntArray, memory: float) -> DoubleArray:
    """Return float64 [n]: clicks of the session so far, those of earlier pages as far as they are remembered."""
    total = clicks.copy()
    for page in range(1, int(number.max()) + 1):
        here = np.flatnonzero(number == page)
        total[here] += memory * total[here - 1]
    return total


def _fit(
    relieved: DoubleArray, rows: _Rows, weight: DoubleArray, *, start: DoubleArray | None = None
) -> tuple[DoubleArray, float]:
    """Return the log-odds by page and the relief, float64 [p + 1], and the log-likelihood; Newton's steps.

    To each page as many are added as the usual hazard counts for, at the page's mean relief, so that few pages are drawn to it.
    """
    groups = int(rows.group.max()) + 1
    shown = np.bincount(rows.group, weight, groups)
    mean = np.bincount(rows.group, weight * relieved, groups) / np.maximum(shown, 1e-9)
    usual = (weight @ rows.left + 0.5) / (weight.sum() + 1.0)
    group = np.concatenate([rows.group, np.arange(groups), np.arange(groups)])
    state = np.concatenate([relieved, mean, mean])
    left = np.concatenate([rows.left.astype(np.float64), np.ones(groups), np.zeros(groups)])
    times = np.concatenate([weight, np.full(groups, _USUAL * usual), np.full(groups, _USUAL * (1.0 - usual))])
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
    log_odds = found[:-1][rows.group] - found[-1] * relieved
    return found, -float(weight @ np.logaddexp(0.0, np.where(rows.left, -log_odds, log_odds)))


def _hazard(rows: _Rows, group: int) -> Estimate:
    here, users = rows.group == group, int(rows.user.max()) + 1
    left = np.bincount(rows.user[here], rows.left[here], users).astype(np.float64)
    return share_estimate(left, np.bincount(rows.user[here], minlength=users).astype(np.float64))


def _reach() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + CONFIDENCE / 2.0))
