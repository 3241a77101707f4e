"""Ratings as MovieLens ships them: ``ratings.csv`` and ``movies.csv`` of the layout ``latest``.

Source: F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and Context, ACM TiiS 5(4), 19.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import numpy as np

from recsim_llm.data.movielens_words import NO_GENRES
from recsim_llm.errors import ConfigError
from recsim_llm.exports.arm_log import Portion
from recsim_llm.exports.own_names import cell
from recsim_llm.exports.source import ExportSource

__all__ = ["dated_title", "write_movielens"]


def write_movielens(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``ratings.csv`` (userId, movieId, rating, timestamp) and ``movies.csv`` (movieId, title, genres).

    Every item of the catalog is in ``movies.csv``, and ids are the data's own. The layout holds one rating of a film by a
    user: where a user gave several, the last one stays, and the others are counted. Timestamps are those of
    ``ExportSource.time``, which are made up.

    Returns:
        What was written, and what was left out, by name.

    Raises:
        ConfigError: users give no stars.
    """
    if not source.stars:
        raise ConfigError(
            f"export movielens: got {source.log.run}, a run of clicks or purchases without stars, expected one with ratings; "
            "export recbole"
        )
    written, repeated = 0, 0
    with (folder / "ratings.csv").open("w", encoding="utf-8", newline="") as stream:
        _write(stream, [("userId", "movieId", "rating", "timestamp")])
        for portion in source.portions():
            row, slot = _last_ratings(portion)
            users, items = source.identities.labels(portion.user_id[row]), source.item_labels(portion.item_id[row, slot])
            stars = np.round(portion.rating[row, slot].astype(np.float64), 6).tolist()
            times = source.time(portion)[row, slot].tolist()
            _write(stream, zip(users, items, stars, times, strict=True))
            written += len(row)
            repeated += int(np.count_nonzero(~np.isnan(portion.rating))) - len(row)
    with (folder / "movies.csv").open("w", encoding="utf-8", newline="") as stream:
        _write(stream, [("movieId", "title", "genres")])
        for index, item in enumerate(source.item_labels(source.catalog.item_id)):
            genres = "|".join(source.catalog.genres_of(index)) or NO_GENRES
            _write(stream, [(item, dated_title(source, index), genres)])
    return {"ratings": written, "repeated_ratings_left_out": repeated}


def dated_title(source: ExportSource, item_index: int) -> str:
    """Return the title of an item with its year, where it is known: ``The Matrix (1999)``."""
    year = int(source.catalog.year[item_index])
    title = str(source.catalog.title[item_index])
    return f"{title} ({year:04d})" if year >= 0 else title


def _write(stream: TextIO, rows: Iterable[tuple[object, ...]]) -> None:
    for row in rows:
        stream.write(",".join(cell(value) for value in row) + "\n")


def _last_ratings(portion: Portion) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    """Return rows and slots of each user's last rating of each item, in the order of the log."""
    row, slot = np.nonzero(~np.isnan(portion.rating))
    pairs = np.column_stack([portion.user_id[row], portion.item_id[row, slot]])[::-1]
    _, latest = np.unique(pairs, axis=0, return_index=True)
    kept = np.sort(len(row) - 1 - latest)
    return row[kept], slot[kept]
