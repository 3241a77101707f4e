"""What language users read beside the items of a page: who of their friends liked what, and what is written on it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from typing import Any

from recsim_llm.agents.language.asked import AskedPage
from recsim_llm.agents.language.friend_talk import FriendTalk
from recsim_llm.agents.language.written_words import WrittenWords
from recsim_llm.errors import ContractError
from recsim_llm.language.base.questions import Part

__all__ = ["BesidePages"]


class BesidePages:
    """Friends' talk and words on pages, each once users are ready for it."""

    def __init__(self) -> None:
        self._friends: FriendTalk | None = None
        self._written: WrittenWords | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> BesidePages:
        """Copy what changes; the words are shared."""
        other = copy(self)
        other._friends, other._written = deepcopy((self._friends, self._written), memo)
        return other

    def meet(self, *, friends: FriendTalk | None = None, written: WrittenWords | None = None) -> None:
        """Be ready for friends' talk, or for words on pages."""
        self._friends, self._written = friends or self._friends, written or self._written

    @property
    def hears(self) -> bool:
        """Whether friends talk."""
        return self._friends is not None

    @property
    def friends(self) -> FriendTalk:
        """What friends say.

        Raises:
            ContractError: nobody is ready for it.
        """
        if self._friends is None:
            raise ContractError("language users: got friends' talk, expected meet_friends() before it")
        return self._friends

    @property
    def written(self) -> WrittenWords:
        """What is written on pages.

        Raises:
            ContractError: nobody is ready for it.
        """
        if self._written is None:
            raise ContractError("language users: got words on pages, expected meet_words() before them")
        return self._written

    def forget(self) -> None:
        """Forget all pages and posts."""
        for part in (self._friends, self._written):
            if part is not None:
                part.forget()

    def on_page(self, row: int) -> tuple[tuple[int, ...], tuple[tuple[str, str], ...]]:
        """Return who liked what is on a row's page to come, and what is written on it, as ``AskedPage`` holds them."""
        liked = () if self._friends is None else self._friends.liked(row)
        return liked, () if self._written is None else self._written.on_page(row)

    def parts(self, page: AskedPage, order: Sequence[int]) -> tuple[Part, ...]:
        """Return the parts of a prompt that tell it.

        Args:
            page: that is asked about.
            order: positions in the order of presentation.
        """
        liked = () if self._friends is None else self._friends.part([page.friends[p] for p in order] if page.friends else [])
        if self._written is None:
            return liked
        return (*liked, *self._written.part([page.written[p] for p in order] if page.written else []))
