"""What language users read beside a page's items: what they searched and what it costs, friends, and what is written on it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from typing import Any

from recsim_llm.agents.language.asked import AskedPage
from recsim_llm.agents.language.friend_talk import FriendTalk
from recsim_llm.agents.language.price_tags import PriceTags
from recsim_llm.agents.language.search_words import SearchWords
from recsim_llm.agents.language.written_words import WrittenWords
from recsim_llm.errors import ContractError
from recsim_llm.language.base.questions import Part

__all__ = ["BesidePages"]


class BesidePages:
    """Searches, prices, friends' talk and words on pages, each once users are ready for it."""

    def __init__(self) -> None:
        self._friends: FriendTalk | None = None
        self._written: WrittenWords | None = None
        self._search: SearchWords | None = None
        self.prices: PriceTags | None = None
        """What items cost; None where nobody is told."""

    def __deepcopy__(self, memo: dict[int, Any]) -> BesidePages:
        """Copy what changes; the words are shared."""
        other = copy(self)
        for name in ("_friends", "_written", "_search", "prices"):
            setattr(other, name, deepcopy(getattr(self, name), memo))
        return other

    def meet(
        self,
        *,
        friends: FriendTalk | None = None,
        written: WrittenWords | None = None,
        search: SearchWords | None = None,
    ) -> None:
        """Be ready for friends' talk, for words on pages, or for searches."""
        self._friends, self._written = friends or self._friends, written or self._written
        self._search = search or self._search

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

    @property
    def search(self) -> SearchWords:
        """What users type.

        Raises:
            ContractError: nobody is ready for it.
        """
        if self._search is None:
            raise ContractError("language users: got a search, expected meet_search() before it")
        return self._search

    def forget(self) -> None:
        """Forget all pages, posts and queries."""
        for part in (self._friends, self._written, self._search):
            if part is not None:
                part.forget()

    def on_page(self, row: int) -> tuple[tuple[int, ...], tuple[tuple[str, str], ...], str]:
        """Return who liked what is on a row's page to come, what is written on it and what it answers, as in ``AskedPage``."""
        liked = () if self._friends is None else self._friends.liked(row)
        written = () if self._written is None else self._written.on_page(row)
        return liked, written, "" if self._search is None else self._search.query(row)

    def parts(self, page: AskedPage, order: Sequence[int]) -> tuple[Part, ...]:
        """Return the parts of a prompt that tell it.

        Args:
            page: that is asked about.
            order: positions in the order of presentation.
        """
        answered = () if self._search is None else self._search.part(page.query)
        costs = () if self.prices is None or not order else (self.prices.part([page.items[p] for p in order]),)
        liked = () if self._friends is None else self._friends.part([page.friends[p] for p in order] if page.friends else [])
        if self._written is None:
            return (*answered, *costs, *liked)
        return (*answered, *costs, *liked, *self._written.part([page.written[p] for p in order] if page.written else []))
