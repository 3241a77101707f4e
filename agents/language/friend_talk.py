"""What friends say to language users: posts for their memory, and who liked what stands on a page; by id, never by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.core.arrays import IntArray
from recsim_llm.language.base.questions import Part

__all__ = ["FRIEND_FILES", "MOST_POSTS", "FriendTalk"]

FRIEND_FILES: Mapping[str, tuple[str, ...]] = {"friends": ("liked", "post")}
"""Templates that friends need beside those of decisions."""
MOST_POSTS = 20
"""Posts that wait for a user's next visit, the latest ones: who stays away for long does not read everything."""


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
        self.forget()

    def __deepcopy__(self, memo: dict[int, Any]) -> FriendTalk:
        """Copy what changes; the words are shared."""
        other = copy(self)
        other._posts = {row: list(posts) for row, posts in self._posts.items()}
        other._liked = dict(self._liked)
        return other

    def forget(self) -> None:
        """Forget all posts and pages."""
        self._posts: dict[int, list[tuple[int, int]]] = {}
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
            posts = self._posts.setdefault(row, [])
            posts.append((item, friend))
            del posts[:-MOST_POSTS]

    def deliver(self, rows: IntArray) -> tuple[list[int], list[str]]:
        """Return the posts that wait for these rows, as rows and texts, and keep them no longer."""
        read = [(row, post) for row in rows.tolist() for post in self._posts.pop(row, ())]
        say, item = self._templates.say, self._writer.item
        return [row for row, _ in read], [say("friends.post", item=item(index), friend=friend) for _, (index, friend) in read]

    def part(self, friend_id: Sequence[int]) -> tuple[Part, ...]:
        """Return the part of a prompt that says which friend liked what; none where nobody liked anything.

        Args:
            friend_id: by number of presentation, -1 for none.
        """
        told = [(number, friend) for number, friend in enumerate(friend_id, 1) if friend >= 0]
        return (Part("friends", self._templates.say("friends.liked", told=told)),) if told else ()
