"""How sure the parameters of a click model are: the bootstrap over users, each refit begun from the fit itself."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel
from recsim_llm.agents.browsing.click_models import fit_click_model
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["ParameterInterval", "parameter_intervals"]

_FEWEST = 20
# Not BrowsingModel.parameters: that is the abstract method itself, whatever the model.
_PARAMETERS = operator.methodcaller("parameters")


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterInterval:
    """A parameter with its interval, every column of the parameter's shape."""

    value: DoubleArray
    low: DoubleArray
    """NaN where the log carries no interval: fewer than two users, or a chance that no resample moved."""
    high: DoubleArray
    users: int
    """Users behind it."""


def parameter_intervals(
    model: BrowsingModel,
    pages: ClickedPages,
    settings: ClickModelSettings | None = None,
    *,
    seed: int,
    resamples: int = 40,
    confidence: float = CONFIDENCE,
    measure: Callable[[BrowsingModel], dict[str, DoubleArray]] = _PARAMETERS,
) -> dict[str, ParameterInterval]:
    """Estimate intervals of what a fit says: the estimate and so many standard errors of refits on redrawn users.

    A few resamples tell a standard error (with 40 to about 11%), the ends of a percentile interval they do not. Scales that
    clicks do not identify are set in each refit as in the fit (see ``examination_models``), and so have no width.

    Args:
        model: the fit.
        pages: what it was fitted on.
        settings: with which it was.
        seed: of the draws, which are keyed by seed, resample and user.
        resamples: how often users are drawn again, 20 or more.
        confidence: of each interval, 0 to 1.
        measure: returns chances of a fit by name; its parameters unless given.

    Raises:
        ConfigError: a setting cannot work.
        DataError: nothing was clicked in a resample.
    """
    from scipy.special import ndtri

    check_whole_number("seed", seed, least=0)
    check_whole_number("resamples", resamples, least=_FEWEST)
    check_number("confidence", confidence, above=0.0, below=1.0)
    users, owner = np.unique(pages.user_id, return_inverse=True)
    count, refits = len(users), []
    for number in range(resamples):
        drawn = keyed.uniform(keyed.words(seed, "click model bootstrap", number, np.arange(count))) * count
        times = np.bincount(drawn.astype(np.int64), minlength=count).astype(np.float64)
        refits.append(measure(fit_click_model(model.name, pages, settings, weight=times[owner], start=model)))
    reach = float(ndtri(0.5 + confidence / 2.0))
    found = {}
    for name, value in measure(model).items():
        error = np.std([refit[name] for refit in refits], axis=0, ddof=1)
        error = np.where(error > 0.0, error, np.nan)
        low, high = np.maximum(value - reach * error, 0.0), np.minimum(value + reach * error, 1.0)
        found[name] = ParameterInterval(value=value, low=low, high=high, users=count)
    return found
