"""A recommender that shows what users rated before beside what they did not."""

from __future__ import annotations

import numpy as np

from recsim_llm.recommenders import Recommender, deterministic


class OldFavourites(Recommender):
    """Fills the first half of each page with what its user rated last before the run, the rest with what others did."""

    def fit(self, catalog, ratings, seed):
        order = np.argsort(ratings.timestamp, kind="stable")[::-1]
        self._item, self._user = ratings.item_id[order], ratings.user_id[order]

    def recommend(self, requests, k):
        slates = []
        for user, page in zip(requests.user_id.tolist(), requests.page.tolist(), strict=True):
            own = self._item[self._user == user]
            others = np.setdiff1d(self._item, own)
            half = k // 2
            slates.append([*own[page * half : (page + 1) * half], *others[page * (k - half) :][: k - half]])
        return deterministic(np.array(slates))
