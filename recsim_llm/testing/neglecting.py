"""A recommender with a planted fault, to see it found: by their profile it serves users of one kind worse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.reranking import Reranker

__all__ = ["Neglecting"]


class Neglecting(Reranker):
    """Shows users of one kind its base's candidates from the last one upwards, and all others from the first downwards.

    How much that takes from them hangs on how many ``candidates`` there are. A run names it
    ``recsim_llm.testing.neglecting:Neglecting``.

    Raises:
        ConfigError: as of ``Reranker``, or the users' profile has no such field.
        DataError: nobody knows the users' profile.
    """

    class Settings(Reranker.Settings):
        """Settings of ``Neglecting``."""

        strength: float = 1.0
        """As of ``Reranker``; from 0.5 on the neglected are served in the reverse order."""
        candidates: int = 20
        """As of ``Reranker``."""
        field: str = "region"
        """Field of the profile that it goes by."""
        value: str = "south"
        """Value of those whom it neglects."""

    settings: Settings

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        relevance = 1 - np.arange(item.shape[1]) / item.shape[1]
        neglected = requests.profile.values(self.settings.field) == self.settings.value
        gain: DoubleArray = np.where(neglected[:, None], -relevance, relevance)
        return lambda _: gain
