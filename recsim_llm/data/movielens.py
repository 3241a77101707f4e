"""MovieLens as GroupLens ships it: the layouts ``latest`` (also 20M, 25M, 32M), ``1M`` (also 10M) and ``100K``.

Source: F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and Context, ACM TiiS 5(4), 19.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import TextArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.assembly import ItemColumns, RatingColumns, assemble, build_catalog
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.movielens_words import (
    AGES,
    GENDERS,
    LICENCES,
    OCCUPATIONS,
    age_band,
    parse_title,
    split_genres,
)
from recsim_llm.data.table_files import read_text
from recsim_llm.data.text_layout import TextLayout
from recsim_llm.errors import DataError

__all__ = ["LAYOUTS", "detect_layout", "is_movielens", "load"]

LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "latest": ("ratings.csv", "movies.csv"),
    "1M": ("ratings.dat", "movies.dat"),
    "100K": ("u.data", "u.item", "u.user", "u.genre"),
}
"""Layout to the files that it needs; the 1M set has ``users.dat`` besides, the 10M set has none."""

_MOVIE_COLUMNS = {"item_id": "movieId", "title": "title", "genres": "genres"}
_RATING_COLUMNS = {"user_id": "userId", "item_id": "movieId", "rating": "rating", "timestamp": "timestamp"}
_SMALL_MOVIES = 9_742
_LONGEST_LINE = 10_000
_OWN_REMEDY = (
    ", or read the folder as tables of your own: --column user_id=userId --column item_id=movieId, in a scenario columns: "
    "{user_id: userId, item_id: movieId}, in Python columns={'user_id': 'userId', 'item_id': 'movieId'}"
)
_REMEDY = "restore the file from the archive"
_COMMAS = TextLayout(newlines_in_fields=False)
_COMMAS_AND_BREAKS = TextLayout()

Demographics = dict[str, dict[int, str]]


def detect_layout(folder: Path) -> str | None:
    """Return the layout (``latest``, ``1M``, ``100K``) that most files in a folder belong to, None where none does."""
    found = {layout: sum((folder / file).is_file() for file in files) for layout, files in LAYOUTS.items()}
    best = max(found, key=lambda layout: found[layout])
    return best if found[best] > 0 else None


def is_movielens(folder: Path) -> bool:
    """Say whether a folder's files are MovieLens': by their columns, since others name their files likewise."""
    layout = detect_layout(folder)
    if layout == "latest":
        needed = {"ratings.csv": _RATING_COLUMNS, "movies.csv": _MOVIE_COLUMNS}
        files = {folder / file: set(names.values()) for file, names in needed.items() if (folder / file).is_file()}
        return all(names <= _plain_names(path) for path, names in files.items())
    if layout == "1M":
        files_there = [folder / file for file in LAYOUTS["1M"] if (folder / file).is_file()]
        return any(_first_line(path).count(b"::") >= 2 for path in files_there)
    return layout is not None


def _plain_names(path: Path) -> set[str]:
    """Return the names in the first line of a file, where commas stand between them as in GroupLens' files."""
    return set(_first_line(path).decode("utf-8-sig", "replace").strip().replace('"', "").split(","))


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(_LONGEST_LINE)


def load(path: str | Path, *, skip_bad_rows: bool = False) -> Dataset:
    """Load a MovieLens folder; its files tell the layout.

    Titles lose their year, and a trailing article moves to the front: ``Matrix, The (1999)`` becomes ``The Matrix``.
    The popularity of a film is its number of ratings in the file. Names: ``ml-latest-small`` (9,742 films), ``ml-latest`` (any
    other number), ``ml-1m`` (``ml-10m`` without ``users.dat``), ``ml-100k``. Ages are in the bands of the 1M set; zip codes
    are left.

    Args:
        path: the unpacked folder.
        skip_bad_rows: leave unusable rows out and count them in ``Dataset.skipped`` instead of raising. Of two ratings
            of one film by one user, the earlier in the file stays.

    Raises:
        DataError: the folder is no MovieLens folder, a file is missing, or a row cannot be used.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected an unpacked MovieLens archive; check the path")
    layout = detect_layout(folder)
    if layout is None:
        known = "; ".join(f"{name}: {', '.join(files)}" for name, files in LAYOUTS.items())
        raise DataError(f"{folder}: got a folder without MovieLens files, expected one of ({known}); check the path")
    for file in LAYOUTS[layout]:
        if not (folder / file).is_file():
            expected = f"expected all of {', '.join(LAYOUTS[layout])}; unpack the whole archive of layout {layout} again"
            expected += _OWN_REMEDY if layout == "latest" else ""
            raise DataError(f"{file}: no such file in {folder}, {expected}")
    loaders: Mapping[str, Callable[..., Dataset]] = {"latest": _load_latest, "1M": _load_1m, "100K": _load_100k}
    return loaders[layout](folder, skip=skip_bad_rows)


def _load_latest(folder: Path, *, skip: bool) -> Dataset:
    movies = RowCheck(read_text(folder / "movies.csv", _MOVIE_COLUMNS, _COMMAS_AND_BREAKS, remedy=_REMEDY), skip=skip)
    all_movies = movies.table.row_count + movies.table.malformed
    catalog = build_catalog(movies, _items(movies))
    ratings = RowCheck(read_text(folder / "ratings.csv", _RATING_COLUMNS, _COMMAS, remedy=_REMEDY), skip=skip)
    name = "ml-latest-small" if all_movies == _SMALL_MOVIES else "ml-latest"
    columns, licence = _ratings(ratings), LICENCES["latest"]
    return assemble(name, catalog, ratings, columns, skipped=movies.skipped, unread=movies.unread, licence=licence)


def _load_1m(folder: Path, *, skip: bool) -> Dataset:
    movies = _check(folder / "movies.dat", "::", ("item_id", "title", "genres"), skip=skip)
    catalog = build_catalog(movies, _items(movies))
    has_users = (folder / "users.dat").is_file()
    demographics, skipped = _people_1m(folder, skip=skip) if has_users else ({}, {})
    ratings = _check(folder / "ratings.dat", "::", ("user_id", "item_id", "rating", "timestamp"), skip=skip)
    return assemble(
        "ml-1m" if has_users else "ml-10m",
        catalog,
        ratings,
        _ratings(ratings),
        skipped={**movies.skipped, **skipped},
        unread=movies.unread,
        demographics=demographics,
        licence=LICENCES["1M"],
    )


def _people_1m(folder: Path, *, skip: bool) -> tuple[Demographics, Mapping[str, int]]:
    users = _check(folder / "users.dat", "::", ("user_id", "gender", "age", "occupation", "zip"), skip=skip)
    demographics = _people(
        users,
        gender=users.coded("gender", GENDERS),
        age=users.coded("age", AGES),
        occupation=users.coded("occupation", OCCUPATIONS),
    )
    return demographics, users.skipped


def _load_100k(folder: Path, *, skip: bool) -> Dataset:
    names = _check(folder / "u.genre", "|", ("name", "place"), skip=skip)
    genre_names = tuple(str(name) for name in names.words("name")[names.keep])
    head = ("item_id", "title", "released", "video", "address")
    movies = _check(folder / "u.item", "|", (*head, *(f"genre {name}" for name in genre_names)), skip=skip)
    catalog = build_catalog(movies, _items_100k(movies, genre_names))
    users = _check(folder / "u.user", "|", ("user_id", "age", "gender", "occupation", "zip"), skip=skip)
    demographics = _people(
        users,
        gender=users.coded("gender", GENDERS),
        age=np.array([age_band(int(age)) for age in users.whole_numbers("age")], dtype=np.object_),
        occupation=users.words("occupation"),
    )
    ratings = _check(folder / "u.data", "\t", ("user_id", "item_id", "rating", "timestamp"), skip=skip)
    skipped = {**names.skipped, **movies.skipped, **users.skipped}
    return assemble(
        "ml-100k",
        catalog,
        ratings,
        _ratings(ratings),
        skipped=skipped,
        unread={**names.unread, **movies.unread, **users.unread},
        demographics=demographics,
        licence=LICENCES["100K"],
    )


def _check(path: Path, delimiter: str, header: tuple[str, ...], *, skip: bool) -> RowCheck:
    layout = TextLayout(delimiter=delimiter, quoted=False, header=header)
    return RowCheck(read_text(path, {name: name for name in header}, layout, remedy=_REMEDY), skip=skip)


def _items(check: RowCheck) -> ItemColumns:
    item_id = check.whole_numbers("item_id")
    title, year = _titles(check)
    genres = [split_genres(text, "|") for text in check.words("genres")]
    return ItemColumns(item_id=item_id, title=title, genres=genres, year=year)


def _items_100k(check: RowCheck, genre_names: tuple[str, ...]) -> ItemColumns:
    item_id = check.whole_numbers("item_id")
    title, year = _titles(check)
    # A few titles end in something other than a year, '(V)' for instance; the release date '01-Jan-1995' has one too.
    released = [text[-4:] for text in check.words("released")]
    fallback = np.array([int(text) if text.isascii() and text.isdigit() else -1 for text in released], dtype=np.int64)
    year = np.where(year < 0, fallback, year)
    genres: list[list[str]] = [[] for _ in title]
    for name in genre_names:
        column = f"genre {name}"
        flags = check.words(column)
        bad = np.array([flag not in ("0", "1") for flag in flags], dtype=np.bool_)
        check.refuse(bad, column=column, expected="0 or 1", reason="bad genre flag")
        for row in np.flatnonzero(flags == "1") if name != "unknown" else ():
            genres[row].append(name)
    return ItemColumns(item_id=item_id, title=title, genres=genres, year=year)


def _titles(check: RowCheck) -> tuple[TextArray, npt.NDArray[np.int64]]:
    parsed = [parse_title(text) for text in check.words("title")]
    title = np.array([title for title, _ in parsed], dtype=np.object_)
    return title, np.array([year for _, year in parsed], dtype=np.int64)


def _ratings(check: RowCheck) -> RatingColumns:
    # Others' files may be called and headed like MovieLens'; their scale tells them apart.
    check.require_scale("rating", remedy=f"restore the file{_OWN_REMEDY}")
    return RatingColumns(
        user_id=check.whole_numbers("user_id"),
        item_id=check.whole_numbers("item_id"),
        rating=check.stars("rating"),
        timestamp=check.times("timestamp"),
    )


def _people(check: RowCheck, **fields: TextArray) -> Demographics:
    user_id = check.whole_numbers("user_id")
    check.refuse_copies(user_id, column="user_id", expected="every user once", reason="duplicate user_id")
    rows = np.flatnonzero(check.keep)
    return {name: {int(user_id[row]): str(values[row]) for row in rows} for name, values in fields.items()}
