"""Any scoring recommender with chance in it, and exact propensities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.ranking import top_k
from recsim_llm.recommenders import plackett_luce
from recsim_llm.recommenders.propensities import NextItems, Propensities
from recsim_llm.recommenders.scoring import ScoringRecommender, chunks
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Softmax"]


_PURPOSE = "softmax page"
_SAMPLE = "softmax sample"


class _Pools(NamedTuple):
    """What a batch of users may get."""

    utility: DoubleArray
    """float64 [u, n]: scores over temperature."""
    fresh: BoolArray
    """bool [u, n]: on sale and not seen."""
    seen: BoolArray
    """bool [u, n]: on sale and seen; fill the page once the fresh ones are used up."""
    left: IntArray
    """int64 [u]: number of fresh ones."""


class Softmax(Wrapper):
    """Draws pages from the scores of another recommender by the Plackett-Luce law, so that its logs support any target.

    The item at each position is drawn with probabilities in proportion to ``exp(score / temperature)`` among the items left
    (``recsim_llm.recommenders.plackett_luce``): a low temperature keeps close to the base's own page, a high one comes close to
    random. Draws are Gumbel noise keyed by (seed, user, visit, page, item). Prefix and slate propensities are exact. The
    slot marginal is exact at the first position; further down it takes a numerical integral a page (error below 1e-6),
    which is told only with ``slot_marginals``, and is unknown otherwise.

    The house rule on repetition holds: what the user saw fills a page, by the same law, only where fewer than ``k`` other items
    are left.

    Raises:
        ConfigError: the base is unknown, does not take its settings, has no scores or knows the truth.
    """

    class Settings(FrozenSettings):
        """Settings of ``Softmax``."""

        base: str = "mf"
        """Name of the recommender whose scores are taken, or ``module:class``; it must not know the truth."""
        temperature: float = Field(default=0.1, gt=0)
        """In units of the base's scores, above 0."""
        slot_marginals: bool = False
        """Work out the slot marginals of all positions; takes a few milliseconds a page of 10 out of 400 items."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        base = self.settings.base
        scores = self._open("softmax, base", base, self.settings.base_settings)
        if not isinstance(scores, ScoringRecommender) or not scores.certain:
            raise ConfigError(f"softmax: got base {base!r}, expected one that ranks by scores, without drawing them; take mf")
        self._base: ScoringRecommender = scores

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Draw a page of ``k`` different items for each request.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        users = len(requests.user_id)
        item = np.empty((users, k), np.int64)
        slot, prefix, slate = np.full((users, k), np.nan), np.empty((users, k)), np.empty(users)
        for rows, part in chunks(requests, len(self._known.catalog)):
            pools = self._pools(part)
            word = keyed.words(self._seed, _PURPOSE, part.user_id, part.visit, part.page)
            item[rows] = _draw(pools, word, k)
            logs = _log_prefix(pools, item[rows])
            prefix[rows], slate[rows] = np.exp(logs), np.exp(logs.sum(axis=1))
            slot[rows, 0] = prefix[rows, 0]
            if self.settings.slot_marginals:
                slot[rows, 1:] = np.einsum("njj->nj", _placements(pools, item[rows]))[:, 1:]
        ids = self._known.catalog.item_id[item]
        return Slates(ids, _told(slot).astype(np.float32), _told(prefix).astype(np.float32), _told(slate, np.float64))

    def propensities(self, requests: Requests, item_id: IntArray) -> Propensities:
        """Return how likely the slates ``item_id``, int64 [u, k], are as answers to the requests; exact."""
        prefix, slate = np.empty(item_id.shape), np.empty(len(item_id))
        for rows, part in chunks(requests, len(self._known.catalog)):
            logs = _log_prefix(self._pools(part), self._known.catalog.index_of(item_id[rows]))
            prefix[rows], slate[rows] = np.exp(logs), np.exp(logs.sum(axis=1))
        return Propensities(prefix, slate)

    def placements(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return float64 [u, k, k]: how likely item j of a slate is to stand at position l, by numerical integration."""
        placed = np.empty((*item_id.shape, item_id.shape[1]))
        for rows, part in chunks(requests, len(self._known.catalog)):
            placed[rows] = _placements(self._pools(part), self._known.catalog.index_of(item_id[rows]))
        return placed

    def sample(self, requests: Requests, k: int, draws: int, seed: int) -> IntArray:
        """Return int64 [draws, u, k]: item ids of further pages, drawn apart from those of ``recommend``.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        item = np.empty((draws, len(requests.user_id), k), np.int64)
        for rows, part in chunks(requests, len(self._known.catalog)):
            pools = self._pools(part)
            for draw in range(draws):
                word = keyed.words(seed, _SAMPLE, part.user_id, part.visit, part.page, draw)
                item[draw, rows] = _draw(pools, word, k)
        return self._known.catalog.item_id[item]

    def next_items(self, requests: Requests, item_id: IntArray) -> NextItems:
        """Return the distribution at each position of the slates ``item_id``, given the items before it; exact."""
        pools, slate = self._pools(requests), self._known.catalog.index_of(item_id)
        fresh = plackett_luce.next_item(pools.utility, pools.fresh, slate)
        again = plackett_luce.next_item(pools.utility, pools.seen, slate)
        late = np.arange(slate.shape[1]) >= pools.left[:, None]
        return NextItems(self._known.catalog.item_id, np.where(late[:, :, None], again, fresh))

    def _pools(self, requests: Requests) -> _Pools:
        utility = self._base._score(requests).astype(np.float64) / self.settings.temperature
        seen = self._known.seen(requests)
        fresh = self._known.on_sale & ~seen
        return _Pools(utility, fresh, self._known.on_sale & seen, np.count_nonzero(fresh, axis=1))


def _draw(pools: _Pools, word: keyed.Words, k: int) -> IntArray:
    """Return int64 [u, k]: the items with the largest sums of utility and Gumbel noise, fresh ones first."""
    items = pools.utility.shape[1]
    noise = -np.log(-np.log(keyed.uniform(keyed.absorb(word[:, None], np.arange(items)))))
    key = pools.utility + noise
    best = top_k(np.where(pools.fresh, key, -np.inf), k)
    for row in np.flatnonzero(pools.left < k):
        best[row] = np.lexsort((-key[row], ~pools.fresh[row], ~(pools.fresh[row] | pools.seen[row])))[:k]
    return best


def _log_prefix(pools: _Pools, slate: IntArray) -> DoubleArray:
    fresh = plackett_luce.log_prefix(pools.utility, pools.fresh, slate)
    late = np.arange(slate.shape[1]) >= pools.left[:, None]
    if not late.any():
        return fresh
    return np.where(late, plackett_luce.log_prefix(pools.utility, pools.seen, slate), fresh)


def _placements(pools: _Pools, slate: IntArray) -> DoubleArray:
    slots = slate.shape[1]
    placed = np.zeros((len(slate), slots, slots))
    some = np.flatnonzero(pools.left)
    placed[some] = _of_pool(pools, pools.fresh, slate, some)
    for row in np.flatnonzero(pools.left < slots):
        left = int(pools.left[row])
        placed[row, :, left:] = _of_pool(pools, pools.seen, slate, np.array([row]))[0, :, : slots - left]
    return placed


def _of_pool(pools: _Pools, pool: BoolArray, slate: IntArray, rows: IntArray) -> DoubleArray:
    own = slate[rows]
    mine = (own >= 0) & np.take_along_axis(pool[rows], np.maximum(own, 0), axis=1)
    return plackett_luce.placements(pools.utility[rows], pool[rows], np.where(mine, own, -1))


def _told(chance: DoubleArray, kind: npt.DTypeLike = np.float32) -> DoubleArray:
    """Return the probabilities, those too small for the log's type as unknown: never zero."""
    return np.where(chance < np.finfo(kind).tiny, np.nan, np.minimum(chance, 1.0))
