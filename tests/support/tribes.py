"""Users of two tribes, who take their own tribe's items; of some items nothing but who takes them tells whose they are."""

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings

__all__ = ["two_tribes"]


def two_tribes(users=80, items=60, *, told=30):
    """Return users of two tribes who take their own tribe's items; of the first ``told`` the genre says whose they are."""
    tribe = np.arange(items) % 2
    genres = [["Us", "Them"][one] if place < told else "Other" for place, one in enumerate(tribe)]
    catalog = Catalog.from_columns(
        item_id=np.arange(items), title=[str(one) for one in range(items)], genres=[[g] for g in genres]
    )
    draw = keyed.uniform(keyed.words(5, "tribes", np.arange(users)[:, None], np.arange(items)))
    user, item = np.nonzero(draw < np.where(np.arange(users)[:, None] % 2 == tribe, 0.6, 0.05))
    order = keyed.words(6, "time", user, item).argsort()
    ratings = Ratings(user_id=user, item_id=item, rating=np.full(len(user), 4, np.float32), timestamp=np.argsort(order))
    return Dataset(name="tribes", catalog=catalog, ratings=ratings).of_ratings(ratings)
