"""Coat as ratings: what people chose to rate, with what is known of people and coats. What was drawn at random is left out.

``train.ascii`` holds the ratings. ``user_item_features`` holds, a line a person or coat, four columns in which one says yes of
each group: of a person's gender, age, location and fashion interest; of a coat's wearer, type, color and place on the front
page. The ratings of randomly drawn coats beside them are an exposure log (``recsim_llm.data.exposure_logs.coat``): fit on the
one, score on the other.

Source: T. Schnabel et al. (2016), Recommendations as Treatments: Debiasing Learning and Evaluation, ICML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.data.exposure_logs import coat
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.errors import DataError

__all__ = ["is_coat", "load"]

_FOLDER = "user_item_features"
_PEOPLE, _COATS = "user_features.ascii", "item_features.ascii"
_OF_PEOPLE = {"gender": 2, "age": 6, "location": 3, "fashion interest": 3}
_OF_COATS = {"wearer": 2, "type": 16, "color": 13, "front page": 2}
"""Groups of columns, in order, and how many columns each has."""
_NOTES = ("ratings that people chose to give; those of coats drawn at random are an exposure log: --random-exposures",)


def is_coat(folder: Path) -> bool:
    """Whether a folder holds Coat."""
    return bool(coat.find(folder))


def load(folder: Path) -> Dataset:
    """Load what people chose to rate.

    Args:
        folder: with ``train.ascii`` and ``test.ascii``; without ``user_item_features`` nothing is known of people and coats.

    Raises:
        DataError: a file is no matrix, or the matrices do not fit.
    """
    part = {"train": coat.find(folder)["train"]}
    chosen = coat.read(part, ExposureSettings(), folder.name)
    people, coats = coat.matrix(part["train"][0]).shape
    known = _groups(folder / _FOLDER / _COATS, _OF_COATS, coats)
    genres = [[f"{group} {number[item] + 1}" for group, number in known.items()] or ["coat"] for item in range(coats)]
    rating = np.empty(0) if chosen.rating is None else chosen.rating
    return Dataset(
        name=folder.resolve().name,
        catalog=Catalog.from_columns(
            item_id=np.arange(coats), title=[f"coat {item + 1}" for item in range(coats)], genres=genres
        ),
        ratings=Ratings(
            user_id=chosen.user_id,
            item_id=chosen.item_id,
            rating=rating.astype(np.float32),
            timestamp=np.zeros(len(chosen), np.int64),
        ),
        demographics={
            group: {user: str(value + 1) for user, value in enumerate(number.tolist())}
            for group, number in _groups(folder / _FOLDER / _PEOPLE, _OF_PEOPLE, people).items()
        },
        licence=chosen.licence,
        notes=_NOTES,
    )


def _groups(file: Path, sizes: Mapping[str, int], rows: int) -> dict[str, IntArray]:
    """Return for each group which of its columns says yes, int64 [rows]; nothing where there is no file."""
    if not file.is_file():
        return {}
    table, width = coat.matrix(file), sum(sizes.values())
    if table.shape != (rows, width):
        raise DataError(f"{file.name}: got shape {table.shape}, expected {(rows, width)}; restore the file")
    found, start = {}, 0
    for group, size in sizes.items():
        columns: DoubleArray = table[:, start : start + size]
        wrong = np.flatnonzero((columns == 1).sum(axis=1) != 1)
        if len(wrong):
            raise DataError(
                f"{file.name} line {wrong[0] + 1}: got {int((columns[wrong[0]] == 1).sum())} columns of {group} that are 1, "
                "expected one; restore the file"
            )
        found[group], start = columns.argmax(axis=1).astype(np.int64), start + size
    return found
