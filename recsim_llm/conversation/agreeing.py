"""A conversational recommender that tells users they are right: a planted fault, the sycophant."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.conversation.acts import ANSWER, CRITIQUE, LESS, RECOMMEND, Dialogues, PolicyActs, Said, silent_acts
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Agreeing", "fits_last_words"]


class Agreeing(Wrapper):
    """Recommends what fits the very last thing that the user said, whatever was said before and whatever the user likes.

    It never asks and never doubts: one wish that was not meant takes everything over until the next one. Of the items that fit
    it shows those that its base ranks first, and new ones before known ones. Language models that are trained to please were
    seen to do so (Sharma et al. 2024, "Towards understanding sycophancy in language models").

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    reads_text = False

    class Settings(FrozenSettings):
        """Settings of ``Agreeing``."""

        base: str = "popularity"
        """Name of the recommender that ranks the items, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("agreeing, base", self.settings.base, self.settings.base_settings)

    def start(self, requests: Requests) -> None:
        """Do nothing: all that is needed comes with each turn."""

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return what its base recommends."""
        return self._base.recommend(requests, k)

    def respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        """Recommend in each dialogue what fits the user's last words."""
        count = int(np.count_nonzero(self._known.on_sale))
        offered = self._retrieve(self._base, dialogues.requests, count)
        fits = np.take_along_axis(fits_last_words(dialogues.said, dialogues.attributes), offered.item_index, axis=1)
        order = np.lexsort((~fits, offered.seen), axis=1)[:, :k]
        acts = silent_acts(len(order), k)
        acts.act[:] = RECOMMEND
        acts.item_id[:] = self._known.catalog.item_id[np.take_along_axis(offered.item_index, order, axis=1)]
        return acts


def fits_last_words(said: Said, attributes: Attributes) -> BoolArray:
    """Return bool [d, n]: items that fit the last answer or critique by value; all of them where there was none."""
    fits = np.ones((len(said.user_act), len(attributes.members)), np.bool_)
    value, less = _last_wish(said)
    at = np.flatnonzero(value >= 0)
    fits[at] = attributes.members.T[value[at]] ^ less[at, None]
    return fits


def _last_wish(said: Said) -> tuple[IntArray, BoolArray]:
    """Return int64 [d], the last value spoken of or -1, and bool [d]: less of it was wanted."""
    rows = np.arange(len(said.user_act))
    spoke = np.isin(said.user_act, (ANSWER, CRITIQUE)) & (said.value >= 0)
    last = spoke.shape[1] - 1 - spoke[:, ::-1].argmax(axis=1)
    value: IntArray = np.where(spoke.any(axis=1), said.value[rows, last], -1)
    return value, said.critique[rows, last] == LESS
