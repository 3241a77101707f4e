"""What friends tell each other while an arm is played: likes are gathered page by page and told at the end of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.protocols import HearsFriends
from recsim_llm.dynamics.word_of_mouth import WordOfMouth
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.population.world import World

__all__ = ["Gossip"]

_NONE = np.zeros((2, 0), np.int64)


class Gossip:
    """Word of mouth of one arm. Nobody has told anything yet when it begins.

    Args:
        heard: what moves the users of the world; a row is a user index.
        world: items and users.
    """

    def __init__(self, heard: WordOfMouth, world: World) -> None:
        users = innermost(world.users)
        self._heard, self._listeners = heard, users if isinstance(users, HearsFriends) else None
        self._user_id, self._item_id = world.population.user_id, world.catalog.item_id
        self._likes = [_NONE]
        heard.forget()

    def liked(self, rows: IntArray, item_index: IntArray) -> IntArray:
        """Return int64 [m, k]: id of the friend who told of each item first, -1 where nobody did."""
        return self._heard.sources(rows, item_index)

    def take_in(self, rows: IntArray, feedback: Feedback) -> dict[str, npt.NDArray[Any]]:
        """Note what was liked on a page, to be told later, and return the clicks on items that friends had told of.

        What is clicked counts as liked unless the user thinks less of it than ``LIKE_THRESHOLD`` stars.

        Args:
            rows: int64 [m]: of the page.
            feedback: what was drawn.

        Returns:
            Columns of ``EVENTS``, a row a click.
        """
        user, item = rows[feedback.row], feedback.pages.item_index.reshape(-1)[feedback.slot]
        liked = ~(feedback.rating < LIKE_THRESHOLD)
        self._likes.append(np.stack([user, item])[:, liked])
        friend = self._heard.sources(user, item[:, None])[:, 0]
        told = np.flatnonzero(friend >= 0)
        pages, row = feedback.pages, feedback.row[told]
        added = self._heard.shift(user[told], item[told][:, None])[:, 0].astype(np.float64)
        return {
            "user_id": self._user_id[user[told]],
            "visit": pages.visit[row],
            "page": pages.page[row],
            "item_id": self._item_id[item[told]],
            "other_id": friend[told],
            "value": added if self._listeners is None else np.full(len(told), np.nan),
        }

    def exchange(self, days: float) -> None:
        """Let everyone tell what was liked since the last time.

        Args:
            days: that have gone by since then.
        """
        news = self._heard.exchange(*np.concatenate(self._likes, axis=1), days=days)
        self._likes = [_NONE]
        if self._listeners is not None:
            self._listeners.hear(news.user_index, news.item_index, self._user_id[news.friend_index])
