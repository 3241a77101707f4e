"""A catalog of four items, two or three people and their ratings, small enough to count by hand."""

import numpy as np

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.population.personas import TRAITS, Population

DRAMA, BOTH, WAR, NONE = 1, 2, 3, 4


def ratings(*rows):
    user, item, stars = np.array(rows).T
    return Ratings(
        user_id=user.astype(np.int64),
        item_id=item.astype(np.int64),
        rating=stars.astype(np.float32),
        timestamp=np.arange(len(rows)),
    )


def people(*user_id):
    traits = np.zeros((len(user_id), len(TRAITS)), np.float32)
    traits[:, 0] = np.arange(len(user_id))
    return Population(
        user_id=np.array(user_id),
        traits=traits,
        genre_names=("Drama", "War"),
        taste=np.zeros((len(user_id), 2), np.float32),
        demographics={"gender": np.array(["f", "m", ""][: len(user_id)], object)},
    )


CATALOG = Catalog.from_columns(
    item_id=[NONE, DRAMA, BOTH, WAR],
    title=["none", "drama", "both", "war"],
    genres=[[], ["Drama"], ["Drama", "War"], ["War"]],
    year=[-1, 1999, 2000, 2001],
    popularity=[0, 6, 3, 1],
    provider=["", "a", "b", "b"],
)
TRAIN = ratings((9, DRAMA, 4), (7, DRAMA, 5), (7, BOTH, 3))
LATER = ratings((7, WAR, 4), (7, DRAMA, 2), (9, DRAMA, 5), (9, BOTH, 4), (5, WAR, 5))
