"""Recommenders that hear what users ask for: one that obeys, one that is deaf, and one that answers queries itself."""

import numpy as np

from recsim_llm.core.keyed import uniform, words
from recsim_llm.recommenders import Popularity, deterministic
from recsim_llm.recommenders.scoring import ScoringRecommender

HEARD = []
"""Actions in the requests of the recommenders since somebody cleared it."""


class Deaf(ScoringRecommender):
    """Recommends at random, whatever users ask for."""

    def _score(self, requests):
        if requests.history_actions is not None:
            HEARD.append(requests.history_actions.copy())
        places = np.arange(len(self._known.catalog))
        columns = (requests.user_id[:, None], requests.visit[:, None], requests.page[:, None], places)
        return uniform(words(self._seed, "deaf", *columns)).astype(np.float32)


class Obedient(Deaf):
    """The same, but for items with any genre of one of which a user asked for less."""

    def _score(self, requests):
        scores, genres = super()._score(requests), self._known.catalog.genres
        row, place = np.nonzero(requests.did("less_like_this"))
        item = self._known.catalog.index_of(requests.history_item[row, place])
        for user in np.unique(row):
            unwanted = genres[item[row == user]].any(axis=0)
            scores[user] -= (genres & unwanted).any(axis=1)
        return scores


class Searched(Deaf):
    """Answers every query with the items whose title begins with the query's first letter."""

    def search(self, requests, queries, k):
        scores = super()._score(requests)
        for row, query in enumerate(queries):
            scores[row] += [str(title).casefold().startswith(query[0]) for title in self._known.catalog.title]
        return deterministic(self._known.catalog.item_id[self._pick(requests, scores, k)])


class Rude(Deaf):
    """Recommends at random also where users ask for a genre."""

    def recommend(self, requests, k):
        return super().recommend(requests._replace(only_genre=None), k)


class Friendly(Popularity):
    """Recommends what is popular, and says of everything that friends liked it."""

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        return slates._replace(explanation=np.full(slates.item_id.shape, "Your friends liked this.", object))


class Babbling(Popularity):
    """Recommends what is popular, and writes beside it words that give no reason."""

    SAID = "."

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        return slates._replace(explanation=np.full(slates.item_id.shape, self.SAID, object))


class Rambling(Babbling):
    """Writes a heap of words drawn from what the catalog's items are said to be, genres among them."""

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        known = " ".join([*self._known.catalog.title.tolist(), *self._known.catalog.genre_names]).split()
        heap = np.array(known, object)[np.random.default_rng(5).integers(len(known), size=(*slates.item_id.shape, 60))]
        return slates._replace(explanation=np.array([[" ".join(part)[:500] for part in row] for row in heap], object))
