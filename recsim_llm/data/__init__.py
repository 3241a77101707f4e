"""Data: MovieLens folders, any pair of tables, downloads, and the checks that every file goes through."""

from recsim_llm.data.download import SOURCES, Source, fetch
from recsim_llm.data.movielens import load as load_movielens
from recsim_llm.data.opening import open_dataset
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.data.tables import id_labels, load_tables

__all__ = [
    "SOURCES",
    "Source",
    "TableSettings",
    "fetch",
    "id_labels",
    "load_movielens",
    "load_tables",
    "open_dataset",
]
