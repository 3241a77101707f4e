"""The documents of RecSim's worlds as data sets, so that those worlds can be scenarios like any other.

RecSim (Ie et al. 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems", arXiv 1909.04847) samples
documents and users and has no past. Runs need users and ratings to begin with, so 1,000 users rate a few documents at random:
nothing is to be learned from those ratings.

- ``recsim-lts``, long-term satisfaction: 100 documents, each with a clickbait score, uniform on 0 to 1, its one feature; those
  above 0.5 have the genre ``choc``, the others ``kale``.
- ``recsim-interest-evolution``: 200 videos of 20 topics, one topic each, uniform, their features; a topic's videos have a
  quality around the topic's mean, from -3 to 0 for the first 14 topics, which are trash, and 0 to 3 for the last six, with
  standard deviation 0.1. Policies do not see it; ``Catalog.quality`` holds it on a scale from 0 (-3.4) to 1 (3.4).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtri

from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings

__all__ = ["QUALITY_SPAN", "load_interest_evolution", "load_long_term_satisfaction"]

QUALITY_SPAN = 3.4
"""Quality at ``Catalog.quality`` 1; RecSim's scale of utility."""
_SEED = 1909
_DOCUMENTS, _VIDEOS, _TOPICS, _TRASH = 100, 200, 20, 14
_USERS, _RATED = 1_000, 5
_SPREAD = 0.1
_LICENCE = "Invented data, part of recsim_llm; free under the package's MIT licence."


@cache
def load_long_term_satisfaction() -> Dataset:
    """Return 100 documents with their clickbait scores, and 1,000 users."""
    score = keyed.uniform(keyed.words(_SEED, "clickbait", np.arange(_DOCUMENTS)))
    catalog = Catalog.from_columns(
        item_id=np.arange(_DOCUMENTS),
        title=[f"Document {number} (clickbait {value:.2f})" for number, value in enumerate(score)],
        genres=[["choc" if value > 0.5 else "kale"] for value in score],
        features=score[:, None],
    )
    return _dataset("recsim-lts", catalog)


@cache
def load_interest_evolution() -> Dataset:
    """Return 200 videos of 20 topics, and 1,000 users."""
    videos = np.arange(_VIDEOS)
    topic = (keyed.uniform(keyed.words(_SEED, "topic", videos)) * _TOPICS).astype(np.int64)
    means = np.concatenate([np.linspace(-3, 0, _TRASH), np.linspace(0, 3, _TOPICS - _TRASH)])
    quality = means[topic] + _SPREAD * ndtri(keyed.uniform(keyed.words(_SEED, "quality", videos)))
    catalog = Catalog.from_columns(
        item_id=videos,
        title=[f"Video {number} of topic {name}" for number, name in enumerate(topic)],
        genres=[[f"topic {name:02d}"] for name in topic],
        features=np.eye(_TOPICS)[topic],
        quality=(quality / QUALITY_SPAN + 1) / 2,
    )
    return _dataset("recsim-interest-evolution", catalog)


def _dataset(name: str, catalog: Catalog) -> Dataset:
    user = np.repeat(np.arange(_USERS), _RATED)
    item = keyed.sample(keyed.words(_SEED, "rated", np.arange(_USERS)), len(catalog), _RATED).reshape(-1)
    stars = 1 + (keyed.uniform(keyed.words(_SEED, "stars", user, item)) * 5).astype(np.int64)
    ratings = Ratings(
        user_id=user,
        item_id=catalog.item_id[item],
        rating=stars.astype(np.float32),
        timestamp=np.arange(len(user)),
    )
    return Dataset(name=name, catalog=catalog, ratings=ratings, licence=_LICENCE)
