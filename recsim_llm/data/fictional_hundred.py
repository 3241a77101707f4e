"""The small shipped data set: a hundred of the invented films, and the ratings that users of all 1,500 gave to them.

Small enough that a policy is trained and judged in minutes. Every third of the 300 films that are rated most, so that tastes
and not popularity alone tell them apart; users with fewer than ``LEAST`` ratings of them are left out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog, default_features
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import fictional

__all__ = ["LEAST", "load"]

LEAST = 10
"""Ratings of the hundred films below which a user is left out."""
_FILMS, _STRIDE, _RATERS = 100, 3, 2_000


@cache
def load() -> Dataset:
    """Return the hundred films with the ratings of about 900 users."""
    whole = fictional.load(_RATERS)
    item = whole.catalog.index_of(whole.ratings.item_id)
    by_count = np.argsort(-np.bincount(item, minlength=len(whole.catalog)), kind="stable")
    films = np.sort(by_count[: _FILMS * _STRIDE : _STRIDE])
    kept = np.isin(item, films)
    given = np.bincount(whole.ratings.user_index[kept], minlength=len(whole.ratings.users))
    kept &= given[whole.ratings.user_index] >= LEAST
    return replace(whole, name="fictional-100", catalog=_some(whole.catalog, films), ratings=whole.ratings.take(kept))


def _some(catalog: Catalog, films: IntArray) -> Catalog:
    """Return a catalog of some of the films; the scaled columns are scaled anew."""
    genres, year, popularity = catalog.genres[films], catalog.year[films], catalog.popularity[films]
    own = default_features(genres, year, popularity)
    return replace(
        catalog,
        item_id=catalog.item_id[films],
        title=catalog.title[films],
        genres=genres,
        year=year,
        popularity=popularity,
        features=np.hstack([own, catalog.features[films, own.shape[1] :]]),
        description=None if catalog.description is None else catalog.description[films],
        provider=None if catalog.provider is None else catalog.provider[films],
        quality=None if catalog.quality is None else catalog.quality[films],
    )
