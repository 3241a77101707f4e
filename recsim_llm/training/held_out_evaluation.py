"""Evaluations during training: recommenders meet the users that training never meets, always with the same dice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders import Recommender
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.building import Stage, recommender_seed
from recsim_llm.scenarios.serving import give_hooks

__all__ = ["Evaluated", "Evaluator"]


class Evaluated(NamedTuple):
    """What came of every user, one entry each; over all visits of the user."""

    user_id: IntArray
    """int64 [u]: outside ids."""
    reward: DoubleArray
    """float64 [u]: what all pages paid together: the undiscounted return."""
    discounted: DoubleArray
    """float64 [u]: the same, each page's reward times gamma to the number of pages before it."""
    pages: IntArray
    """int64 [u]: pages shown."""
    clicks: IntArray
    """int64 [u]: clicks on them."""
    visits: IntArray
    """int64 [u]: visits made."""
    satisfaction: DoubleArray
    """float64 [u]: at the end of the last visit, 0 to 1."""
    left: BoolArray
    """bool [u]: the last visit ended since the user left, not with the page budget."""
    last_reward: DoubleArray
    """float64 [u]: what those pages paid after which the user left."""
    invalid: IntArray
    """int64 [u]: slots that stayed blank."""


class Evaluator:
    """Serves the users of a stage with one recommender after another.

    Args:
        built: the scenario with the held-out users.
        gamma: discount.
    """

    def __init__(self, built: Stage, gamma: float) -> None:
        self._built, self._gamma = built, gamma
        self._training, _ = built.training_part()

    @one_thread
    def evaluate(self, recommender: Recommender, name: str) -> Evaluated:
        """Let every user make all its visits to a recommender, which is fitted first.

        Args:
            recommender: not yet fitted.
            name: for error texts.
        """
        scenario, world = self._built.scenario, self._built.world
        sums = _Sums(world.population.user_id, self._gamma)
        session = open_arm(scenario, world, recommender, name=name, log=sums)
        give_hooks(recommender, self._built, session)
        recommender.fit(*session.stock(self._training), recommender_seed(scenario))
        for _ in session.play():
            pass
        return sums.told()


class _Sums:
    """Adds up what a log would hold."""

    def __init__(self, user_id: IntArray, gamma: float) -> None:
        self._user_id, self._gamma = user_id, gamma
        self._order = np.argsort(user_id, kind="stable")
        self._reward, self._discounted, self._satisfaction, self._last = np.zeros((4, len(user_id)))
        self._pages, self._clicks, self._visits, self._invalid = np.zeros((4, len(user_id)), np.int64)
        self._left = np.zeros(len(user_id), np.bool_)

    def page(
        self,
        feedback: Feedback,
        *,
        slates: Slates | None,
        reward: DoubleArray,
        invalid: IntArray,
        out_of_pages: BoolArray,
        friend_id: IntArray | None = None,
        words: PageWords | None = None,
    ) -> None:
        del slates, out_of_pages, friend_id, words
        user = feedback.pages.user_index
        self._reward[user] += reward
        self._discounted[user] += reward * self._gamma ** self._pages[user]
        self._last[user] += np.where(feedback.left, reward, 0.0)
        self._pages[user] += 1
        self._invalid[user] += invalid

    def events(self, **_: Any) -> None:
        pass

    def visits(
        self,
        *,
        user_id: IntArray,
        clicks: IntArray,
        satisfaction: FloatArray,
        left: BoolArray,
        **_: Any,
    ) -> None:
        user = self._order[np.searchsorted(self._user_id, user_id, sorter=self._order)]
        self._clicks[user] += clicks
        self._visits[user] += 1
        self._satisfaction[user], self._left[user] = satisfaction, left

    def turn(self) -> None:
        pass

    def keep_unfinished(self) -> None:
        pass

    def told(self) -> Evaluated:
        """Return the sums, in the order of the users' ids."""
        columns = Evaluated(
            user_id=self._user_id,
            reward=self._reward,
            discounted=self._discounted,
            pages=self._pages,
            clicks=self._clicks,
            visits=self._visits,
            satisfaction=self._satisfaction,
            left=self._left,
            last_reward=self._last,
            invalid=self._invalid,
        )
        ordered: Evaluated = take_columns(columns, self._order)
        return ordered
