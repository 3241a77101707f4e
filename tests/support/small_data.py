"""Small catalogs, ratings and requests for tests of recommenders."""

import numpy as np

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings


def make_ratings(user_id, item_id):
    count = len(user_id)
    return Ratings(
        user_id=np.asarray(user_id, np.int64),
        item_id=np.asarray(item_id, np.int64),
        rating=np.full(count, 4, np.float32),
        timestamp=np.arange(count),
    )


def make_catalog(items, **columns):
    titles = [str(item) for item in range(items)]
    return Catalog.from_columns(item_id=10 + np.arange(items), title=titles, genres=[["All"]] * items, **columns)


def ask_for(user_id, shown=None, clicked=None, visit=0, page=0):
    user_id = np.asarray(user_id, np.int64)
    zeros = np.zeros_like(user_id)
    shown = np.full((len(user_id), 1), -1) if shown is None else np.asarray(shown, np.int64)
    clicked = np.zeros(shown.shape, np.bool_) if clicked is None else np.asarray(clicked, np.bool_)
    rating = np.where(clicked, np.float32(4), np.float32(np.nan))
    return Requests(user_id, zeros + visit, zeros + page, shown, clicked, rating)


def fitted(recommender, world):
    recommender.fit(*world, 3)
    return recommender
