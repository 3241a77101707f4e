"""A policy of an environment as a recommender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.ranking import ProductRanking, top_k
from recsim_llm.recommenders.scoring import ScoringRecommender, chunks
from recsim_llm.training.choice_checks import check_choice
from recsim_llm.training.learners import Choice, Policy, PolicyWorld
from recsim_llm.training.policy_terms import PolicyTerms
from recsim_llm.training.request_observer import RequestObserver

__all__ = ["PolicyRecommender"]

_DRAW, _OFFER = "policy", "candidates of a policy"


class PolicyRecommender(ScoringRecommender):
    """Asks a policy what to show, and keeps to the rule on repetition.

    Of the items that an action names, those are shown that may be, in its order; of an embedding, the best of those that may
    be. What is missing then is filled up with the most popular items of the training part that may be shown.

    Args:
        terms: what the policy sees and says.
        read: returns the policy, given the world that it acts in.
        stochastic: whether its chance is let in; draws hang on (seed, user, visit, page).
    """

    def __init__(self, terms: PolicyTerms, read: Callable[[PolicyWorld], Policy], *, stochastic: bool = False) -> None:
        self._terms, self._read, self._stochastic = terms, read, stochastic
        self._policy: Policy | None = None
        self._observer: RequestObserver | None = None
        self._ranking: ProductRanking | None = None

    @property
    def holdout(self) -> float | None:
        """Share of the users that its training never met; None where nobody noted it."""
        return self._terms.holdout

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return a page for each request.

        Propensities are 1 where nothing is drawn. Where a policy draws items, its prefix propensities are those of the items
        that stand where it named them, and the slate's are their product; what is not known is NaN.

        Raises:
            ConfigError: not fitted, or pages are longer or shorter than those that the policy was trained on.
        """
        if k != self._terms.slate_size:
            trained = self._terms.slate_size
            raise ConfigError(
                f"trained policy: got a slate size of {k}, expected {trained}, with which it was trained; pass --slate-size "
                f"{trained}, or candidates: {trained} where another recommender works on its pages"
            )
        self._check_size(k)
        shape = (len(requests.user_id), k)
        best, prefix = np.empty(shape, np.int64), np.empty(shape, np.float32)
        for rows, part in chunks(requests, len(self._known.catalog)):
            best[rows], prefix[rows] = self._page(part, k)
        item_id, whole = self._known.catalog.item_id[best], prefix.prod(axis=1, dtype=np.float64)
        marginal = np.where((prefix == 1).all(axis=1)[:, None], prefix, np.float32(np.nan))
        return Slates(item_id, marginal, prefix, whole)

    def _learn(self) -> None:
        catalog = self._known.catalog
        self._terms.check(catalog, "trained policy")
        self._observer = RequestObserver(self._terms, catalog, self._known.ratings)
        world = _world(self._terms, catalog, self._observer.space)
        self._policy, self._space = self._read(world), world.action_space
        self._on_sale = np.flatnonzero(self._known.on_sale)
        self._ranking = ProductRanking(catalog.features[self._on_sale])

    def _page(self, requests: Requests, k: int) -> tuple[IntArray, FloatArray]:
        """Return int64 [u, k]: catalog positions, and float32 [u, k]: prefix propensities, NaN where unknown."""
        if self._observer is None or self._policy is None:
            raise ConfigError("trained policy: got a request before fit, expected a fitted recommender; call fit first")
        keys = requests.user_id, requests.visit, requests.page
        fresh = ~self._barred(requests)
        offered = self._offer(requests, fresh) if self._terms.candidates else None
        word = keyed.words(self._seed, _DRAW, *keys) if self._stochastic else None
        answer = self._policy.act(self._observer.observe(requests, fresh, offered), word)
        choice = check_choice(answer, self._space, len(fresh), self._terms.algorithm)
        if choice.scores is not None:
            best, prefix = self._by_scores(fresh, choice, offered, word)
        elif self._ranking is not None and self._terms.action == "embedding":
            barred = np.packbits(~fresh[:, self._on_sale], axis=1, bitorder="little")
            best, prefix = self._on_sale.take(self._ranking.best(choice.action.astype(np.float32), k, barred)), None
        else:
            named = choice.action.reshape(len(choice.action), -1)
            named = named if offered is None else np.take_along_axis(offered, named, axis=1)
            best, prefix = self._pick(requests, self._named_first(named), k), choice.prefix_propensity
            if prefix is not None:
                prefix = np.where((np.asarray(best) == named).all(axis=1, keepdims=True), prefix, np.float32(np.nan))
        if offered is not None or (prefix is None and word is not None):
            return best, np.full(best.shape, np.nan, np.float32)  # Who is offered is drawn too, of which nobody knows the law.
        return best, np.ones(best.shape, np.float32) if prefix is None else prefix

    def _by_scores(
        self, fresh: BoolArray, choice: Choice, offered: IntArray | None, word: keyed.Words | None
    ) -> tuple[IntArray, FloatArray | None]:
        """Fill slot after slot with what the policy wants most there, or draws, of the items that may still be shown."""
        assert choice.scores is not None
        users, slots, _ = choice.scores.shape
        drawing = word is not None and choice.chance
        # Popularity decides only where nothing is left of what was offered.
        usual = np.broadcast_to(self._known.popularity_order, fresh.shape)
        best, prefix = np.empty((users, slots), np.int64), np.empty((users, slots), np.float32)
        pool, barred = fresh.copy(), self._known.on_sale & ~fresh
        rows = np.arange(users)
        for slot in range(slots):
            empty = np.count_nonzero(pool, axis=1) == 0
            pool[empty], barred[empty] = barred[empty], False
            wanted = choice.scores[:, slot]
            if offered is not None:
                wanted = np.full(fresh.shape, -np.inf, np.float32)
                np.put_along_axis(wanted, offered, choice.scores[:, slot], axis=1)
            wanted = np.where(pool, wanted, -np.inf)
            nothing = np.isneginf(wanted.max(axis=1))
            wanted = np.where(nothing[:, None], np.where(pool, usual, -np.inf), wanted)
            draw = None if not drawing else keyed.uniform(keyed.absorb(cast(keyed.Words, word), slot))
            best[:, slot], prefix[:, slot] = _take(wanted, draw)
            pool[rows, best[:, slot]] = False
        return best, prefix if drawing else None

    def _named_first(self, named: IntArray) -> FloatArray:
        """Return float32 [u, n]: scores by which named items come first, in their order, and popular ones after them."""
        scores = np.tile(self._known.popularity_order, (len(named), 1))
        rows = np.arange(len(named))
        # From the last slot to the first, so that an item named twice stands where it was named first.
        for slot in reversed(range(named.shape[1])):
            scores[rows, named[:, slot]] = named.shape[1] - slot
        return scores

    def _offer(self, requests: Requests, fresh: BoolArray) -> IntArray:
        """Return int64 [u, c]: catalog positions of the candidates, drawn from what is new to each user, then from the rest."""
        word = keyed.words(self._seed, _OFFER, requests.user_id, requests.visit, requests.page)
        draw = keyed.uniform(keyed.absorb(word[:, None], np.arange(fresh.shape[1])))
        return top_k(draw + fresh - 2.0 * ~self._known.on_sale, self._terms.candidates)


def _world(terms: PolicyTerms, catalog: Catalog, observation_space: spaces.Dict) -> PolicyWorld:
    """Return the world that a policy acts in, as its environment would describe it."""
    options = {"slate": len(catalog), "candidates": terms.candidates}
    action_space: spaces.Space[Any] = (
        spaces.Box(-1, 1, catalog.features.shape[1:], np.float32)
        if terms.action == "embedding"
        else spaces.MultiDiscrete(np.full(terms.slate_size, options[terms.action], np.int64))
    )
    return PolicyWorld(
        catalog=catalog, slate_size=terms.slate_size, observation_space=observation_space, action_space=action_space
    )


def _take(wanted: FloatArray, draw: DoubleArray | None) -> tuple[IntArray, FloatArray]:
    """Return what is wanted most, or drawn in proportion to ``exp(wanted)``, int64 [u], and how likely it was, float32 [u].

    Args:
        wanted: float32 [u, n], minus infinity for what cannot be taken.
        draw: float64 [u]: uniforms; None draws nothing.
    """
    best = wanted.argmax(axis=1)
    if draw is None:
        return best, np.ones(len(best), np.float32)
    weight = np.exp(wanted.astype(np.float64) - np.take_along_axis(wanted, best[:, None], axis=1))
    below = np.cumsum(weight, axis=1)
    # The first option whose sum exceeds the draw has a weight above 0.
    chosen = (below <= draw[:, None] * below[:, -1:]).sum(axis=1)
    chance = np.take_along_axis(weight, chosen[:, None], axis=1)[:, 0] / below[:, -1]
    return chosen, chance.astype(np.float32)
