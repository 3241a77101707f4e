"""What friends say to language users: posts, messages and chats for memory, and who liked what stands on a page; by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.dynamics.chats import opinion
from recsim_llm.language.base.questions import Part

__all__ = ["FRIEND_FILES", "MESSAGE_FILES", "MOST_POSTS", "Delivered", "FriendTalk"]

FRIEND_FILES: Mapping[str, tuple[str, ...]] = {"friends": ("liked", "post")}
"""Templates that friends need beside those of decisions."""
MESSAGE_FILES: Mapping[str, tuple[str, ...]] = {"messages": ("heard", "sent", "spoke")}
"""Templates that messages and chats need beside these."""
MOST_POSTS = 20
"""Posts, messages and chats that wait for a user's next visit, the latest ones: who stays away for long does not read all."""
_POST = 0.5  # valence of what a friend liked or sent


class _Post(NamedTuple):
    macro: str
    item: int
    friend: int
    valence: float
    given: Mapping[str, str]
    """What the macro is told besides."""


class Delivered(NamedTuple):
    """What waited for users, an entry each."""

    rows: list[int]
    """Whose it is."""
    texts: list[str]
    """In words."""
    valence: list[float]
    """How good the news is, -1 to 1."""


class FriendTalk:
    """Keeps what friends posted until a user comes, and says who liked what stands on a page.

    Args:
        templates: language of the prompts.
        writer: knows the items' text.

    Raises:
        ConfigError: the templates have no friends.
    """

    def __init__(self, templates: str, writer: PromptWriter) -> None:
        self._templates, self._writer = Templates(templates, FRIEND_FILES), writer
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over the templates of friends and their versions."""
        self._messages: Templates | None = None
        self.forget()

    def expect_messages(self) -> str:
        """Be ready for messages and chats; return 32 hexadecimal digits over their templates.

        Raises:
            ConfigError: the templates have no messages.
        """
        self._messages = Templates(self._templates.name, MESSAGE_FILES)
        return self._messages.fingerprint

    def __deepcopy__(self, memo: dict[int, Any]) -> FriendTalk:
        """Copy what changes; the words are shared."""
        other = copy(self)
        other._posts = {row: list(posts) for row, posts in self._posts.items()}
        other._liked = dict(self._liked)
        return other

    def forget(self) -> None:
        """Forget all posts and pages."""
        self._posts: dict[int, list[_Post]] = {}
        self._liked: dict[int, tuple[int, ...]] = {}

    def show(self, rows: IntArray, friend_id: IntArray) -> None:
        """Note who liked what stands on the pages to come; see ``HearsFriends.show_friends``."""
        self._liked.update(zip(rows.tolist(), map(tuple, friend_id.tolist()), strict=True))

    def liked(self, row: int) -> tuple[int, ...]:
        """Return the friend's id by position on the page to come, -1 for none; empty where nobody said."""
        return self._liked.get(row, ())

    def hear(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Keep posts until their readers come; see ``HearsFriends.hear``."""
        for row, item, friend in zip(rows.tolist(), item_index.tolist(), friend_id.tolist(), strict=True):
            self._keep(row, _Post("friends.post", item, friend, _POST, {}))

    def receive(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Keep what friends sent until their readers come; see ``ReadsMessages.receive``."""
        for row, item, friend in zip(rows.tolist(), item_index.tolist(), friend_id.tolist(), strict=True):
            self._keep(row, _Post("messages.sent", item, friend, _POST, {}))

    def chat(self, rows: IntArray, item_index: IntArray, friend_id: IntArray, *, stars: DoubleArray, spoke: BoolArray) -> None:
        """Keep chats until those who talked come again; see ``ReadsMessages.chat``."""
        valence = np.where(spoke, 0.0, _POST * opinion(stars))
        columns = (rows, item_index, friend_id, valence, stars, spoke)
        for row, item, friend, good, given, own in zip(*(column.tolist() for column in columns), strict=True):
            macro = "messages.spoke" if own else "messages.heard"
            self._keep(row, _Post(macro, item, friend, good, {"stars": "" if given != given else f"{given:g}"}))

    def _keep(self, row: int, post: _Post) -> None:
        posts = self._posts.setdefault(row, [])
        posts.append(post)
        del posts[:-MOST_POSTS]

    def deliver(self, rows: IntArray) -> Delivered:
        """Return what waits for these rows, and keep it no longer."""
        read = [(row, post) for row in rows.tolist() for post in self._posts.pop(row, ())]
        texts = [self._say(post) for _, post in read]
        return Delivered([row for row, _ in read], texts, [post.valence for _, post in read])

    def _say(self, post: _Post) -> str:
        words = self._templates if self._messages is None or post.macro.startswith("friends.") else self._messages
        return words.say(post.macro, item=self._writer.item(post.item), friend=post.friend, **post.given)

    def part(self, friend_id: Sequence[int]) -> tuple[Part, ...]:
        """Return the part of a prompt that says which friend liked what; none where nobody liked anything.

        Args:
            friend_id: by number of presentation, -1 for none.
        """
        told = [(number, friend) for number, friend in enumerate(friend_id, 1) if friend >= 0]
        return (Part("friends", self._templates.say("friends.liked", told=told)),) if told else ()
