"""Rollouts: futures that copies of users live through, under the rules and rewards of the run but with dice of their own.

Whoever plans ahead may know what users are and how they change, not what the run will draw: the dice of a rollout hang on a
seed that the planner brings. Copies that get the same seed meet the same dice whatever they are shown (common random numbers).
"""

from __future__ import annotations

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Rows, probability
from recsim_llm.core.protocols import RanksItems
from recsim_llm.core.visits import Visits, draw_return
from recsim_llm.errors import ConfigError

__all__ = ["Rollouts"]


class Rollouts:
    """Users who are copied as they are now, or as they begin a first visit, and browse on.

    Args:
        visits: where they browse; it is left as it is.
        rows: int64 [m]: whom to copy, each as often as wanted.
        user_id: int64 [m]: their outside ids.
        seed: uint64 [m]: of each copy's dice; it must not be made from the run's seed.
        most_visits: visits after which nobody comes back.
        afresh: int64 [m]: user indices of the copies, who then begin a first visit; None lets them go on where they are.

    Raises:
        ConfigError: the user model cannot copy its users.
    """

    def __init__(
        self,
        visits: Visits,
        rows: IntArray,
        *,
        user_id: IntArray,
        seed: keyed.Words,
        most_visits: int,
        afresh: IntArray | None = None,
    ) -> None:
        self._visits = visits.copy_rows(rows, seed)
        self._user_id, self._seed, self._most_visits = user_id, seed, most_visits
        self.rows = np.arange(len(rows))
        """int64 [a]: the copies that still browse, ascending."""
        if afresh is not None:
            self._begin(ALL_ROWS, afresh, np.zeros(len(rows), np.int64), seed)

    def appeal(self) -> FloatArray:
        """Return float32 [m, n]: the log-odds of a click on every item of the catalog, for each copy.

        Raises:
            ConfigError: the user model cannot tell.
        """
        users = self._visits.kernel.users
        if not isinstance(users, RanksItems):
            raise ConfigError(f"rollouts: got {type(users).__name__}, which has no appeal(rows), expected choice users")
        return users.appeal(ALL_ROWS)

    def click_log_odds(self, item_index: IntArray, rows: IntArray) -> FloatArray:
        """Return float32 [m, p]: the log-odds of a click on items if examined.

        Args:
            item_index: int64 [m, p]: catalog positions, any number of them.
            rows: int64 [m]: which copies are asked.
        """
        kernel = self._visits.kernel
        return kernel.users.decide(kernel.pages(item_index, rows)).click_log_odds

    def expected_stars(self, item_index: IntArray, rows: IntArray) -> FloatArray:
        """Return float32 [m, p]: the mean of the rating that a click on each item would lead to; arguments as before."""
        kernel = self._visits.kernel
        pages, slot = kernel.pages(item_index, rows), np.arange(item_index.size)
        kernel.users.decide(pages)
        below = probability(kernel.users.rating_log_odds(pages, slot, slot // item_index.shape[1]))
        levels = kernel.users.levels
        # Not a matrix product: that may round a user differently when other users are asked beside.
        stars: FloatArray = levels[-1] - np.add.reduce(np.diff(levels)[:, None] * below, axis=0)
        return stars.reshape(item_index.shape)

    def show(self, item_index: IntArray) -> DoubleArray:
        """Show a page to each of the copies that still browse, and let who ended a visit come back, or not.

        Args:
            item_index: int64 [a, k]: catalog positions; the caller keeps to the rules.

        Returns:
            float64 [a]: what the page pays.
        """
        rows, users = self.rows, self._visits.kernel.users
        outcome = self._visits.show(item_index, rows)
        ended = rows[outcome.ended]
        if ended.size:
            visit = self._visits.kernel.visit[ended]
            _, back = draw_return(users, ended, seed=self._seed[ended], user_id=self._user_id[ended], visit=visit)
            back &= visit + 1 < self._most_visits
            again = ended[back]
            if again.size:
                self._begin(again, self._visits.kernel.user_index[again], visit[back] + 1, self._seed[again], returning=True)
            gone = np.zeros(len(self._seed), np.bool_)
            gone[ended[~back]] = True
            self.rows = rows[~gone[rows]]
        return outcome.reward

    def _begin(self, rows: Rows, user_index: IntArray, visit: IntArray, seed: keyed.Words, *, returning: bool = False) -> None:
        dice = self._visits.kernel.dice(user_index, visit, seed)
        self._visits.begin(rows, user_index, visit, dice, returning=returning)
