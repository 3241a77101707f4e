"""How the readers of a log look at a page and how readily they click, in the form in which choice users can do it.

The click model is chosen on users whom its fit has not seen. What is taken over is its table of examination, by position and
last click above, and one level: the chance of a click on an item that is looked at. Clicks identify the product of the two;
where a model leaves the scale open, the best seen place of the page counts as looked at for sure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel
from recsim_llm.agents.browsing.click_comparison import ClickModelComparison, compare_click_models
from recsim_llm.agents.browsing.click_intervals import ParameterInterval, parameter_intervals
from recsim_llm.agents.browsing.click_models import fit_click_model
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages, read_clicked_pages
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.exposures import Exposures

__all__ = ["Reading", "fit_reading"]

_MOST_POSITIONS = 30
_FEWEST_USERS, _FEWEST_CLICKS = 10, 50
_RESAMPLES = 20
_TOLERANCE = 1e-4
_CHOOSING, _HELD_OUT = 0.6, 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """How pages are read."""

    model: BrowsingModel
    """The chosen click model, fitted on all pages."""
    table: ParameterInterval
    """float64 [k, k + 1] each: chance that a position is looked at by the last click above; see ``examination_table``."""
    level: ParameterInterval
    """float64 [1] each: chance of a click on an item that is looked at, of the log's items as often as they were looked at."""
    chosen: ClickModelComparison
    """How the click models did on users whom they had not seen."""
    clicks: int
    """Behind it."""
    pages: int
    """Whose order is known."""

    @property
    def by_position_alone(self) -> bool:
        """Whether what was clicked above changes nothing."""
        return self.model.name == "position-based"


def fit_reading(exposures: Exposures, *, seed: int, intervals: bool = True) -> Reading | Untold:
    """Fit how the pages of a log are read.

    Users are dealt into three parts: to fit, to choose by, and to report. The chosen model is then fitted on all of them.

    Args:
        exposures: the log; positions from the 31st on are left out.
        seed: of the parts and of the bootstrap, by user.
        intervals: whether to fit again and again for them; without, their ends are NaN.
    """
    if not exposures.has_positions:
        return Untold("the log does not say where on a page items stood")
    pages = read_clicked_pages(exposures, min(_MOST_POSITIONS, int(exposures.position.max()) + 1))
    users, clicks = len(np.unique(pages.user_id)), int(pages.clicked.sum())
    if pages.slate_size < 2:
        return Untold("no page of the log holds two items")
    if users < _FEWEST_USERS or clicks < _FEWEST_CLICKS:
        return Untold(
            f"the log holds {clicks:,} clicks of {users:,} users, too few of {_FEWEST_CLICKS} of {_FEWEST_USERS} or more"
        )
    parts = _deal(pages, seed)
    if not all(part.clicked.any() for part in parts):
        return Untold("a fifth of the users did not click at all, so that no model can be chosen by them")
    settings = ClickModelSettings(tolerance=_TOLERANCE)
    chosen = compare_click_models(*parts, settings=settings)
    settings = replace(settings, item_weight=chosen.scores[0].item_weight)
    model = fit_click_model(chosen.scores[0].name, pages, settings, start=None)
    if intervals:
        found = parameter_intervals(model, pages, settings, seed=seed, resamples=_RESAMPLES, measure=_told)
    else:
        found = {name: _alone(value, users) for name, value in _told(model).items()}
    return Reading(model=model, table=found["table"], level=found["level"], chosen=chosen, clicks=clicks, pages=len(pages))


def _alone(value: DoubleArray, users: int) -> ParameterInterval:
    return ParameterInterval(value=value, low=np.full_like(value, np.nan), high=np.full_like(value, np.nan), users=users)


def _told(model: BrowsingModel) -> dict[str, DoubleArray]:
    # Cells that cannot be (a click above that lies below) are filled with what holds without a click above.
    table = model.examination_table()
    table = np.where(np.isnan(table), table[:, :1], table)
    return {"table": np.clip(table, 0.0, 1.0), "level": np.array([model.attraction.usual])}


def _deal(pages: ClickedPages, seed: int) -> tuple[ClickedPages, ClickedPages, ClickedPages]:
    """Return the pages of three parts of the users, 60%, 20% and 20%, all of one width."""
    users, place = np.unique(pages.user_id, return_inverse=True)
    order = keyed.words(seed, "reading part", users).argsort(kind="stable")
    share = np.empty(len(users))
    share[order] = (np.arange(len(users)) + 0.5) / len(users)
    at = share[place]
    return pages.take(at < _CHOOSING), pages.take((at >= _CHOOSING) & (at < _HELD_OUT)), pages.take(at >= _HELD_OUT)
