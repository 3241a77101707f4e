"""Preference strength: do users who prefer more strongly also act so, beyond the order of what they prefer?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.audits.design import AuditTrial, Design, Finding
from recsim_llm.agents.language.calibration_pages import CalibrationPages
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.numerics.ranking import mean_ranks
from recsim_llm.population.personas import Population
from recsim_llm.statistics.intervals import Estimate, mean_estimate, ratio_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Strength", "measure_strength", "predicted_preference", "strength"]


@dataclass(frozen=True, kw_only=True)
class Strength(Finding):
    """How simulated liking follows predicted preference.

    Predicted is the mean of the persona's taste over an item's genres, on the log ratio scale of ``Persona.taste``; simulated
    is the log-odds of a click.
    """

    within: Estimate
    """Correlation over the items of a page, mean over users: are preferences ordered right? Users to whom all items are alike
    are left out."""
    slope: Estimate
    """Log-odds of a click for one unit of predicted preference, within users. 0: taste does nothing."""
    stars_slope: Estimate
    """Stars for one unit of predicted preference, within users."""
    between: Estimate
    """Rank correlation over users of how far predicted preferences lie apart on the page with how far simulated ones do: do
    those with stronger preferences act more strongly? Interval by Fisher's z with the variance of Fieller, Hartley & Pearson
    (1957)."""


def strength(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 60,
    page_size: int = 10,
    parameters: LanguageParameters | None = None,
) -> Strength:
    """Show each user a page and compare what the persona predicts with what the model says.

    Args:
        model: to be audited; asked once a user.
        dataset: catalog and ratings.
        seed: of users and items.
        users: how many users; 4 or more for ``between``.
        page_size: items a page.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        RecSimError: the model failed.
    """
    design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=1, parameters=parameters)
    said = design.answers([AuditTrial(user, items) for user, items in enumerate(design.items)])
    predicted = predicted_preference(design.pages, design.population, design.catalog)
    return measure_strength(predicted, np.log(said.click / (1 - said.click)), said.stars, about=design.about())


def measure_strength(predicted: DoubleArray, liking: DoubleArray, stars: DoubleArray, *, about: Mapping[str, Any]) -> Strength:
    """Compare what personas predict with what users do, whoever plays them.

    Args:
        predicted: float64 [u, k]: from ``predicted_preference``.
        liking: float64 [u, k]: log-odds of a click.
        stars: float64 [u, k]: expected stars.
        about: the fields that every finding has.
    """
    predicted, liking = _centred(predicted), _centred(liking)
    own = (predicted * predicted).sum(axis=1)
    spread, reach = np.sqrt(own), np.sqrt((liking * liking).sum(axis=1))
    able = (spread > 1e-9) & (reach > 1e-9)
    together = (predicted * liking).sum(axis=1)
    return Strength(
        **about,
        within=mean_estimate(together[able] / (spread * reach)[able], bounds=(-1, 1)),
        slope=ratio_estimate(together, own),
        stars_slope=ratio_estimate((predicted * _centred(stars)).sum(axis=1), own),
        between=_rank_correlation(spread, reach),
    )


def predicted_preference(pages: CalibrationPages, population: Population, catalog: Catalog) -> DoubleArray:
    """Return float64 [u, k]: mean taste of each user over each item's genres, 0 without genres."""
    place = [catalog.genre_names.index(name) for name in population.genre_names]
    has = catalog.genres[pages.item_index][:, :, place].astype(np.float64)
    taste = population.taste[pages.user_index].astype(np.float64)
    return np.asarray(np.einsum("ukg,ug->uk", has, taste) / np.maximum(has.sum(axis=2), 1))


def _centred(values: npt.NDArray[np.floating]) -> DoubleArray:
    return np.asarray(values - values.mean(axis=1, keepdims=True), np.float64)


def _rank_correlation(one: DoubleArray, other: DoubleArray) -> Estimate:
    users = len(one)
    if users < 4 or np.ptp(one) == 0 or np.ptp(other) <= 1e-9:
        return Estimate(value=None, users=users)
    value = float(np.corrcoef(mean_ranks(one), mean_ranks(other))[0, 1])
    if abs(value) >= 1 - 1e-12:
        return Estimate(value=value, users=users)
    reach = 1.959964 * math.sqrt(1.06 / (users - 3))
    return Estimate(
        value=value, low=math.tanh(math.atanh(value) - reach), high=math.tanh(math.atanh(value) + reach), users=users
    )
