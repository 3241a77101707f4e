"""Coat: ratings of coats that people chose themselves, and of coats that were drawn at random for them.

``train.ascii`` and ``test.ascii`` are matrices, a line a user and a column a coat, 0 for no rating: 24 coats that each user
chose to rate, and 16 that were drawn from all 300. ``propensities.ascii``, where it is there, has the estimated chance with
which the user chose the coat.

Source: T. Schnabel et al. (2016), Recommendations as Treatments: Debiasing Learning and Evaluation, ICML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.errors import ConfigError, DataError

__all__ = ["find", "matrix", "read"]

_PARTS = {"train": "train.ascii", "test": "test.ascii"}
_PROPENSITIES = "propensities.ascii"
_MOST_STARS = 5
_NOT_FOR = ("skip_bad_rows", "string_ids", "session_gap", "page_by")
_NOTES = (
    "every item shown was rated: clicked says that, and no more",
    "what people saw before they chose is unknown: train holds what they chose, with the chance that they did where given",
    "the order on a page is unknown",
)
_LICENCE = (
    "Coat: for research; figures derived from it should say where they come from (Schnabel et al. 2016). It is never shipped "
    "with this package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the parts of a folder: ``train``, which people chose, and ``test``, which was drawn at random."""
    files = {part: path / file for part, file in _PARTS.items()}
    return {part: (file,) for part, file in files.items()} if all(file.is_file() for file in files.values()) else {}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read one or both parts, a session of one page for each user and part.

    Users and items are numbered by line and column from 0. The propensity of what was drawn is the user's number of draws over
    the number of items. Sessions are 2u for what user u chose, and 2u + 1 for what was drawn.

    Raises:
        ConfigError: a setting is given that means nothing here.
        DataError: a file is no matrix of ratings, or the matrices do not fit.
    """
    given = [key for key in _NOT_FOR if getattr(settings, key)]
    if given:
        raise ConfigError(f"exposures: got {', '.join(given)} for Coat, expected none of them; leave them out")
    columns = [_part(part, files[0]) for part, files in parts.items()]
    session, item_id, rating, propensity = (np.concatenate(column) for column in zip(*columns, strict=True))
    rows = len(session)
    return Exposures(
        name=name,
        user_id=session.astype(np.int64) // 2,
        session=session.astype(np.int64),
        page=np.zeros(rows, np.int64),
        position=np.full(rows, -1),
        item_id=item_id.astype(np.int64),
        clicked=np.ones(rows, np.bool_),
        rating=rating,
        propensity=None if np.isnan(propensity).all() else propensity,
        layout=settings.layout or "list",
        licence=_LICENCE,
        notes=_NOTES,
    )


def _part(part: str, file: Path) -> tuple[DoubleArray, ...]:
    """Return session, item, stars and propensity of the ratings of a part, [n] each."""
    ratings = matrix(file)
    wrong = np.argwhere((ratings != np.floor(ratings)) | (ratings < 0) | (ratings > _MOST_STARS))
    if len(wrong):
        line, column = wrong[0]
        raise DataError(
            f"{file.name} line {line + 1}: rating: got {ratings[line, column]:g} in column {column + 1}, expected 0 to "
            f"{_MOST_STARS}; restore the file"
        )
    user, item = np.nonzero(ratings)
    if not len(user):
        raise DataError(f"{file.name}: got no rating, expected at least one; restore the file")
    propensity = np.full(ratings.shape, np.nan)
    if part == "test":
        propensity[:] = (ratings > 0).mean(axis=1, keepdims=True)
    elif (beside := file.with_name(_PROPENSITIES)).is_file():
        propensity = matrix(beside)
        if propensity.shape != ratings.shape or not ((propensity > 0) & (propensity <= 1)).all():
            raise DataError(
                f"{beside.name}: got shape {propensity.shape} with values from {propensity.min():g} to {propensity.max():g}, "
                f"expected {ratings.shape} with probabilities above 0; restore the file"
            )
    columns = (2 * user + (part == "test"), item, ratings[user, item], propensity[user, item])
    return tuple(np.asarray(column, np.float64) for column in columns)


def matrix(file: Path) -> DoubleArray:
    """Return a file of numbers, float64 [n, m].

    Raises:
        DataError: it is no matrix of finite numbers.
    """
    try:
        matrix = np.loadtxt(file, dtype=np.float64, ndmin=2)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"{file.name}: got {reason}, expected lines of numbers with blanks between; restore the file"
        ) from error
    if not matrix.size or not np.isfinite(matrix).all():
        raise DataError(f"{file.name}: got {matrix.size} numbers, not all finite, expected a matrix; restore the file")
    return matrix
