"""From ratings to choice users: the fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from recsim_llm.agents.choice.choice_model import ChoiceModel, FamilyTaste
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.rating_selection import RatingSelection, StarFit, fit_stars
from recsim_llm.agents.fitting.consumption_model import ConsumptionModel, Evidence, gather_evidence, stack_evidence
from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.content import item_content
from recsim_llm.agents.fitting.events import Events
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import probability
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import Population
from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution
from recsim_llm.population.taste_families import TASTE_FAMILIES

__all__ = ["START_SEED", "FittedUsers", "fit_choice", "with_click_rate"]

START_SEED = 20250101
"""Seed of a fit for which none is given."""
_STEEPEST = 30.0
"""Log-odds beyond which a click or its absence is certain to the last digit of float32."""
_RARE = 0.01
"""Rate of clicks that every fit can be brought to; where log-odds ran away, users click at that rate whatever the intercept."""
_PENALTIES = (ConsumptionSettings().ridge, 0.1, 10.0, math.inf)
"""Of the click evidence: each only where under the one before the log-odds ran away, the last leaves no evidence at all."""


class FittedUsers(NamedTuple):
    """Everything that a fit yields."""

    model: ChoiceModel
    """The item side and the parameters."""
    population: Population
    """The users of the data, with their fitted vectors."""
    joint: JointDistribution
    """The distribution that synthetic users are sampled from."""


@one_thread
def fit_choice(
    dataset: Dataset,
    seed: int = START_SEED,
    *,
    click_rate: float = ChoiceParameters.click_rate,
    selection: RatingSelection | None = None,
) -> FittedUsers:
    """Fit choice users to all ratings of a data set.

    Args:
        dataset: catalog and ratings; pass only the training part to keep the rest for scoring.
        seed: of start values, folds and sampled negatives.
        click_rate: as in ``ChoiceParameters``; the intercept is solved for it.
        selection: what to do about people's having chosen what they rated, in stars, not in clicks; None is nothing.
    """
    catalog, ratings = dataset.catalog, dataset.ratings
    events = Events(
        user_index=ratings.user_index,
        item_index=catalog.index_of(ratings.item_id),
        rating=ratings.rating.astype(np.float64),
        timestamp=ratings.timestamp.astype(np.float64),
    )
    content = _content(catalog)
    stars = fit_stars(events, content, _known_users(dataset), selection=selection or RatingSelection(), seed=seed)
    history = History(
        user_index=events.user_index,
        item_index=events.item_index,
        timestamp=events.timestamp,
        n_users=len(ratings.users),
    )
    year = np.where(catalog.year >= 0, catalog.year, np.nan).astype(np.float64)
    evidence = gather_evidence(history, content, ConsumptionSettings(), seed, year=year)
    tastes = {family: _stack_clicks(evidence, family, click_rate) for family in (None, *TASTE_FAMILIES)}
    population = _population(dataset, stars, tastes)
    parameters = ChoiceParameters(click_rate=click_rate)
    model = _model(dataset, population, parameters, stars=stars, tastes=tastes)
    return FittedUsers(model, population, fit_joint_distribution(population))


def with_click_rate(fitted: FittedUsers, rate: float) -> FittedUsers:
    """Return the same fit with the intercept solved for another ``ChoiceParameters.click_rate``."""
    model, vectors = fitted.model, fitted.population.vectors
    bias = _click_bias(vectors["click"], model.click_items, rate)
    families = {
        name: replace(taste, click_bias=_click_bias(vectors[f"click_{name}"], taste.click_items, rate))
        for name, taste in model.families.items()
    }
    parameters = replace(model.parameters, click_rate=rate)
    sources = {**model.sources, "click_rate": {"source": "set"}}
    return fitted._replace(model=replace(model, click_bias=bias, families=families, parameters=parameters, sources=sources))


def _stack_clicks(evidence: Evidence, family: str | None, click_rate: float) -> ConsumptionModel:
    """Stack evidence; where a handful of events separate by chance, so that log-odds run away, under more penalty."""
    for penalty in _PENALTIES:
        clicks = stack_evidence(evidence, family=family, ridge=penalty)
        log_odds = _sample_log_odds(clicks.user_vectors.astype(np.float32), clicks.item_vectors.astype(np.float32))
        rates = [_mean_click(log_odds, bias) for bias in (-_STEEPEST, _STEEPEST)]
        tame = penalty == _PENALTIES[0] or float(np.abs(log_odds).max()) < _STEEPEST
        if tame and all(rates[0] < rate < rates[1] for rate in (_RARE, click_rate)):
            break
    return clicks


def _content(catalog: Catalog) -> npt.NDArray[np.float64]:
    """Genres and year, and whatever a catalog's own features add to the default ones; never popularity."""
    year = np.where(catalog.year >= 0, catalog.year, np.nan)
    own = catalog.features[:, len(catalog.genre_names) + 2 :].astype(np.float64)
    return np.hstack([item_content(catalog.genres, year), own])


def _known_users(dataset: Dataset) -> npt.NDArray[np.float64]:
    """Return the users' demographics as flags, shape [users, X]: one column a value that some user has."""
    columns = []
    for values in dataset.demographics.values():
        own = np.array([values.get(user, "") for user in dataset.ratings.users.tolist()], object)
        columns += [own == value for value in sorted(set(own) - {""})]
    return np.array(columns, np.float64).reshape(-1, len(dataset.ratings.users)).T


def _population(dataset: Dataset, stars: StarFit, tastes: Mapping[str | None, ConsumptionModel]) -> Population:
    population = population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)
    width = max(clicks.user_vectors.shape[1] for family, clicks in tastes.items() if family is not None)
    vectors = {
        "click": tastes[None].user_vectors.astype(np.float32),
        **{f"click_{family}": _as_wide(tastes[family].user_vectors, width) for family in TASTE_FAMILIES},
        "rating": stars.model.user_vectors.astype(np.float32),
        "cuts": stars.levels.cuts.astype(np.float32),
        "noise": stars.levels.scale.astype(np.float32)[:, None],
    }
    return Population(
        user_id=population.user_id,
        traits=population.traits,
        genre_names=population.genre_names,
        taste=population.taste,
        demographics=population.demographics,
        vectors=vectors,
    )


def _model(
    dataset: Dataset,
    population: Population,
    parameters: ChoiceParameters,
    *,
    stars: StarFit,
    tastes: Mapping[str | None, ConsumptionModel],
) -> ChoiceModel:
    click_items = tastes[None].item_vectors.astype(np.float32)
    bias = _click_bias(population.vectors["click"], click_items, parameters.click_rate)
    families = {}
    for family in TASTE_FAMILIES:
        users = population.vectors[f"click_{family}"]
        items = _as_wide(tastes[family].item_vectors, users.shape[1])
        families[family] = FamilyTaste(click_items=items, click_bias=_click_bias(users, items, parameters.click_rate))
    mainstream = population.trait("mainstreamness").astype(np.float64)
    return ChoiceModel(
        item_id=dataset.catalog.item_id,
        click_items=click_items,
        rating_items=stars.model.item_vectors.astype(np.float32),
        levels=stars.levels.levels.astype(np.float32),
        parameters=parameters,
        click_bias=bias,
        families=families,
        patience_median=float(np.median(np.maximum(population.trait("patience"), 1.0))),
        mainstreamness_mean=float(mainstream.mean()),
        mainstreamness_spread=float(mainstream.std()) or 1.0,
        fitted_on=dataset.fingerprint,
        selection=stars.told,
    )


def _as_wide(vectors: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float32]:
    """Return vectors with zeros behind them: little data leave some families with fewer dimensions than others."""
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1]))).astype(np.float32)


def _click_bias(users: npt.NDArray[np.float32], items: npt.NDArray[np.float32], rate: float) -> float:
    """Solve for the shift of all log-odds at which a user clicks a uniformly drawn, examined item at the given rate.

    Raises:
        ConfigError: no shift gives that rate.
    """
    log_odds = _sample_log_odds(users, items)
    lowest, highest = (_mean_click(log_odds, bias) for bias in (-_STEEPEST, _STEEPEST))
    if not lowest < rate < highest:
        raise ConfigError(
            f"click rate: got {rate:g}, expected a number between {lowest:.3g} and {highest:.3g}, which these users can have; "
            "give one, or fit the users again"
        )
    return float(brentq(lambda bias: _mean_click(log_odds, bias) - rate, -_STEEPEST, _STEEPEST))


def _sample_log_odds(users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(0)
    pairs = 200_000
    some_users, some_items = generator.integers(len(users), size=pairs), generator.integers(len(items), size=pairs)
    return np.asarray(np.einsum("pd,pd->p", users[some_users], items[some_items]))


def _mean_click(log_odds: npt.NDArray[np.float32], bias: float) -> float:
    return float(probability(log_odds + np.float32(bias)).mean(dtype=np.float64))
