"""What every click model can do once it is fitted: chances of clicks, their likelihood, and simulated clicks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.agents.browsing.item_chances import ItemChances
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_whole_numbers, check_whole_number
from recsim_llm.errors import DataError

__all__ = ["LEAST_CHANCE", "BrowsingModel", "ClickModelName", "log_chances"]

ClickModelName = Literal["position-based", "cascade", "dependent-click", "simplified-dbn", "dbn", "user-browsing"]

LEAST_CHANCE = 1e-6
"""Least chance that a log-likelihood grants to what happened, as in PyClick: a cascade allows no second click at all."""

Decide = Callable[[int, DoubleArray], BoolArray]
"""Position and chances of a click there, [n], to the clicks, bool [n]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BrowsingModel(ABC):
    """A fitted click model. Items are outside ids; -1 is a blank slot, which is passed over as if it were not there."""

    name: ClickModelName
    attraction: ItemChances
    """Chance of a click on an item that is looked at."""
    slate_size: int
    """Positions that the fit saw; pages may be shorter."""
    pages: int
    """Pages that it was fitted on."""
    steps: int
    """Steps of expectation maximisation."""
    settled: bool
    """Whether these came to rest."""

    @abstractmethod
    def parameters(self) -> dict[str, DoubleArray]:
        """Return the parameters by name, those of single items apart."""

    @abstractmethod
    def examination_table(self) -> DoubleArray:
        """Return float64 [k, k + 1]: chances that a position is looked at, by the position of the last click above it.

        That position counts from 1; 0 is no click above. NaN where it does not lie above.
        """

    @abstractmethod
    def marginal(self, item_id: IntArray) -> DoubleArray:
        """Return float64 [n, k]: chances of clicks before anything on the page is known.

        Raises:
            DataError: the pages are longer than those of the fit.
        """

    @abstractmethod
    def _begin(self, pages: int) -> DoubleArray:
        """Return the state of readers at the top of the page, float64 [n]."""

    @abstractmethod
    def _examined(self, rank: int, state: DoubleArray) -> DoubleArray:
        """Return the chance that they look at a position."""

    @abstractmethod
    def _after(self, rank: int, state: DoubleArray, item_id: IntArray, clicked: BoolArray) -> DoubleArray:
        """Return their state below a position."""

    def conditional(self, pages: ClickedPages) -> DoubleArray:
        """Return float64 [n, k]: the chance of a click at each position, given the clicks above it.

        Raises:
            DataError: the pages are longer than those of the fit.
        """
        chances, _ = self._walk(self._checked(pages.item_id), lambda rank, _: pages.clicked[:, rank])
        return chances

    def log_likelihood(self, pages: ClickedPages) -> DoubleArray:
        """Return float64 [n]: the natural logarithm of the chance of each page's clicks.

        Raises:
            DataError: the pages are longer than those of the fit.
        """
        total: DoubleArray = log_chances(self.conditional(pages), pages).sum(axis=1)
        return total

    def perplexity(self, pages: ClickedPages) -> DoubleArray:
        """Return float64 [k]: perplexity by position, ``2 ** -mean(log2 P(click or none))`` with marginal chances.

        1 is a perfect forecast, 2 that of a coin (Dupret & Piwowarski 2008, "A user browsing model to predict search engine
        click data from past observations", section 4.3). NaN where no page has an item.

        Raises:
            DataError: the pages are longer than those of the fit.
        """
        logs, there = log_chances(self.marginal(pages.item_id), pages), pages.item_id >= 0
        count = there.sum(axis=0)
        return np.where(count > 0, np.exp(-logs.sum(axis=0) / np.maximum(count, 1)), np.nan)

    def simulate(self, item_id: IntArray, seed: int, *, key: IntArray | None = None) -> BoolArray:
        """Return bool [n, k]: clicks on pages.

        Args:
            item_id: int64 [n, k]: outside ids, -1 where a slot is blank.
            seed: of the dice, which are keyed by seed, page and position.
            key: int64 [n]: the page's number for the dice; None takes its row.

        Raises:
            DataError: the pages are longer than those of the fit.
        """
        check_whole_number("seed", seed, least=0)
        item_id = self._checked(item_id)
        page = np.arange(len(item_id)) if key is None else key
        _, clicked = self._walk(
            item_id, lambda rank, chance: keyed.uniform(keyed.words(seed, "click model", page, rank)) < chance
        )
        return clicked

    def _walk(self, item_id: IntArray, decide: Decide) -> tuple[DoubleArray, BoolArray]:
        attraction = self.attraction.of(item_id)
        state = self._begin(len(item_id))
        chances, clicked = np.zeros(item_id.shape), np.zeros(item_id.shape, np.bool_)
        for rank in range(item_id.shape[1]):
            chances[:, rank] = self._examined(rank, state) * attraction[:, rank]
            clicked[:, rank] = decide(rank, chances[:, rank]) & (item_id[:, rank] >= 0)
            state = self._after(rank, state, item_id[:, rank], clicked[:, rank])
        return chances, clicked

    def _checked(self, item_id: IntArray) -> IntArray:
        checked = as_whole_numbers("pages, item_id", item_id, ("pages", "positions"), least=-1)
        if checked.shape[1] > self.slate_size:
            raise DataError(
                f"pages: got {checked.shape[1]} positions, expected at most {self.slate_size}, those of the fit; cut the pages"
            )
        return checked


def log_chances(chances: DoubleArray, pages: ClickedPages) -> DoubleArray:
    """Return float64 [n, k]: natural logarithms of the chances of what happened, 0 for blank slots."""
    happened = np.where(pages.clicked, chances, 1.0 - chances)
    return np.where(pages.item_id >= 0, np.log(np.maximum(happened, LEAST_CHANCE)), 0.0)
