"""From ratings to choice users: fit, score on held-out ratings, save, load, and keep for next time."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from recsim_llm.agents.choice_model import ChoiceModel
from recsim_llm.agents.fitting.click_model import ClickModel, ClickSettings, fit_click_model
from recsim_llm.agents.fitting.content import item_content
from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.out_of_sample import calibrate_levels, fit_events
from recsim_llm.agents.fitting.rating_levels import LevelModel, LevelSettings
from recsim_llm.agents.fitting.rating_model import RatingModel, RatingSettings
from recsim_llm.agents.parameters import ChoiceParameters
from recsim_llm.catalog import Catalog
from recsim_llm.data import cache_folder, open_dataset
from recsim_llm.errors import DataError, RunExistsError
from recsim_llm.files import write_atomically
from recsim_llm.pages import probability
from recsim_llm.personas import Population
from recsim_llm.population_files import read_population, write_population
from recsim_llm.populations import JointDistribution, fit_joint_distribution, population_from_ratings
from recsim_llm.ratings import Dataset
from recsim_llm.threads import one_thread

__all__ = ["FittedUsers", "fit_and_save", "fit_choice", "fitted_for", "load_fitted", "save_fitted"]

_START_SEED = 20250101


class FittedUsers(NamedTuple):
    """Everything that a fit yields."""

    model: ChoiceModel
    """The item side and the parameters."""
    population: Population
    """The users of the data, with their fitted vectors."""
    joint: JointDistribution
    """The distribution that synthetic users are sampled from."""


@one_thread
def fit_choice(dataset: Dataset, seed: int = _START_SEED) -> FittedUsers:
    """Fit choice users to all ratings of a data set.

    Args:
        dataset: catalog and ratings; pass only the training part to keep the rest for scoring.
        seed: of start values, folds and sampled negatives.
    """
    catalog, ratings = dataset.catalog, dataset.ratings
    events = Events(
        user_index=ratings.user_index,
        item_index=catalog.index_of(ratings.item_id),
        rating=ratings.rating.astype(np.float64),
        timestamp=ratings.timestamp.astype(np.float64),
    )
    content = _content(catalog)
    rating_model = fit_events(events, content, RatingSettings(), seed)
    levels = calibrate_levels(
        events=events, content=content, settings=RatingSettings(), level_settings=LevelSettings(), seed=seed
    )
    clicks = fit_click_model(
        user_index=events.user_index,
        item_index=events.item_index,
        timestamp=events.timestamp,
        content=content,
        settings=ClickSettings(),
        seed=seed,
    )
    population = _population(dataset, rating_model, levels, clicks)
    model = _model(dataset, population, rating_model, levels, clicks)
    return FittedUsers(model, population, fit_joint_distribution(population))


def fit_and_save(
    data: str, out: Path, *, seed: int | None = None, held_out: bool = False, skip_bad_rows: bool = False
) -> dict[str, float | int | str]:
    """Fit choice users and write them to a new folder.

    Args:
        data: folder or name of a data set.
        out: folder to write; must not exist or be empty.
        seed: of the fit.
        held_out: also fit on the first 80% of each user's ratings and score the rest.
        skip_bad_rows: leave unusable rows out and count them.

    Returns:
        What was fitted and, if asked for, the held-out scores; by name.

    Raises:
        RunExistsError: the folder holds something.
    """
    from recsim_llm.agents.scores import held_out_scores

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunExistsError(f"fit: got {out}, which holds files, expected a new folder; choose another")
    dataset = open_dataset(data, skip_bad_rows=skip_bad_rows)
    start = _START_SEED if seed is None else seed
    fitted = fit_choice(dataset, start)
    table: dict[str, float | int | str] = {
        "data": dataset.name,
        "users": len(fitted.population),
        "items": len(dataset.catalog),
        "ratings": len(dataset.ratings),
        **{f"skipped: {reason}": count for reason, count in dataset.skipped.items()},
    }
    if held_out:
        table |= held_out_scores(dataset, start)
    save_fitted(fitted, out)
    write_atomically(out / "fit.json", json.dumps(table, indent=2).encode() + b"\n")
    return table


def save_fitted(fitted: FittedUsers, folder: Path) -> None:
    """Write a fit to a folder; ``load_fitted`` restores it exactly."""
    folder.mkdir(parents=True, exist_ok=True)
    write_population(fitted.population, folder / "population.parquet")
    fitted.joint.save(folder / "joint.npz")
    fitted.model.save(folder / "model.npz")


def load_fitted(folder: Path) -> FittedUsers:
    """Read a fit.

    Raises:
        DataError: a file is missing or unreadable.
    """
    if not (folder / "model.npz").is_file():
        raise DataError(f"{folder}: got no model.npz, expected a folder written by `recsim-llm fit`")
    return FittedUsers(
        ChoiceModel.load(folder / "model.npz"),
        read_population(folder / "population.parquet"),
        JointDistribution.load(folder / "joint.npz"),
    )


def fitted_for(dataset: Dataset) -> FittedUsers:
    """Return the fit of a data set: the one kept in the user's cache folder, or a new one, which is kept.

    The cache key covers the data and the code of the fit, so neither can go stale.
    """
    folder = cache_folder() / "fits" / _key(dataset)
    if (folder / "model.npz").is_file():
        return load_fitted(folder)
    fitted = fit_choice(dataset)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        whole = Path(temporary) / "fit"
        save_fitted(fitted, whole)
        try:
            os.replace(whole, folder)
        except OSError:
            # Another process was faster; its fit is the same.
            if not (folder / "model.npz").is_file():
                raise
    return load_fitted(folder)


def _key(dataset: Dataset) -> str:
    digest = hashlib.sha256(dataset.fingerprint.encode())
    digest.update(json.dumps({field: dict(values) for field, values in dataset.demographics.items()}, sort_keys=True).encode())
    for package in ("recsim_llm.agents", "recsim_llm.agents.fitting", "recsim_llm"):
        for entry in sorted(files(package).iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                digest.update(entry.read_bytes())
    return digest.hexdigest()[:32]


def _content(catalog: Catalog) -> npt.NDArray[np.float64]:
    """Genres and year, and whatever a catalog's own features add to the default ones; never popularity."""
    year = np.where(catalog.year >= 0, catalog.year, np.nan)
    own = catalog.features[:, len(catalog.genre_names) + 2 :].astype(np.float64)
    return np.hstack([item_content(catalog.genres, year), own])


def _population(dataset: Dataset, rating_model: RatingModel, levels: LevelModel, clicks: ClickModel) -> Population:
    population = population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)
    vectors = {
        "click": clicks.user_vectors.astype(np.float32),
        "rating": rating_model.user_vectors.astype(np.float32),
        "cuts": levels.cuts.astype(np.float32),
        "noise": levels.scale.astype(np.float32)[:, None],
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
    dataset: Dataset, population: Population, rating_model: RatingModel, levels: LevelModel, clicks: ClickModel
) -> ChoiceModel:
    defaults = ChoiceParameters()
    click_items, click_users = clicks.item_vectors.astype(np.float32), population.vectors["click"]
    bias = _click_bias(click_users, click_items, defaults.click_rate)
    mainstream = population.trait("mainstreamness").astype(np.float64)
    return ChoiceModel(
        item_id=dataset.catalog.item_id,
        click_items=click_items,
        rating_items=rating_model.item_vectors.astype(np.float32),
        levels=levels.levels.astype(np.float32),
        parameters=defaults,
        click_bias=bias,
        patience_median=float(np.median(np.maximum(population.trait("patience"), 1.0))),
        mainstreamness_mean=float(mainstream.mean()),
        mainstreamness_spread=float(mainstream.std()) or 1.0,
        click_size=float(np.sqrt(np.mean(np.square(click_users, dtype=np.float64)))),
        fitted_on=dataset.fingerprint,
    )


def _click_bias(users: npt.NDArray[np.float32], items: npt.NDArray[np.float32], rate: float) -> float:
    """Solve for the shift of all log-odds at which a user clicks a uniformly drawn, examined item at the given rate."""
    generator = np.random.default_rng(0)
    pairs = 200_000
    some_users, some_items = generator.integers(len(users), size=pairs), generator.integers(len(items), size=pairs)
    log_odds = np.einsum("pd,pd->p", users[some_users], items[some_items])
    return float(brentq(lambda bias: float(probability(log_odds + np.float32(bias)).mean(dtype=np.float64)) - rate, -30, 30))
