"""What friends tell each other while an arm is played: it is gathered page by page, and told at the end of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.protocols import HearsFriends, ReadsMessages
from recsim_llm.dynamics.chats import Chats, Said
from recsim_llm.dynamics.word_of_mouth import Told, WordOfMouth
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.population.world import World

__all__ = ["Gossip"]

_NONE, _NOTHING = np.zeros((2, 0), np.int64), np.zeros((3, 0), np.int64)
_UNSAID = np.zeros((3, 0))


class Gossip:
    """Word of mouth of one arm. Nobody has told anything yet when it begins.

    Args:
        heard: what moves the users of the world; a row is a user index.
        world: items and users.
        chats: of two friends; None: nobody chats.
    """

    def __init__(self, heard: WordOfMouth, world: World, chats: Chats | None = None) -> None:
        users = innermost(world.users)
        self._heard, self._listeners = heard, users if isinstance(users, HearsFriends) else None
        self._readers = users if self._listeners is not None and isinstance(users, ReadsMessages) else None
        self._chats = chats
        self._user_id, self._item_id = world.population.user_id, world.catalog.item_id
        self._likes, self._sent, self._consumed = [_NONE], [_NOTHING], [_UNSAID]
        heard.forget()
        if chats is not None:
            chats.forget()

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
        if self._chats is not None:
            self._consumed.append(np.stack([user, item, feedback.rating.astype(np.float64)]))
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

    def send(self, user: IntArray, item: IntArray, share: DoubleArray) -> IntArray:
        """Let users send items to one friend each, who hears of it at the next exchange, as of what friends like.

        Users who take in what friends say in words read the message, and those who read none hear of what these like alone.

        Args:
            user: int64 [s]: who sends.
            item: int64 [s]: catalog positions.
            share: float64 [s]: uniform dice, which say to whom.

        Returns:
            int64 [s]: ids of the friends, -1 for who has none.
        """
        graph = self._heard.friendships
        degree = graph.degree[user]
        some = np.flatnonzero(degree > 0)
        friend = np.full(len(user), -1)
        friend[some] = graph.friends[graph.starts[user[some]] + (share[some] * degree[some]).astype(np.int64)]
        self._sent.append(np.stack([friend[some], item[some], user[some]]))
        return np.where(friend < 0, -1, self._user_id[friend])

    def exchange(self, days: float) -> None:
        """Let everyone tell what was liked since the last time.

        Args:
            days: that have gone by since then.
        """
        sent = Told(*np.concatenate(self._sent, axis=1))
        spoken = self._listeners is None
        news = self._heard.exchange(*np.concatenate(self._likes, axis=1), sent=sent if spoken else None, days=days)
        self._likes, self._sent = [_NONE], [_NOTHING]
        if self._listeners is not None:
            self._listeners.hear(news.user_index, news.item_index, self._user_id[news.friend_index])
        if self._readers is not None and len(sent.user_index):
            sent = Told(*(column[np.lexsort(sent[::-1])] for column in sent))
            self._readers.receive(sent.user_index, sent.item_index, self._user_id[sent.friend_index])

    def chat(self, step: int, days: float) -> dict[str, npt.NDArray[Any]]:
        """Let friends chat about what was consumed since the last time.

        Args:
            step: number of the step that is over.
            days: that have gone by since the last chats.

        Returns:
            Columns of ``EVENTS``, a row a chat; none where nobody chats.
        """
        if self._chats is None:
            return {}
        user, item, stars = np.concatenate(self._consumed, axis=1)
        said = self._chats.talk(user.astype(np.int64), item.astype(np.int64), stars, step=step, days=days)
        self._consumed = [_UNSAID]
        if self._readers is not None and len(said.user_index):
            self._let_read(said, self._readers)
        return {
            "user_id": self._user_id[said.user_index],
            "item_id": self._item_id[said.item_index],
            "other_id": self._user_id[said.friend_index],
            "value": said.stars,
        }

    def _let_read(self, said: Said, readers: ReadsMessages) -> None:
        """Let both friends of each chat remember it: who listened, and who spoke."""
        user = np.concatenate([said.user_index, said.friend_index])
        friend = np.concatenate([said.friend_index, said.user_index])
        item, stars = np.tile(said.item_index, 2), np.tile(said.stars, 2)
        spoke = np.repeat([False, True], len(said.user_index))
        order = np.lexsort((friend, item, spoke, user))
        readers.chat(user[order], item[order], self._user_id[friend[order]], stars=stars[order], spoke=spoke[order])
