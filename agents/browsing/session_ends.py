"""When people leave and when they come back: the chance that a page is a session's last, and the times in between.

    logit P(last | page) = a[page] + b * clicks on the page

The first part is one constant, a trend in the logarithm of the page's number, or one chance a page, whichever forecasts the
sessions of users left out best. Clicks are what a log has of satisfaction; where fewer than 30 pages have another number of
them than the most common one, the log does not tell ``b``, and it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from recsim_llm.agents.browsing.item_chances import sum_by
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_choice, check_number, check_whole_number
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import DataError
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["ExitHazard", "HazardForm", "exit_intervals", "fit_exit_hazard", "return_times"]

HazardForm = Literal["constant", "trend", "by page"]
_RIDGE = 1e-3
_ROUNDS = 50
_FEWEST_OTHERS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitHazard:
    """A fitted chance of leaving after a page."""

    form: HazardForm
    pages: int
    """Pages told apart under ``by page``; later ones are like the last of them."""
    weights: DoubleArray
    """float64 [w]: log-odds of the form, and of one more click on the page where clicks vary."""
    usual_clicks: float
    """Mean clicks a page; NaN where clicks vary too little to tell their effect."""

    def chance(self, page: IntArray, clicks: DoubleArray | None = None) -> DoubleArray:
        """Return float64 [n]: the chance that a session ends with a page.

        Args:
            page: int64 [n]: from 0 within the session.
            clicks: float64 [n]: on that page; None takes the mean.
        """
        from scipy.special import expit

        columns = _columns(self.form, np.asarray(page), self.pages)
        if not np.isnan(self.usual_clicks):
            more = np.zeros(len(columns)) if clicks is None else clicks - self.usual_clicks
            columns = np.column_stack([columns, more])
        return np.asarray(expit(columns @ self.weights), np.float64)

    @property
    def click_effect(self) -> float:
        """Log-odds of leaving that one more click on the page adds; NaN where clicks do not vary."""
        return float("nan") if np.isnan(self.usual_clicks) else float(self.weights[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class _PageEnds:
    """Pages that could be a session's last."""

    user: IntArray
    page: IntArray
    clicks: DoubleArray
    last: BoolArray


def fit_exit_hazard(
    exposures: Exposures, *, pages: int = 5, form: HazardForm | None = None, most_pages: int | None = None
) -> ExitHazard:
    """Fit when sessions end.

    Args:
        exposures: the log.
        pages: told apart under ``by page``.
        form: None chooses by likelihood of users left out, every user once in two halves.
        most_pages: pages after which the log cuts sessions off; that page says nothing about leaving. None: no such limit.

    Raises:
        DataError: no page is left.
        ConfigError: a setting cannot work.
    """
    check_whole_number("pages", pages, least=1)
    if form is not None:
        check_choice("form", form, get_args(HazardForm))
    ends = _page_ends(exposures, most_pages)
    return _fit(ends, np.ones(len(ends.page)), form or _choose(ends, pages), pages=pages)


def exit_intervals(
    exposures: Exposures,
    hazard: ExitHazard,
    *,
    seed: int,
    most_pages: int | None = None,
    resamples: int = 200,
    confidence: float = CONFIDENCE,
) -> tuple[tuple[Estimate, ...], Estimate]:
    """Return the chance of leaving after pages 1, 2 and so on, and the effect of a click, with percentile intervals.

    Args:
        exposures: the log of the fit.
        hazard: the fit.
        seed: of the draws of users, keyed by seed, resample and user.
        most_pages: as of the fit.
        resamples: how often users are drawn again, 20 or more.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: no page is left.
        ConfigError: a setting cannot work.
    """
    check_whole_number("seed", seed, least=0)
    check_whole_number("resamples", resamples, least=20)
    check_number("confidence", confidence, above=0.0, below=1.0)
    ends, page = _page_ends(exposures, most_pages), np.arange(hazard.pages)
    users, owner = np.unique(ends.user, return_inverse=True)
    drawn = np.empty((resamples, hazard.pages + 1))
    for number in range(resamples):
        place = keyed.uniform(keyed.words(seed, "exit bootstrap", number, np.arange(len(users)))) * len(users)
        times = np.bincount(place.astype(np.int64), minlength=len(users)).astype(np.float64)[owner]
        refit = _fit(ends, times, hazard.form, pages=hazard.pages)
        drawn[number] = [*refit.chance(page), refit.click_effect]
    low, high = np.quantile(drawn, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0], axis=0)
    value = [*hazard.chance(page), hazard.click_effect]
    found = [
        Estimate(value=None, users=len(users))
        if np.isnan(v)
        else Estimate(value=float(v), low=float(a), high=float(b), users=len(users))
        for v, a, b in zip(value, low, high, strict=True)
    ]
    return tuple(found[:-1]), found[-1]


def return_times(exposures: Exposures) -> tuple[DoubleArray, IntArray]:
    """Return seconds, float64 [n], from the last page of a session to the first of the user's next, and users, int64 [n].

    Raises:
        DataError: the log has no times, or nobody came back.
    """
    if exposures.timestamp is None:
        raise DataError(f"{exposures.name}: got no times, expected the column timestamp; use a log with times")
    pages, when = exposures.pages, exposures.timestamp[exposures.pages.first]
    order = np.argsort(pages.session, kind="stable")
    first = order[np.append(True, np.diff(pages.session[order]) != 0)]
    last = np.flatnonzero(pages.last_of_session)
    known = np.isfinite(when[first]) & np.isfinite(when[last])
    user, begin, end = pages.user_id[first][known], when[first][known], when[last][known]
    place = np.lexsort((begin, user))
    user, begin, end = user[place], begin[place], end[place]
    again = user[1:] == user[:-1]
    if not again.any():
        raise DataError(f"{exposures.name}: got no user with two sessions, expected some; use a longer log")
    return np.maximum(begin[1:] - end[:-1], 0.0)[again], user[1:][again]


def _page_ends(exposures: Exposures, most_pages: int | None) -> _PageEnds:
    pages = exposures.pages
    clicks = sum_by(exposures.page_index, exposures.clicked.astype(np.float64), len(pages.page))
    kept = np.full(len(pages.page), True) if most_pages is None else pages.page < most_pages - 1
    if not kept.any():
        raise DataError(f"{exposures.name}: got no page before the last allowed, expected some; use longer sessions")
    return _PageEnds(user=pages.user_id[kept], page=pages.page[kept], clicks=clicks[kept], last=pages.last_of_session[kept])


def _columns(form: HazardForm, page: IntArray, pages: int) -> DoubleArray:
    if form == "constant":
        return np.ones((len(page), 1))
    if form == "trend":
        return np.column_stack([np.ones(len(page)), np.log1p(page)])
    here: BoolArray = np.minimum(page, pages - 1)[:, None] == np.arange(pages)
    return here.astype(np.float64)


def _fit(ends: _PageEnds, times: DoubleArray, form: HazardForm, *, pages: int) -> ExitHazard:
    """Fit a logistic regression by Newton's method, each page counted so many times; a hint of a ridge keeps it finite."""
    from scipy.special import expit

    columns = _columns(form, ends.page, pages)
    by_number = np.bincount(ends.clicks.astype(np.int64))
    vary = int(by_number.sum() - by_number.max()) >= _FEWEST_OTHERS
    usual = float(np.average(ends.clicks, weights=times)) if vary else float("nan")
    if vary:
        columns = np.column_stack([columns, ends.clicks - usual])
    weights = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        chance = expit(columns @ weights)
        slope = columns.T @ (times * (ends.last - chance)) - _RIDGE * weights
        bend = (columns * (times * chance * (1.0 - chance))[:, None]).T @ columns + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return ExitHazard(form=form, pages=pages, weights=weights, usual_clicks=usual)


def _choose(ends: _PageEnds, pages: int) -> HazardForm:
    half = np.unique(ends.user, return_inverse=True)[1] % 2
    if half.max() == 0:
        return "constant"

    def left_out(form: HazardForm) -> float:
        total = 0.0
        for part in (0, 1):
            hazard = _fit(ends, (half != part).astype(np.float64), form, pages=pages)
            rows = half == part
            chance = hazard.chance(ends.page[rows], ends.clicks[rows])
            total += float(np.log(np.where(ends.last[rows], chance, 1.0 - chance)).sum())
        return total

    forms: tuple[HazardForm, ...] = get_args(HazardForm)
    return max(forms, key=left_out)
