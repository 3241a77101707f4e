"""A recommender that shows anything: some items twice on a page, some again and again, some that the user rated before."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.recommenders import Recommender, deterministic


class WildPages(Recommender):
    """Draws each slot from few items, whatever else is on the page or was before; keeps in ``shown`` what it drew."""

    shown: ClassVar[dict[tuple[int, int, int], np.ndarray]] = {}

    def fit(self, catalog, ratings, seed):
        self._items = np.random.default_rng(0).permutation(catalog.item_id)[:200]

    def recommend(self, requests, k):
        word = keyed.words(5, "wild", requests.user_id, requests.visit, requests.page)
        slates = self._items[(keyed.uniform(keyed.absorb(word[:, None], np.arange(k))) * 12).astype(np.int64) * 16 % 200]
        slates[:, : k // 2] = self._items[
            (keyed.uniform(keyed.absorb(word[:, None], np.arange(k // 2) + k)) * 200).astype(np.int64)
        ]
        keys = zip(*(column.tolist() for column in (requests.user_id, requests.visit, requests.page)), strict=True)
        self.shown.update(zip(keys, slates, strict=True))
        return deterministic(slates)
