"""Click models as users before the pages of a log: they click as fitted, leave by page, stay for mixed log-normal times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.agents.browsing.browsing_model import ClickModelName
from recsim_llm.agents.browsing.click_models import fit_click_model
from recsim_llm.agents.browsing.clicked_pages import read_clicked_pages
from recsim_llm.agents.browsing.leaving import fit_leaving
from recsim_llm.agents.browsing.log_normal import TimesFit, draw_log_normal, fit_log_normal
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.browsers import Browsed
from recsim_llm.realism.behaviour.plain_browsers import RankRates

__all__ = ["FittedBrowsers", "browsers_of"]


class FittedBrowsers:
    """Users who click by a click model.

    They leave with a hazard by page of the session, and stay for times of a log-normal mixture, where the training part has
    enough of them. Below the deepest position of the fit nothing is clicked; pages whose order says nothing are clicked at the
    log's rate.

    Args:
        training: what all of it is fitted on.
        model: the click model.
    """

    def __init__(self, training: Exposures, model: ClickModelName) -> None:
        self._clicks = fit_click_model(model, read_clicked_pages(training)) if training.has_positions else None
        self._rest = RankRates(training)
        self._leaving = fit_leaving(training, seed=0)
        self._times = _fit_times(training)

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what they do."""
        rest = self._rest.browse(shown, seed)
        if self._clicks is None or not shown.has_positions:
            return self._staying(shown, rest, seed)
        slates = shown.slates(self._clicks.slate_size)
        item_id = np.where(slates.item_index >= 0, shown.items[slates.item_index], -1)
        table = self._clicks.simulate(item_id, seed, key=_page_keys(shown)[slates.page_index])
        row = np.full(len(shown.pages.first), -1)
        row[slates.page_index] = np.arange(len(table))
        here = (shown.position >= 0) & (shown.position < self._clicks.slate_size)
        clicked = np.where(shown.position < 0, rest.clicked, False)
        clicked[here] = table[row[shown.page_index[here]], shown.position[here]]
        return self._staying(shown, rest._replace(clicked=clicked), seed)

    def _staying(self, shown: Exposures, done: Browsed, seed: int) -> Browsed:
        """Return what they do, with when they leave and how long they stay."""
        done = done._replace(dwell=self._dwell(shown, done.clicked, seed))
        if isinstance(self._leaving, Untold):
            return done
        return done._replace(leaves=self._leaving.chances(shown, done.clicked))

    def _dwell(self, shown: Exposures, clicked: BoolArray, seed: int) -> DoubleArray | None:
        if isinstance(self._times, Untold):
            return self._rest.dwell(shown, clicked, seed)
        word = keyed.words(seed, "fitted browsers, dwell", shown.user_id, shown.session, shown.page, shown.item_id)
        return np.where(clicked, draw_log_normal(self._times.parts, keyed.uniform(word)), np.nan)


def browsers_of(model: ClickModelName) -> Callable[[Exposures], FittedBrowsers]:
    """Return what fits a click model to the training part of a log."""
    return lambda training: FittedBrowsers(training, model)


def _fit_times(training: Exposures) -> TimesFit | Untold:
    dwell = np.full(len(training), np.nan) if training.dwell is None else training.dwell
    known = training.clicked & ~np.isnan(dwell)
    return fit_log_normal(dwell[known], training.user_id[known], what="dwell times", seed=0)


def _page_keys(shown: Exposures) -> IntArray:
    """Return int64 [p]: a number for each page that does not hang on what else is in the log."""
    pages = shown.pages
    word = keyed.words(0, "browsed page", pages.user_id, pages.session, pages.page)
    return (word >> np.uint64(1)).astype(np.int64)
