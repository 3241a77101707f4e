"""One call for every way to name a data set: a folder, a downloaded set, or the invented one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from recsim_llm.core.cache import cache_folder
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import movielens
from recsim_llm.data.download import SOURCES
from recsim_llm.data.tables import load_tables
from recsim_llm.errors import ConfigError, DataError

__all__ = ["FICTIONAL", "open_dataset"]

FICTIONAL = "fictional"
"""Name of the invented data set."""

_SUFFIXES = (".csv", ".parquet", ".tsv", ".csv.gz", ".tsv.gz")


def open_dataset(
    name_or_path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    skip_bad_rows: bool = False,
    cache: str | Path | None = None,
) -> Dataset:
    """Load a data set by name or by folder; nothing is downloaded.

    ``fictional`` is the invented set. Otherwise a folder that exists comes before a name: a MovieLens folder, or one
    that holds ``interactions.csv`` (``.parquet``, ``.tsv``, ``.csv.gz``) and, where there is one, ``items`` likewise,
    with this package's column names. Last come the names of sets that ``fetch`` has put into the cache.

    Args:
        name_or_path: ``fictional``, a folder, or a name among ``SOURCES``.
        columns: this package's column names to those of a folder with ``interactions`` and ``items``; None where they agree.
        skip_bad_rows: leave unusable rows out and count them in ``Dataset.skipped`` instead of raising.
        cache: folder for downloads; ``cache_folder()`` where None.

    Raises:
        ConfigError: there is no such name or folder, the folder holds nothing known, or ``columns`` name columns of data
            whose layout is fixed.
        DataError: a file is missing or a row cannot be used.
    """
    folder = Path(name_or_path).expanduser()
    if columns and (str(name_or_path) == FICTIONAL or not folder.is_dir() or movielens.detect_layout(folder) is not None):
        raise ConfigError(
            f"data: got column names for {str(name_or_path)!r}, expected them for a folder with interactions and items only; "
            "leave them out"
        )
    if str(name_or_path) == FICTIONAL:
        # By name: the invented set must not be generated, nor its module loaded, for those who bring data.
        dataset: Dataset = importlib.import_module("recsim_llm.data.fictional").load()
        return dataset
    if folder.is_dir():
        return _open_folder(folder, columns, skip_bad_rows)
    if str(name_or_path) not in SOURCES:
        raise ConfigError(f"data: got {str(name_or_path)!r}, expected {_possible()}; check the spelling or the path")
    cached = (cache_folder() if cache is None else Path(cache)) / str(name_or_path)
    if not cached.is_dir():
        raise ConfigError(
            f"data: got {str(name_or_path)!r}, expected a set that is in the cache ({cached.parent}); run "
            f"`recsim-llm data get {name_or_path}` once, or give the path of its folder"
        )
    return movielens.load(cached, skip_bad_rows=skip_bad_rows)


def _open_folder(folder: Path, columns: Mapping[str, str] | None, skip_bad_rows: bool) -> Dataset:
    if movielens.detect_layout(folder) is not None:
        return movielens.load(folder, skip_bad_rows=skip_bad_rows)
    interactions = _one_file(folder, "interactions")
    if interactions is None:
        raise ConfigError(f"data: got folder {str(folder)!r} without files of a known kind, expected {_possible()}")
    name = folder.resolve().name
    return load_tables(interactions, _one_file(folder, "items"), columns=columns, skip_bad_rows=skip_bad_rows, name=name)


def _one_file(folder: Path, stem: str) -> Path | None:
    found = [folder / (stem + suffix) for suffix in _SUFFIXES if (folder / (stem + suffix)).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: got {names}, expected one of them; remove the others")
    return found[0] if found else None


def _possible() -> str:
    return (
        f"'{FICTIONAL}', a downloaded set ({', '.join(SOURCES)}), a MovieLens folder, or a folder with "
        "interactions.csv or .parquet (and items.csv or .parquet)"
    )
