"""What recommenders that score every item have in common: who may get which item, chunks of users, exact products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Rows, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.ranking import top_k
from recsim_llm.recommenders.base import deterministic
from recsim_llm.recommenders.hooks import users_apart
from recsim_llm.recommenders.interactions import Interactions

__all__ = ["HistoryRecommender", "ScoringRecommender", "chunks", "on_grid", "own_products", "products", "take", "unknown_last"]

_CHUNK = 1_000_000
_MANTISSA = 53
_FOUND = 5


class HistoryRecommender:
    """A recommender that keeps to the rule on repetition.

    Where repeats are forbidden, which holds unless ``play_by`` says otherwise, what the user rated in the training part, or was
    shown in the run, is not recommended again; where fewer than ``k`` other items are on sale, the best of the seen ones fill
    the page. Retired items are never recommended, and no page holds an item twice.
    """

    _interactions: Interactions | None = None
    _repeats: Repeats = "forbid"
    _seed: int

    def play_by(self, repeats: Repeats) -> None:
        """Take in the scenario's rule on repetition; to be called before ``fit``."""
        self._repeats = repeats

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Learn from the catalog and the training ratings; whatever was learned before is forgotten.

        Args:
            catalog: the items.
            ratings: the training ratings; users of the run may or may not occur in them.
            seed: for all that is random in the recommender.
        """
        self._interactions = Interactions(catalog, ratings, repeats=self._repeats)
        self._seed = seed
        self._learn()

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on."""
        self._known.restock(catalog)

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Do nothing: all that is needed comes with the next request."""

    def _learn(self) -> None:
        """Learn from ``_known``; draws, if any, hang on ``_seed``. For subclasses."""

    @property
    def _known(self) -> Interactions:
        if self._interactions is None:
            raise ConfigError(f"{type(self).__name__}: got a request before fit, expected a fitted recommender; call fit first")
        return self._interactions

    def _check_size(self, k: int) -> None:
        on_sale = np.count_nonzero(self._known.on_sale)
        if not 1 <= k <= on_sale:
            raise ConfigError(f"slate size: got {k}, expected 1 to {on_sale}, the number of items on sale; use shorter pages")


class ScoringRecommender(HistoryRecommender):
    """Ranks all items by a score; subclasses say which. Where scores are certain, every propensity is 1, else it is unknown."""

    certain = True
    """False of a subclass whose scores are drawn."""

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the ``k`` best items of each user, best first; equal scores by catalog position.

        Args:
            requests: of ``u`` users.
            k: slots a page.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        best = np.empty((len(requests.user_id), k), np.int64)
        for rows, part in chunks(requests, len(self._known.catalog)):
            best[rows] = self._best(part, k)
        item_id = self._known.catalog.item_id[best]
        return deterministic(item_id) if self.certain else Slates(item_id)

    def search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        """Return what matches each query best, ordered by the user's own scores, then all else, ordered likewise.

        The ``_FOUND * k`` best matches of ``recsim_llm.dynamics.catalog_search`` count.

        Args:
            requests: of ``u`` users.
            queries: [u].
            k: slots a page.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        items = len(self._known.catalog)
        best = np.empty((len(requests.user_id), k), np.int64)
        for rows, part in chunks(requests, items):
            found = self._known.words.best(queries[rows], _FOUND * k, allowed=~self._barred(part))
            order = np.argsort(-self._score(part), axis=1, kind="stable")
            rank = np.empty(order.shape, np.float32)
            np.put_along_axis(rank, order, -np.arange(items, dtype=np.float32)[None], axis=1)
            rank[~found] -= items
            best[rows] = self._pick(part, rank, k)
        item_id = self._known.catalog.item_id[best]
        return deterministic(item_id) if self.certain else Slates(item_id)

    def _score(self, requests: Requests) -> FloatArray:
        """Return float32 [u, n] without NaN; a row depends on nothing but its request.

        It is an array that may be overwritten, or where all rows are alike, one row ``numpy.broadcast_to`` all of them.
        """
        raise NotImplementedError

    def _best(self, requests: Requests, k: int) -> IntArray:
        return self._pick(requests, self._score(requests), k)

    def _pick(self, requests: Requests, scores: FloatArray, k: int) -> IntArray:
        """Return int64 [u, k]: the best items that may be shown; the scores are overwritten, unless all rows are one."""
        barred = self._barred(requests)
        if not scores.strides[0]:
            return self._pick_alike(scores, barred, k)
        lacking = np.flatnonzero(scores.shape[1] - np.count_nonzero(barred, axis=1) < k)
        filled = self._fill(scores[lacking], barred[lacking], k)
        np.copyto(scores, -np.inf, where=barred)
        best = top_k(scores, k)
        best[lacking] = filled
        return best

    def _pick_alike(self, scores: FloatArray, barred: BoolArray, k: int) -> IntArray:
        """Return what ``_pick`` does where all rows hold the same scores: the first ``k`` of one order that may be shown."""
        order = np.argsort(-scores[0], kind="stable")
        free = ~barred.take(order, axis=1)
        lacking = np.flatnonzero(np.count_nonzero(free, axis=1) < k)
        if 4 * k > len(order):  # A pick at a time would look at all of it ever again.
            best = order[np.argsort(~free, axis=1, kind="stable")[:, :k]]
        else:
            flat, first = free.reshape(-1), np.arange(len(scores)) * len(order)
            best = np.empty((len(scores), k), np.int64)
            for slot in range(k):
                at = free.argmax(axis=1)
                best[:, slot] = order[at]
                flat[first + at] = False
        best[lacking] = self._fill(scores[lacking], barred[lacking], k)
        return best

    def _barred(self, requests: Requests) -> BoolArray:
        """Return bool [u, n]: what is not to be recommended unless nothing else is left, and what is retired."""
        barred = self._known.seen(requests)
        barred |= ~self._known.on_sale
        return barred

    def _fill(self, scores: FloatArray, barred: BoolArray, k: int) -> IntArray:
        """Rank what may be shown first, then what was seen, then what is retired."""
        if not len(scores):
            return np.empty((0, k), np.int64)
        tier = barred + 1 * ~self._known.on_sale
        order = np.argsort(-scores, axis=1, kind="stable")
        by_tier = np.argsort(np.take_along_axis(tier, order, axis=1), axis=1, kind="stable")
        return np.take_along_axis(order, by_tier, axis=1)[:, :k]


def chunks(requests: Requests, items: int, cells: int = _CHUNK) -> Iterator[tuple[slice, Requests]]:
    """Cut a batch of requests into parts of about ``cells`` user-item pairs, so that memory does not grow with the batch."""
    size = max(1, cells // items)
    for start in range(0, len(requests.user_id), size):
        rows = slice(start, start + size)
        yield rows, take(requests, rows)


def take(requests: Requests, rows: Rows) -> Requests:
    """Return the requests of some of the users."""
    taken: Requests = take_columns(requests, rows)
    return taken


def unknown_last(scores: npt.NDArray[np.floating], order: FloatArray) -> FloatArray:
    """Return scores without NaN: what has none comes after all that has one, in a given order.

    Each row is scaled by a power of two, so that nothing is rounded: the order of what has a score stays.

    Args:
        scores: [u, n], NaN or infinite where unknown.
        order: float32 [n] in (-1, 0], larger is better, as ``Interactions.popularity_order``.

    Returns:
        float32 [u, n].
    """
    known = np.isfinite(scores)
    values = np.where(known, scores, 0)
    _, exponent = np.frexp(np.abs(values).max(axis=1, keepdims=True, initial=0.0))
    return np.where(known, np.ldexp(values, -exponent), order - 2).astype(np.float32)


def products(users: npt.NDArray[np.floating], items: npt.NDArray[np.float64]) -> FloatArray:
    """Return the products of users' and items' vectors, the same to the bit whatever else is in the batch.

    Matrix libraries sum in another order for another shape, or another row of the same matrix, so that near ties would fall
    differently with the size of a batch. Here both sides lie on grids so coarse that float64 holds every partial sum
    exactly; then no order can matter. About 22 bits of each entry are kept, about as many as float32 has.

    Args:
        users: [u, d].
        items: [d, n] from ``on_grid(items, d)``.

    Returns:
        float32 [u, n].
    """
    scores: npt.NDArray[np.float64] = np.matmul(on_grid(users, users.shape[1], axis=1), items)
    return scores.astype(np.float32)


def own_products(users: npt.NDArray[np.floating], items: npt.NDArray[np.float64]) -> FloatArray:
    """Return what ``products`` gives, to the bit, where each user has items of its own.

    Args:
        users: [u, d].
        items: [u, m, d], entries of ``on_grid(…, d)``.

    Returns:
        float32 [u, m].
    """
    scores: npt.NDArray[np.float64] = np.matmul(items, on_grid(users, users.shape[1], axis=1)[:, :, None])[:, :, 0]
    return scores.astype(np.float32)


def on_grid(values: npt.NDArray[np.floating], terms: int, axis: int | None = None) -> npt.NDArray[np.float64]:
    """Round values so that sums of ``terms`` products of two such arrays are exact in float64.

    Args:
        values: any shape, finite.
        terms: how many products are summed.
        axis: round relative to the largest entry along this axis; None means relative to the largest of all.
    """
    bits = (_MANTISSA - int(terms).bit_length()) // 2
    wide = np.asarray(values, np.float64)
    largest = np.abs(wide).max(axis=axis, keepdims=axis is not None, initial=0.0)
    _, exponent = np.frexp(largest)
    rounded: npt.NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(wide, bits - exponent)), exponent - bits)
    return rounded
