"""Any user model before the pages of a log: the page kernel shows them, as it does in a run."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.dice import seed_words
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import probability
from recsim_llm.core.protocols import TellsDwell
from recsim_llm.errors import DataError
from recsim_llm.population.world import World
from recsim_llm.realism.behaviour.browsers import Browsed

__all__ = ["WorldBrowsers"]

_ROWS = 4096


class WorldBrowsers:
    """Users of a world who are shown what people were shown: each session is a visit, and every page of it is played.

    How long they stay with an item they say where they were fitted to a log that tells it.

    Args:
        world: its population holds the log's users and its catalog the log's items, both by outside id.
        slots: of the widest page that will be shown, known beforehand, for the dice are laid out by it; an answer that hangs on
            no later page needs it. Wider pages are shown all the same.
    """

    def __init__(self, world: World, slots: int = 0) -> None:
        self._world, self._slots = world, slots
        self._row = {user: row for row, user in enumerate(world.population.user_id.tolist())}

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what they do.

        Raises:
            DataError: a user or an item of the log is not in the world.
        """
        missing = [user for user in shown.users.tolist() if user not in self._row]
        if missing:
            raise DataError(
                f"{shown.name}: got pages of user {missing[0]}, expected users of the ratings, which {len(missing)} of "
                f"{len(shown.users)} have none of; take ratings of the log's users, or leave --data out"
            )
        pages, last = shown.pages, np.flatnonzero(shown.pages.last_of_session)
        first = np.append(0, last[:-1] + 1)
        slot = np.where(shown.position >= 0, shown.position, np.arange(len(shown)) - pages.first[shown.page_index])
        slates = np.full((len(pages.first), max(int(slot.max()) + 1, self._slots)), -1, np.int64)
        slates[shown.page_index, slot] = self._world.catalog.index_of(shown.item_id)
        clicked, leaves = np.zeros(slates.shape, np.bool_), np.zeros(len(slates))
        users = self._world.users
        says = isinstance(users, TellsDwell) and users.tells_dwell
        dwell = np.full(slates.shape, np.nan) if says else None
        for start in range(0, len(first), _ROWS):
            some = slice(start, start + _ROWS)
            self._play(shown, slates, (first[some], last[some]), seed, into=(clicked, leaves, dwell))
        here = shown.page_index, slot
        return Browsed(clicked[here], leaves, None if dwell is None else dwell[here])

    def _play(
        self,
        shown: Exposures,
        slates: IntArray,
        sessions: tuple[IntArray, IntArray],
        seed: int,
        *,
        into: tuple[BoolArray, DoubleArray, DoubleArray | None],
    ) -> None:
        """Play the sessions between two rows of pages, a page of each at a time."""
        first, last = sessions
        clicked, leaves, dwell = into
        user = np.array([self._row[one] for one in shown.pages.user_id[first].tolist()], np.int64)
        kernel = Kernel(
            users=self._world.users,
            user_id=self._world.population.user_id,
            rows=len(first),
            slate_size=slates.shape[1],
            max_pages=int((last - first).max()) + 1,
        )
        # The dice hang on the session's own number, so that they are the same whatever else is in the log.
        dice = kernel.dice(user, shown.pages.session[first], seed_words([seed]))
        kernel.begin(ALL_ROWS, user, np.zeros(len(user), np.int64), dice)
        for page in range(int((last - first).max()) + 1):
            rows = np.flatnonzero(first + page <= last)
            at = first[rows] + page
            told = kernel.step(np.maximum(slates[at], 0), rows, slates[at] < 0)
            clicked[at] = told.clicked & (slates[at] >= 0)
            leaves[at] = probability(told.mood.leave_log_odds)
            if dwell is not None and told.dwell is not None:
                dwell[at] = told.by_slot(told.dwell)
