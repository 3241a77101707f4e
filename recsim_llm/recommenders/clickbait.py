"""A recommender's pages under titles of its own, made to be clicked."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.base import LONGEST_WORDS
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Clickbait"]

_TITLES = {
    "mild": "{}!",
    "bold": "You have to see {}!",
    "shameless": "You won't believe what happens in {}...!",
}


class Clickbait(Wrapper):
    """Shows another recommender's pages under titles that promise much. Items and propensities are the base's.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(FrozenSettings):
        """Settings of ``Clickbait``."""

        base: str = "mf"
        """Name of the recommender whose pages are shown, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""
        words: Literal["mild", "bold", "shameless"] = "shameless"
        """How much is promised; by ``clickbait_strength`` a quarter, a half, and all."""
        share: float = Field(default=1.0, ge=0, le=1)
        """Share of the items that get a title of its own, the same ones whenever a user is shown them."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("Clickbait, base", self.settings.base, self.settings.base_settings)

    def _learn(self) -> None:
        words, titles = _TITLES[self.settings.words], self._known.catalog.title.tolist()
        self._titles = np.empty(len(titles), object)
        self._titles[:] = [words.format(str(title)[: LONGEST_WORDS - len(words)]) for title in titles]

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's pages with titles.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        slates = self._base.recommend(requests, k)
        item = self._known.catalog.index_of(np.asarray(slates.item_id, np.int64))
        dice = keyed.uniform(keyed.words(self._seed, "title", requests.user_id[:, None], item))
        own = (dice < self.settings.share) & (item >= 0)
        return slates._replace(title=np.where(own, self._titles[np.maximum(item, 0)], "").astype(object))
