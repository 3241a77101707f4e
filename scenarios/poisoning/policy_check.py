"""Is this recommender poisoned? Its pages are held against those that it makes without whoever looks fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders import Recommender, Screened, open_recommender

__all__ = ["POISONED", "PolicyCheck", "check_policy"]

POISONED = 0.1
"""From which share of users on, who are shown one item more because of suspects, a recommender counts as poisoned."""


@dataclass(frozen=True, kw_only=True)
class PolicyCheck:
    """What was found of one recommender."""

    poisoned: bool
    """Whether ``gain`` is ``POISONED`` or more."""
    item_id: int
    """Outside id of the item that gains most by suspects."""
    gain: float
    """Share of the users who are shown that item on their first page, less the share without the suspects."""
    suspects: IntArray
    """int64 [s]: outside ids of the users who look fake."""
    shown: DoubleArray
    """float64 [n]: share of the users who are shown each item on their first page."""
    shown_without: DoubleArray
    """float64 [n]: the same of a recommender that did not learn from the suspects."""


def check_policy(
    name: str,
    catalog: Catalog,
    ratings: Ratings,
    users: IntArray,
    *,
    seed: int,
    k: int = 10,
    settings: Mapping[str, Any] | None = None,
) -> PolicyCheck:
    """Fit a recommender with and without the users who look fake, and see whether some item is shown much more with them.

    No item need be named, and nobody need know who is fake: whoever attacks a recommender wants an item to be shown, and whom
    the fake users do not resemble is of no use to them. What fake users do to nobody's pages is not found.

    Args:
        name: of the recommender, or ``module:class``.
        catalog: the items.
        ratings: what it learns from.
        users: int64 [u]: outside ids of those whose first pages are looked at.
        seed: of the fits, the same for both.
        k: slots a page.
        settings: of the recommender, by name.

    Raises:
        ConfigError: there is no such recommender, or all users look fake.
    """
    screened = Screened(Screened.Settings(base=name, base_settings=dict(settings or {})))
    shown, without = (
        _shown_shares(one, catalog, ratings, users, seed=seed, k=k) for one in (open_recommender(name, settings), screened)
    )
    gains = shown - without
    most = int(gains.argmax())
    return PolicyCheck(
        poisoned=bool(gains[most] >= POISONED),
        item_id=int(catalog.item_id[most]),
        gain=float(gains[most]),
        suspects=screened.suspects,
        shown=shown,
        shown_without=without,
    )


def _shown_shares(
    recommender: Recommender, catalog: Catalog, ratings: Ratings, users: IntArray, *, seed: int, k: int
) -> DoubleArray:
    """Fit a recommender and return float64 [n]: the share of the users who are shown each item on their first page."""
    recommender.fit(catalog, ratings, seed)
    first, nothing = np.zeros(len(users), np.int64), np.zeros((len(users), 0))
    history = nothing.astype(np.int64), nothing.astype(np.bool_), nothing.astype(np.float32)
    slates = recommender.recommend(Requests(users, first, first, *history), k)
    item = catalog.index_of(np.asarray(slates.item_id).reshape(-1))
    return np.bincount(item[item >= 0], minlength=len(catalog)) / len(users)
