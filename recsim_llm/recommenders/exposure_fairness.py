"""A re-ranker that gives providers the exposure that their items deserve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.reranking import Reranker

__all__ = ["ExposureFair"]


class ExposureFair(Reranker):
    """Moves items up whose provider was shown too little so far: a controller of exposure after FairCo (Morik et al. 2020).

    The gain of a candidate is ``1 - r`` of its provider, at least -1, with r the provider's share of all slots shown in the run
    over its share of the items on sale: above 0 for who was shown too little, below for who was shown too much. FairCo's error
    term is the distance to the group that is best off (section 5); here it is that to what is fair, so that it has a sign for
    everyone. What users clicked does not matter, and items without a provider gain nothing. It learns with ``observe``: all
    pages that are asked for at once are made alike.

    Raises:
        ConfigError: as of ``Reranker``; when fitted, of items without providers.
    """

    class Settings(Reranker.Settings):
        """Settings of ``ExposureFair``."""

    def _learn(self) -> None:
        catalog = self._known.catalog
        named = [] if catalog.provider is None else sorted({name for name in catalog.provider.tolist() if name})
        if not named:
            raise ConfigError("exposure-fair: got items without providers, expected a column provider; take mmr or calibrated")
        place = {name: number for number, name in enumerate(named)}
        self._provider = np.array([place.get(name, len(named)) for name in np.asarray(catalog.provider).tolist()], np.int64)
        self._shown = np.zeros(len(named) + 1, np.int64)

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Count what was shown, and tell the base what came of it."""
        index = self._known.catalog.index_of(slates.item_id.reshape(-1))
        self._shown += np.bincount(self._provider[index[index >= 0]], minlength=len(self._shown))
        super().observe(requests, slates, clicked, rating)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        del requests
        gain = self._provider_gains()[self._provider[item]]
        return lambda _: gain

    def _provider_gains(self) -> DoubleArray:
        """Return float64 [p + 1]: the gain of each provider's items, and of those of nobody."""
        offered = np.bincount(self._provider[self._known.on_sale], minlength=len(self._shown))
        fair = self._shown.sum() * offered / max(offered.sum(), 1)
        gains: DoubleArray = 1 - np.divide(self._shown, fair, out=np.ones(len(fair)), where=fair > 0)
        gains[-1] = 0.0
        return np.maximum(gains, -1.0)
