"""A re-ranker that serves groups of users who get less by another recommender, until they no longer do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.reranking import Reranker
from recsim_llm.recommenders.scoring import take

__all__ = ["GroupFair"]


class GroupFair(Reranker):
    """Gives users of groups who click less than the best-off group the order of a second recommender.

    Groups are the values of one field of the users' profile. Of a group with ``c_g`` clicks on ``n_g`` pages so far in the
    run, and the best-off group with the highest ``c_b / n_b``, the lag is ``min(1, (1 - (c_g / n_g) / (c_b / n_b)) / f)``
    with ``f`` for ``full_at``. The gain of a candidate at rank r of c is ``(1 - lag) (1 - r / c) + lag (1 - s / c)``, with s
    its rank in the second recommender's order, c where it is not among its first c. So who is not behind keeps the base's
    order, and who is far behind gets the second's: groups are levelled up, none down. Users whose group nobody knows are never
    behind.

    It is the feedback of FairCo (Morik et al. 2020, section 5), which counts exposure of items, turned to clicks of users,
    after the re-ranking for groups of users of Li et al. 2021 (*User-oriented fairness in recommendation*, WWW). It learns with
    ``observe``: all pages that are asked for at once are made alike. Where groups click differently by themselves, it cannot
    tell that from unfairness, and what it can do for them is only what the second recommender can.

    Raises:
        ConfigError: as of ``Reranker``; when asked, of users whose profile has no such field.
        DataError: when asked, nobody knows the users' profile.
    """

    class Settings(Reranker.Settings):
        """Settings of ``GroupFair``."""

        field: str
        """Field of the profile that groups users."""
        strength: float = Field(default=1.0, ge=0, le=1)
        """As of ``Reranker``; 0 leaves the base's order as it is."""
        second: str = "mf"
        """Name of the recommender whose order groups who are behind get, or ``module:class``."""
        second_settings: dict[str, Any] = Field(default_factory=dict)
        """Its settings, by name."""
        full_at: float = Field(default=0.2, gt=0, le=1)
        """By which share of its clicks a page a group is behind the best-off one when it gets the second's order alone."""
        least_pages: int = Field(default=100, ge=1)
        """Pages that a group must have been shown before its clicks count."""

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._second = self._open("GroupFair, second", settings.second, settings.second_settings)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the two others, and forget what groups clicked."""
        super().fit(catalog, ratings, seed)
        self._pages: dict[str, int] = {}
        self._clicks: dict[str, int] = {}

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Count what groups clicked, and tell the others what came of it."""
        groups, place = np.unique(requests.profile.values(self.settings.field).astype(str), return_inverse=True)
        pages, clicks = np.bincount(place), np.bincount(place, clicked.sum(axis=1))
        for group, more, taken in zip(groups.tolist(), pages.tolist(), clicks.tolist(), strict=True):
            self._pages[group] = self._pages.get(group, 0) + more
            self._clicks[group] = self._clicks.get(group, 0) + int(taken)
        super().observe(requests, slates, clicked, rating)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        count = item.shape[1]
        relevance = np.broadcast_to(1 - np.arange(count) / count, item.shape)
        lag, standing = self._lags(requests), relevance.copy()
        behind = np.flatnonzero(lag > 0)
        if behind.size:
            order = self._retrieve(self._second, take(requests, behind), count).item_index
            same = item[behind][:, :, None] == order[:, None, :]
            standing[behind] = np.where(same.any(axis=2), 1 - same.argmax(axis=2) / count, 0.0)
        gain: DoubleArray = relevance + lag[:, None] * (standing - relevance)
        return lambda _: gain

    def _lags(self, requests: Requests) -> DoubleArray:
        """Return float64 [u], 0 to 1: how far each user's group is behind."""
        enough = [group for group, pages in self._pages.items() if group and pages >= self.settings.least_pages]
        rates = {group: self._clicks[group] / self._pages[group] for group in enough}
        best = max(rates.values(), default=0.0)
        lag = {group: min(1.0, (1 - rate / best) / self.settings.full_at) for group, rate in rates.items()} if best else {}
        groups = requests.profile.values(self.settings.field).tolist()
        return np.array([lag.get(group, 0.0) for group in groups], np.float64)
