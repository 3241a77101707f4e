"""A contextual bandit that fills some slots at random."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.recommenders.linear_clicks import LinearClicks
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.uniform import RandomRecommender

__all__ = ["EpsilonGreedy"]


_PURPOSE = "epsilon greedy slot"


class EpsilonGreedy(LinearClicks):
    """Fills each slot at random with probability ``epsilon``, else by clicks that ``LinearClicks`` models (Watkins 1989).

    Slot by slot from the top: with probability ``epsilon`` an item drawn uniformly from those that are left, else the one of
    them with the highest ``x . w_u``. Draws are keyed by (seed, user, visit, page, slot). Left are the items that the user has
    not seen, and once they are used up those that fill the page.

    All propensities are exact. Given the slots before, with ``E`` items left, a slot holds the best of them with probability
    ``1 - epsilon + epsilon / E`` and any other one with ``epsilon / E``. The slot marginal follows from a walk over how many of
    the best items are used up: which of the others were drawn is uniform, however many there are.
    """

    class Settings(LinearClicks.Settings):
        """Settings of ``EpsilonGreedy``."""

        epsilon: float = Field(default=0.1, ge=0, le=1)
        """Probability that a slot is filled at random; 0 never explores."""

    settings: Settings

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._uniform = RandomRecommender()

    def play_by(self, repeats: Repeats) -> None:
        """Take in the scenario's rule on repetition; to be called before ``fit``."""
        super().play_by(repeats)
        self._uniform.play_by(repeats)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Learn from the catalog and the training ratings; whatever was learned before is forgotten."""
        super().fit(catalog, ratings, seed)
        self._uniform.fit(catalog, ratings, seed)

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on, for what is drawn too."""
        super().restock(catalog)
        self._uniform.restock(catalog)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return ``k`` different items for each request, with exact propensities.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        catalog = self._known.catalog
        best = catalog.index_of(super().recommend(requests, k).item_id)
        drawn = catalog.index_of(self._uniform.sample(requests, k, 1, self._seed)[0])
        word = keyed.words(self._seed, _PURPOSE, requests.user_id, requests.visit, requests.page)
        explore = keyed.uniform(keyed.absorb(word[:, None], np.arange(k))) < self.settings.epsilon
        item, greedy = _merge(best, drawn, explore)
        left = np.empty(len(item), np.int64)
        for rows, part in chunks(requests, len(catalog)):
            left[rows] = np.count_nonzero(~self._barred(part), axis=1)
        slot, prefix = self._propensities(best, item, greedy, left)
        slate = prefix.prod(axis=1)
        slate[slate < np.finfo(np.float64).tiny] = np.nan  # too small to be told: unknown, never zero
        return Slates(catalog.item_id[item], slot.astype(np.float32), prefix.astype(np.float32), slate)

    def _propensities(
        self, best: IntArray, item: IntArray, greedy: BoolArray, left: IntArray
    ) -> tuple[DoubleArray, DoubleArray]:
        """Return slot marginals and prefix propensities, float64 [u, k] each; ``left`` unseen items come before seen ones."""
        epsilon, place = self.settings.epsilon, np.arange(item.shape[1])
        on_sale = int(np.count_nonzero(self._known.on_sale))
        late = place >= left[:, None]
        first = np.where(late, left[:, None], 0)
        pool = np.where(late, on_sale - left[:, None], left[:, None])
        prefix = epsilon / (pool - place + first) + (1 - epsilon) * greedy
        same = item[:, :, None] == best[:, None, :]
        rank = np.where(same.any(axis=2), same.argmax(axis=2), item.shape[1]) - first
        sizes, row = np.unique(pool, return_inverse=True)
        chance = _marginals(sizes, item.shape[1], epsilon)
        return chance[row.reshape(pool.shape), place - first, rank], prefix


def _merge(best: IntArray, drawn: IntArray, explore: BoolArray) -> tuple[IntArray, BoolArray]:
    """Fill slots with the first items of two orders that are not yet on the page.

    Args:
        best: int64 [u, k]: the best items.
        drawn: int64 [u, k]: items in random order. The next one that is not on the page is uniform among all that are left.
        explore: bool [u, k]: which slots take it.

    Returns:
        int64 [u, k], the items, and bool [u, k], which of them were the best of those left.
    """
    item, greedy = np.full(best.shape, -1, np.int64), np.empty(best.shape, np.bool_)
    rows = np.arange(len(best))
    for position in range(best.shape[1]):
        fresh = [(order[:, :, None] != item[:, None, :position]).all(axis=2).argmax(axis=1) for order in (best, drawn)]
        top = best[rows, fresh[0]]
        item[:, position] = np.where(explore[:, position], drawn[rows, fresh[1]], top)
        greedy[:, position] = item[:, position] == top
    return item, greedy


def _marginals(pool: IntArray, slots: int, epsilon: float) -> DoubleArray:
    """Return float64 [p, l, r]: how likely the item of rank r among ``pool`` ones stands at position l; the last r: any lower.

    Walks over m, the rank of the best item that is left. Of the l items on the page m are better than it, and l - m, a uniform
    sample, are below it.
    """
    chance = np.zeros((len(pool), slots, slots + 1))
    state = np.zeros((len(pool), slots + 1))
    state[:, 0] = 1.0
    for position in range(slots):
        random = epsilon / np.maximum(pool - position, 1)
        top = 1 - epsilon + random
        after = np.zeros_like(state)
        for best in range(position + 1):
            here, taken, below = state[:, best], position - best, np.maximum(pool - best - 1, 1)
            chance[:, position, best] += here * top
            chance[:, position, best + 1 :] += (here * random * np.maximum(1 - taken / below, 0))[:, None]
            after[:, best] += here * (1 - top)
            run = here * top
            for skipped in range(taken + 1):
                gone = (taken - skipped) / np.maximum(below - skipped, 1)
                after[:, best + 1 + skipped] += run * (1 - gone)
                run = run * gone
        state = after
    return chance
