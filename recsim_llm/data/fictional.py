"""The shipped data set: 1,500 invented films and ratings by planted users.

No film of it exists and no language model can have read about it. The film table is a file of the package; the ratings are
made on the spot from a seed, by a model with known truth (``recsim_llm.data.fictional_ratings``). The data is the project's own
and free of any licence but the package's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np

from recsim_llm.core.catalog import Catalog, default_features
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.data.fictional_ratings import fictional_ratings, read_catalog

__all__ = ["SEED", "load"]

SEED = 7
"""Seed of the ratings of the shipped data set: part of what it is, as its films are."""

_LICENCE = "Invented data, part of recsim_llm; free under the package's MIT licence."


@cache
def load(n_users: int = 600, *, seed: int = SEED) -> Dataset:
    """Return the invented catalog with ratings of planted users.

    ``Catalog.features`` hold genres, year and popularity as for any catalog, then one-hot tone and one-hot provider.

    Args:
        n_users: how many users rate; each gives 20 to 800 ratings.
        seed: of the ratings; another one makes another data set of the same films.
    """
    with as_file(files("recsim_llm.data") / "fictional_films.csv") as path:
        films = read_catalog(path)
    columns = fictional_ratings(films, n_users=n_users, seed=seed)
    ratings = Ratings(
        user_id=columns["user_id"],
        item_id=columns["item_id"],
        rating=columns["rating"].astype(np.float32),
        timestamp=columns["timestamp"],
    )
    catalog = Catalog.from_columns(
        item_id=[int(value) for value in films["item_id"]],
        title=films["title"],
        genres=[value.split("|") for value in films["genres"]],
        year=[int(value) for value in films["year"]],
        popularity=[float(value) for value in films["popularity"]],
        description=films["description"],
        provider=films["provider"],
        quality=[float(value) for value in films["quality"]],
    )
    return Dataset(name="fictional", catalog=_with_tone_and_provider(catalog, films), ratings=ratings, licence=_LICENCE)


def _with_tone_and_provider(catalog: Catalog, films: dict[str, list[str]]) -> Catalog:
    one_hot = [np.asarray(films[name])[:, None] == np.unique(films[name]) for name in ("tone", "provider")]
    columns = [default_features(catalog.genres, catalog.year, catalog.popularity), *one_hot]
    return catalog.with_features(np.column_stack(columns))
