"""Fits on disk: save, load, keep for next time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from recsim_llm.agents.choice.choice_fit import START_SEED, FittedUsers, fit_choice
from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.held_out_scores import held_out_scores
from recsim_llm.agents.choice.little_known import little_known
from recsim_llm.agents.choice.log_behaviour import fit_log_behaviour, with_behaviour
from recsim_llm.agents.choice.parameter_sources import parameter_sources
from recsim_llm.agents.choice.rating_selection import RatingSelection
from recsim_llm.core.cache import cache_folder
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.files import TORN, write_atomically
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log.folders import refuse_used_folder, remove_torn_files
from recsim_llm.log.locks import lock_file, lock_folder
from recsim_llm.population.population_files import read_population, write_population
from recsim_llm.population.synthetic import JointDistribution

__all__ = ["FIT_MODULES", "fit_and_save", "fitted_for", "load_fitted", "save_fitted"]

_MODEL = "model.npz"
FIT_MODULES = (
    "agents.choice.choice_fit",
    "agents.choice.choice_model",
    "agents.choice.choice_parameters",
    "agents.choice.rating_selection",
    "agents.fitting.bayes_factors",
    "agents.fitting.consumption_model",
    "agents.fitting.consumption_parts",
    "agents.fitting.consumption_settings",
    "agents.fitting.content",
    "agents.fitting.events",
    "agents.fitting.imputed_ratings",
    "agents.fitting.item_links",
    "agents.fitting.out_of_sample",
    "agents.fitting.rating_levels",
    "agents.fitting.rating_model",
    "agents.fitting.rating_propensity",
    "agents.fitting.rating_weights",
    "agents.fitting.stacking_examples",
    "core.array_files",
    "core.arrays",
    "core.catalog",
    "core.checked_columns",
    "core.exposures",
    "core.files",
    "core.keyed",
    "core.pages",
    "core.parameters",
    "core.profiles",
    "core.ratings",
    "errors",
    "numerics.factorization",
    "numerics.ranking",
    "numerics.threads",
    "numerics.time_order",
    "population.from_ratings",
    "population.personas",
    "population.synthetic",
    "population.taste_families",
    "terminal_text",
)
"""Modules of the package that a fit executes, all of them; a kept fit belongs to their source."""


def fit_and_save(
    dataset: Dataset,
    out: Path,
    *,
    seed: int | None = None,
    held_out: bool = False,
    exposures: Exposures | None = None,
    selection: RatingSelection | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Fit choice users and write them to a new folder.

    Args:
        dataset: catalog and ratings.
        out: folder to write; must not exist or be empty.
        seed: of the fit.
        held_out: also fit on the first 80% of each user's ratings and score the rest.
        exposures: a log whose people the users shall browse like; its items may be others than the data's.
        selection: as for ``fit_choice``.
        progress: told what of the log is being fitted.

    Returns:
        What was fitted and, if asked for, the held-out scores; by name. ``parameters`` holds ``parameter_sources``.

    Raises:
        ConfigError: ratings held out are to score a fit that is not for ratings of that kind.
        RunExistsError: the folder holds something, or another process is writing it (``FolderInUseError``).
    """
    if held_out and selection is not None:
        raise ConfigError(
            "fit: got --held-out with propensities, expected one of them, since ratings held out are self-selected like the "
            "rest; score on random exposure with recsim_llm.realism.random_exposure_error"
        )
    if seed is not None and seed < 0:
        raise ConfigError(f"fit: got seed {seed}, expected 0 or more")
    with lock_file(out, "fit"):
        # Only to see that nobody is writing there: what is made beside it comes into its place in one step.
        with lock_folder(out, "fit"):
            refuse_used_folder(out, "fit")
        start = START_SEED if seed is None else seed
        fitted = fit_choice(dataset, start, selection=selection)
        if exposures is not None:
            fitted = with_behaviour(fitted, fit_log_behaviour(exposures, seed=start, progress=progress), dataset)
        table = _table(dataset, fitted)
        if exposures is not None:
            table |= {"exposures": exposures.name, "impressions": len(exposures)}
        if held_out:
            table |= held_out_scores(dataset, start)
        table |= {"parameters": parameter_sources(fitted.model, fitted.model.parameters)}
        _write(fitted, out, table)
        return table


def _table(dataset: Dataset, fitted: FittedUsers) -> dict[str, Any]:
    table: dict[str, Any] = {
        "data": dataset.name,
        "users": len(fitted.population),
        "items": len(dataset.catalog),
        "ratings": len(dataset.ratings),
        **{f"skipped: {reason}": count for reason, count in dataset.skipped.items()},
    }
    if notes := little_known(dataset, fitted.model):
        table["little known"] = "; ".join(notes)
    return table


def _write(fitted: FittedUsers, out: Path, table: dict[str, Any]) -> None:
    # Whole or not at all, also after a kill, after which the same command must find nothing in its way.
    draft = out.with_name(f".{out.name}{TORN}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        save_fitted(fitted, draft)
        write_atomically(draft / "fit.json", json.dumps(table, indent=2).encode() + b"\n")
        refuse_used_folder(out, "fit")
        if out.exists():
            remove_torn_files(out)
            out.rmdir()
        draft.rename(out)
    except OSError as error:
        error.filename = error.filename or str(out)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def save_fitted(fitted: FittedUsers, folder: Path) -> None:
    """Write a fit to a folder; ``load_fitted`` restores it exactly."""
    folder.mkdir(parents=True, exist_ok=True)
    write_population(fitted.population, folder / "population.parquet")
    fitted.joint.save(folder / "joint.npz")
    fitted.model.save(folder / _MODEL)


def load_fitted(folder: Path) -> FittedUsers:
    """Read a fit.

    Raises:
        DataError: a file is missing or unreadable.
    """
    if not (folder / _MODEL).is_file():
        raise DataError(f"{folder}: got no model.npz, expected a folder written by `recsim-llm fit`")
    return FittedUsers(
        ChoiceModel.load(folder / _MODEL),
        read_population(folder / "population.parquet"),
        JointDistribution.load(folder / "joint.npz"),
    )


def fitted_for(dataset: Dataset) -> FittedUsers:
    """Return the fit of a data set: the one kept in the user's cache folder, or a new one, which is kept.

    The cache key covers the data, the source of ``FIT_MODULES``, and the releases of NumPy and SciPy, so none can go stale.
    """
    folder = cache_folder() / "fits" / _key(dataset)
    if (folder / _MODEL).is_file():
        return load_fitted(folder)
    fitted = fit_choice(dataset)
    try:
        _keep(fitted, folder)
    except OSError as error:
        error.filename = error.filename or str(folder)
        error.add_note("XDG_CACHE_HOME can name another place for what is kept")
        raise
    return load_fitted(folder)


def _keep(fitted: FittedUsers, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        whole = Path(temporary) / "fit"
        save_fitted(fitted, whole)
        try:
            os.replace(whole, folder)
        except OSError:
            # Another process was faster; its fit is the same.
            if not (folder / _MODEL).is_file():
                raise


def _key(dataset: Dataset) -> str:
    digest = hashlib.sha256(dataset.fingerprint.encode())
    digest.update(json.dumps({field: dict(values) for field, values in dataset.demographics.items()}, sort_keys=True).encode())
    # Another release of these two rounds a fit otherwise.
    digest.update(f"numpy {version('numpy')}, scipy {version('scipy')}".encode())
    for module in FIT_MODULES:
        package, _, name = f"recsim_llm.{module}".rpartition(".")
        digest.update(files(package).joinpath(f"{name}.py").read_bytes())
    return digest.hexdigest()[:32]
