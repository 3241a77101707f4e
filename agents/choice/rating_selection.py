"""How the ratings came to be given, for fits to people who chose what they rated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.imputed_ratings import fit_doubly_robust
from recsim_llm.agents.fitting.out_of_sample import calibrate_levels
from recsim_llm.agents.fitting.rating_levels import LevelModel, LevelSettings
from recsim_llm.agents.fitting.rating_model import RatingModel, RatingSettings, fit_rating_model
from recsim_llm.agents.fitting.rating_propensity import Rated, fit_propensity_model, read_liking
from recsim_llm.agents.fitting.rating_weights import RatingWeights, inverse_weights
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_choice
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import DataError

__all__ = ["METHODS", "Method", "RatingSelection", "StarFit", "fit_stars", "match_propensities"]

Method = Literal["doubly robust", "weighted", "naive"]
"""What is done about self-selection: imputed ratings put right by weighted ones; ratings weighted by
inverse propensity; and nothing."""
METHODS: tuple[Method, ...] = get_args(Method)
"""All of them."""


@dataclass(frozen=True, kw_only=True)
class RatingSelection:
    """What to do about the ratings that nobody gave."""

    method: Method = "naive"
    """See ``Method``."""
    propensity: DoubleArray | None = None
    """Chance with which each rating of the data set came to be given, float64 [r], above 0; None estimates it from who rated
    what."""

    def __post_init__(self) -> None:
        check_choice("selection, method", self.method, METHODS)


class StarFit(NamedTuple):
    """The star side of choice users."""

    model: RatingModel
    """Expected stars."""
    levels: LevelModel
    """From expected stars to the chance of each level."""
    told: str
    """How self-selection was treated, one sentence; empty where it was not."""


def fit_stars(events: Events, content: DoubleArray, known: DoubleArray, *, selection: RatingSelection, seed: int) -> StarFit:
    """Fit the stars to ratings that people chose to give.

    Args:
        events: the ratings.
        content: item features, shape [items, C].
        known: what is known about the users beforehand, shape [users, X]; X may be 0.
        selection: what to do about the choice.
        seed: of the fits.

    Raises:
        DataError: there is not a propensity above 0 for each rating, or none can be estimated.
    """
    settings = RatingSettings()
    if selection.method == "naive":
        return _weighted(events, content, settings, seed, told="")
    given = None if selection.propensity is None else _checked(selection.propensity, events)
    if selection.method == "weighted" and given is not None:
        weights = inverse_weights(given)
        events = replace(events, weight=weights.weight)
        return _weighted(events, content, settings, seed, told=_tell("weighted", "given", weights))
    rated = Rated(events.user_index, events.item_index, known, content)
    model = fit_propensity_model(rated, seed)
    liking = read_liking(model, rated, events.rating)
    source = f"estimated from who rated what ({model.log_loss:.3f} nats a pair left out, {model.chance_log_loss:.3f} by chance)"
    weights = inverse_weights(liking.propensity if given is None else given)
    told = _tell(selection.method, source if given is None else "given, imputation by who rated what", weights)
    events = replace(events, weight=weights.weight)
    if selection.method == "weighted":
        return _weighted(events, content, settings, seed, told=told)
    stars, levels = fit_doubly_robust(events, content, settings, propensity=model, liking=liking, seed=seed)
    return StarFit(stars, levels, told)


def match_propensities(dataset: Dataset, exposures: Exposures) -> DoubleArray:
    """Return the propensity that a log has for each rating of a data set, float64 [r]; users and items by their own ids.

    Raises:
        DataError: the log has no propensities, none for some rating, or two for one pair.
    """
    if exposures.propensity is None:
        raise DataError(
            f"{exposures.name}: got exposures without propensities, expected the chance of each; add the column, or estimate "
            "them with `estimated`"
        )
    found: dict[tuple[str, str], float] = {}
    rows = zip(exposures.user_id.tolist(), exposures.item_id.tolist(), exposures.propensity.tolist(), strict=True)
    for user, item, chance in rows:
        pair = exposures.user_keys.get(user, str(user)), exposures.item_keys.get(item, str(item))
        if not np.isnan(chance) and found.setdefault(pair, chance) != chance:
            raise DataError(
                f"{exposures.name}: got propensities {found[pair]:g} and {chance:g} for user {pair[0]} and item {pair[1]}, "
                "expected one; give the part of the log in which people chose themselves"
            )
    keys, catalog = dataset.user_keys, dataset.catalog
    items = catalog.item_key if catalog.item_key is not None else catalog.item_id.astype(str)
    names = items[catalog.index_of(dataset.ratings.item_id)]
    users = dataset.ratings.user_id.tolist()
    pairs = [(keys.get(user, str(user)), str(item)) for user, item in zip(users, names, strict=True)]
    chances = np.array([found.get(pair, np.nan) for pair in pairs])
    if missing := int(np.isnan(chances).sum()):
        user, item = pairs[int(np.flatnonzero(np.isnan(chances))[0])]
        raise DataError(
            f"{exposures.name}: got no propensity for {missing:,} of {len(pairs):,} ratings, such as that of user {user} and "
            f"item {item}, expected one for each; complete the log, or estimate them with `estimated`"
        )
    return chances


def _weighted(events: Events, content: DoubleArray, settings: RatingSettings, seed: int, *, told: str) -> StarFit:
    model = fit_rating_model(events, content, settings, seed)
    levels = calibrate_levels(events=events, content=content, settings=settings, level_settings=LevelSettings(), seed=seed)
    return StarFit(model, levels, told)


def _checked(propensity: DoubleArray, events: Events) -> DoubleArray:
    tiny = float(np.finfo(np.float64).tiny)
    return as_numbers("selection, propensity", propensity, events.rating.shape, bounds=(tiny, 1.0 + 1e-6))


def _tell(method: Method, source: str, weights: RatingWeights) -> str:
    cut = f", {weights.clipped:,} weights cut at {weights.limit:.0f} times their mean" if weights.clipped else ""
    few = f"{weights.weight.size:,} self-selected ratings are worth {weights.effective:,.0f} of random items{cut}"
    return f"stars are {method} for items shown at random, propensities {source}: {few}"
