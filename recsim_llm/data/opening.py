"""One call for every way to name a data set: a folder, a downloaded set, or the invented one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from recsim_llm.core.cache import cache_folder
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import coat_ratings, movielens
from recsim_llm.data.download import SOURCES
from recsim_llm.data.finding_tables import find_tables
from recsim_llm.data.table_files import TABLE_SUFFIXES
from recsim_llm.data.table_settings import TableOptions, TableSettings
from recsim_llm.data.tables import read_tables
from recsim_llm.errors import ConfigError
from recsim_llm.registry import import_attribute

__all__ = ["FICTIONAL", "HUNDRED", "SHOP", "open_dataset"]

FICTIONAL = "fictional"
"""Name of the invented films."""
HUNDRED = "fictional-100"
"""Name of a hundred of them."""
SHOP = "shop"
"""Name of the invented shop."""

_INVENTED = {
    FICTIONAL: "recsim_llm.data.fictional:load",
    HUNDRED: "recsim_llm.data.fictional_hundred:load",
    SHOP: "recsim_llm.data.invented_shop:load",
    "recsim-lts": "recsim_llm.data.recsim_documents:load_long_term_satisfaction",
    "recsim-interest-evolution": "recsim_llm.data.recsim_documents:load_interest_evolution",
}
_USUAL = TableSettings().model_dump()


def open_dataset(name_or_path: str | Path, *, cache: str | Path | None = None, **options: Unpack[TableOptions]) -> Dataset:
    """Load a data set by name or by folder; nothing is downloaded.

    ``fictional`` are the invented films, ``fictional-100`` a hundred of them. Otherwise a folder that exists comes before a
    name. What it is, its files tell: tables called ``interactions`` and ``items`` (``.csv``, ``.tsv``, ``.txt``, ``.parquet``;
    text also with ``.gz``); MovieLens as GroupLens ships it; Coat, of which what people chose to rate; else the one table
    that has the columns of users and items. Last come ``shop``, the invented shop, ``recsim-lts`` and
    ``recsim-interest-evolution``, the documents of RecSim's worlds, and the names of sets that ``fetch`` has put into
    the cache.

    Args:
        name_or_path: ``fictional``, a folder, ``shop``, or a name among ``SOURCES``.
        cache: folder for downloads; ``cache_folder()`` where None.
        options: fields of ``TableSettings``, for folders of tables; MovieLens takes ``skip_bad_rows`` alone.

    Raises:
        ConfigError: there is no such name or folder, the folder holds nothing known, or options are given to data whose layout
            is fixed.
        DataError: a file is missing, several could be meant, or a row cannot be used.
    """
    settings = TableSettings.of(options)
    folder = Path(name_or_path).expanduser()
    if str(name_or_path) != FICTIONAL and folder.is_dir():
        _refuse_run(folder)
        return _open_folder(folder, settings)
    if str(name_or_path) not in (*_INVENTED, *SOURCES):
        raise ConfigError(f"data: got {str(name_or_path)!r}, expected {_possible()}; {_file_remedy(folder)}")
    _refuse_table_settings(str(name_or_path), settings)
    if str(name_or_path) in _INVENTED:
        return _invented(_INVENTED[str(name_or_path)])
    cached = (cache_folder() if cache is None else Path(cache)) / str(name_or_path)
    if not cached.is_dir():
        raise ConfigError(
            f"data: got {str(name_or_path)!r}, expected a set that is in the cache ({cached.parent}); run "
            f"`recsim-llm data get {name_or_path}` once, or give the path of its folder"
        )
    return movielens.load(cached, skip_bad_rows=settings.skip_bad_rows)


def _invented(path: str) -> Dataset:
    # By name: an invented set must not be generated, nor its module loaded, for those who bring data.
    dataset: Dataset = import_attribute(path, "data")()
    return dataset


def _refuse_run(folder: Path) -> None:
    """Refuse the folder of a run, whose held-out ratings would pass for the data."""
    if (folder / "manifest.json").is_file() and (folder / "held_out.parquet").is_file():
        raise ConfigError(
            f"data: got {folder}, the folder of a run, expected data; name what the run was made from, or take what its users "
            f"rated: `recsim-llm export {folder} movielens DIR` writes it into a folder for each recommender"
        )


def _open_folder(folder: Path, settings: TableSettings) -> Dataset:
    named = any((folder / f"interactions{suffix}").is_file() for suffix in TABLE_SUFFIXES)
    if not named and not settings.columns and movielens.is_movielens(folder):
        _refuse_table_settings(str(folder), settings)
        return movielens.load(folder, skip_bad_rows=settings.skip_bad_rows)
    if not named and not settings.columns and coat_ratings.is_coat(folder):
        _refuse_table_settings(str(folder), settings)
        return coat_ratings.load(folder)
    interactions, items, notes = find_tables(folder, settings)
    dataset = read_tables(interactions, items, settings, name=folder.resolve().name)
    return replace(dataset, notes=notes + dataset.notes)


def _refuse_table_settings(name: str, settings: TableSettings) -> None:
    """Refuse settings of tables for data that are none."""
    given = [key for key in settings.model_fields_set - {"skip_bad_rows"} if getattr(settings, key) != _USUAL[key]]
    if given:
        raise ConfigError(
            f"data: got {', '.join(sorted(given))} for {name!r}, whose layout is fixed, expected such options for your own "
            "tables only; leave them out"
        )


def _file_remedy(path: Path) -> str:
    if path.is_file():
        return f"give the folder that holds the file, {str(path.parent)!r}"
    return "check the spelling or the path"


def _possible() -> str:
    return (
        f"{', '.join(map(repr, _INVENTED))}, a downloaded set ({', '.join(SOURCES)}), a MovieLens folder, Coat's, or one "
        "with interactions.csv, .tsv, .txt or .parquet (and items likewise)"
    )
