"""A small shop whose ids are texts of every kind that shops have, and what becomes of it."""

from contextlib import contextmanager

import numpy as np
import pytest

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import load_scenario, run

ITEM_KEYS = [
    "0007",
    "7",
    "SKU-MUG",
    "a,b",
    'say "hi"',
    "Ünï cödé ☕",
    "tab\there",
    "line\nbreak",
    "NA",
    "1e3",
    " padded ",
    "x|y",
]
USER_KEYS = ["0001", "1", "C-2", "o'neil", 'q"q', "ü", "t\tt", "n\nn", "null", "1.0", "#3", "a;b"]
PLAIN_ITEM_KEYS = [f"SKU-{number:04d}" for number in range(len(ITEM_KEYS))]
PLAIN_USER_KEYS = [f"{number:04d}" for number in range(len(USER_KEYS))]


def make_shop(*, feedback="explicit", item_keys=ITEM_KEYS, user_keys=USER_KEYS, seed=1):
    """Every user has seven of twelve items; items have odd numbers, users even ones."""
    random = np.random.default_rng(seed)
    item_id, user_id = 10 + np.arange(len(item_keys)), 100 + 2 * np.arange(len(user_keys))
    rows = [(user, item) for user in user_id for item in random.permutation(item_id)[:7]]
    user, item = np.array(rows).T
    stars = np.full(len(rows), 5.0) if feedback == "implicit" else random.integers(1, 6, len(rows))
    ratings = Ratings(
        user_id=user, item_id=item, rating=stars.astype(np.float32), timestamp=1_700_000_000 + np.arange(len(rows)) * 600
    )
    catalog = Catalog.from_columns(
        item_id=item_id,
        title=[f"thing {number}" for number in range(len(item_keys))],
        genres=[["Home"], ["Garden"], ["Home", "Light"]] * (len(item_keys) // 3),
        popularity=np.bincount(item - 10, minlength=len(item_keys)),
        item_key=item_keys,
    )
    keys = dict(zip(user_id.tolist(), user_keys, strict=True))
    return Dataset(name="shop", catalog=catalog, ratings=ratings, user_keys=keys, feedback=feedback)


@contextmanager
def loaded(dataset):
    """Let every scenario load this data set, whatever it names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsim_llm.scenarios.building.open_dataset", lambda *_, **__: dataset)
        yield


def run_shop(dataset, folder, **changes):
    """Serve the shop's users with every item on a page, so that every id is in the log."""
    settings = {"recommenders": ["random"], "slate_size": 12, "max_pages": 2, "seed": 5, "data": "shop"}
    with loaded(dataset):
        return run(load_scenario("demo", settings | {"users.parameters": {"click_bias": 2.0, "repeat": 0.0}} | changes), folder)


class ByKeys(Popularity):
    """Notes what it is told of ids."""

    told = ()

    def name_users(self, user_keys):
        self.user_keys = dict(user_keys)

    def fit(self, catalog, ratings, seed):
        super().fit(catalog, ratings, seed)
        ByKeys.told = (self.user_keys, catalog.item_key)
