"""Providers who leave when what they offer is shown too little.

On each day a provider ``p`` with items on sale deserves the share ``m_p`` of all slots: the merit of its items over that of all
items on sale. Exposure over merit, over the last ``window_days`` days ``d`` with ``n_d`` slots shown, ``n_dp`` of them with
items of ``p``, is

    r_p = sum_d n_dp / sum_d n_d m_dp

(exposure per merit as in Singh & Joachims 2018, *Fairness of Exposure in Rankings*, eq. 6, with a slot as the unit of exposure;
how people look at a page is not weighed). 1 is fair, 0 is never shown. Who stays below ``least_share`` for ``patience_days``
days in a row takes all items off sale and does not come back.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.dynamics.timeline import Event
from recsim_llm.errors import ConfigError
from recsim_llm.log.schema import PROVIDER_EXPOSURE, PROVIDER_LEAVES

__all__ = ["ProviderExits", "ProviderSettings"]


class ProviderSettings(FrozenSettings):
    """When providers leave. All numbers are assumed: no log that is loaded says why sellers give up."""

    least_share: float = Field(default=0.5, ge=0, le=1)
    """Exposure over merit below which a provider thinks of leaving; 0: nobody leaves, and exposure is written down alone."""
    merit: Literal["items", "ratings"] = "items"
    """What exposure is deserved by: the number of items on sale, or their ratings in the training part of the data."""
    window_days: int = Field(default=7, ge=1, le=3650)
    """Days, the present one included, over which exposure is counted."""
    patience_days: int = Field(default=5, ge=1, le=3650)
    """Days in a row, each with too little exposure over its window, after which a provider leaves."""
    grace_days: int = Field(default=7, ge=0, le=36_500)
    """Days from the beginning that are not held against anybody."""


class ProviderExits:
    """Who still offers items, in one arm of a run.

    Args:
        settings: when they leave.
        catalog: the items.
        slate_size: items a page; a provider whose leaving would leave fewer than that on sale stays.

    Raises:
        ConfigError: the data do not say who provides items.
    """

    def __init__(self, settings: ProviderSettings, catalog: Catalog, slate_size: int) -> None:
        named = [] if catalog.provider is None else sorted({name for name in catalog.provider.tolist() if name})
        if not named:
            raise ConfigError("providers: got data without providers, expected a column provider of items; leave it out")
        self._settings, self._slate_size = settings, slate_size
        self.names = tuple(named)
        """By number."""
        place = {name: number for number, name in enumerate(named)}
        self._provider = np.array([place.get(name, len(named)) for name in np.asarray(catalog.provider).tolist()], np.int64)
        weight = np.ones(len(catalog)) if settings.merit == "items" else catalog.popularity
        self._weight = np.asarray(weight, np.float64)
        self._step = np.zeros(len(named) + 1, np.int64)
        # Days of the window, the oldest overwritten: slots shown, and slots deserved.
        self._shown, self._deserved = np.zeros((2, settings.window_days, len(named)))
        self._short = np.zeros(len(named), np.int64)
        self._gone = np.zeros(len(named) + 1, np.bool_)

    def offered(self) -> BoolArray:
        """Return bool [n]: items that nobody has taken away, those without a provider among them."""
        offered: BoolArray = ~self._gone[self._provider]
        return offered

    def take_in(self, item_index: IntArray) -> None:
        """Count what was shown: int64 [m, k], -1 for a blank slot."""
        shown = item_index[item_index >= 0]
        self._step += np.bincount(self._provider[shown], minlength=len(self._step))

    def end_step(self, day: int, on_sale: BoolArray) -> None:
        """Add what was shown in a step to its day, and what would have been shown by merit.

        Args:
            day: of the step.
            on_sale: bool [n]: the items that were on sale in it.
        """
        merit = np.bincount(self._provider, self._weight * on_sale, minlength=len(self._step))
        place = day % self._settings.window_days
        self._shown[place] += self._step[:-1]
        if merit.any():
            self._deserved[place] += self._step.sum() * (merit / merit.sum())[:-1]
        self._step[:] = 0

    def end_day(self, day: int, on_sale: BoolArray) -> list[Event]:
        """Let providers decide, and return what each one's exposure was and who leaves.

        Args:
            day: that is over.
            on_sale: bool [n]: the items that are on sale at its end.
        """
        deserved = self._deserved.sum(axis=0)
        judged = ~self._gone[:-1] & (deserved > 0)
        ratio = np.divide(self._shown.sum(axis=0), deserved, out=np.zeros_like(deserved), where=judged)
        following = (day + 1) % self._settings.window_days
        self._shown[following], self._deserved[following] = 0.0, 0.0
        short = judged & (ratio < self._settings.least_share) & (day >= self._settings.grace_days)
        self._short = np.where(short, self._short + 1, 0)
        leaving = self._leave(ratio, on_sale)
        exposures = [self._event(PROVIDER_EXPOSURE, number, ratio) for number in np.flatnonzero(judged).tolist()]
        return exposures + [self._event(PROVIDER_LEAVES, number, ratio) for number in leaving]

    def _leave(self, ratio: DoubleArray, on_sale: BoolArray) -> list[int]:
        """Take away the items of who has lost patience, the least shown first; return who that is."""
        left = np.bincount(self._provider, on_sale, minlength=len(self._step))
        leaving = []
        for number in np.argsort(ratio, kind="stable").tolist():
            enough = left.sum() - left[number] >= self._slate_size
            if self._short[number] >= self._settings.patience_days and enough:
                self._gone[number], left[number] = True, 0
                leaving.append(number)
        return leaving

    def _event(self, event: str, number: int, ratio: DoubleArray) -> Event:
        return Event(event, self.names[number], float(ratio[number]), number)
