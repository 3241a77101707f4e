"""What language users hear from friends, type into a search and see of prices, beside the pages that they decide on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsim_llm.agents.language.asked import AskedPage
from recsim_llm.agents.language.friend_talk import FriendTalk
from recsim_llm.agents.language.price_tags import PriceTags
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.search_words import SearchWords
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.errors import ContractError
from recsim_llm.language.base.questions import Part

__all__ = ["TalkingUsers"]


class TalkingUsers:
    """Language users' side of ``HearsFriends``, ``ReadsMessages``, ``WritesQueries`` and ``SeesPrices``.

    Subclasses set the four attributes below before anything is called.
    """

    provenance: dict[str, Any]
    """What a run's manifest must keep to tell how users were asked."""
    _family: str
    _writer: PromptWriter
    _genres: Sequence[str]
    _friends: FriendTalk | None = None
    _search: SearchWords | None = None
    _prices: PriceTags | None = None

    def show_prices(self, price: FloatArray) -> None:
        """Say what items cost from now on; see ``SeesPrices``."""
        if self._prices is None:
            self._prices = PriceTags(self._family, price)
            self.provenance["price_templates"] = self._prices.fingerprint
        self._prices.show(price)

    def meet_friends(self) -> None:
        """Be ready to hear from friends.

        Raises:
            ConfigError: the templates have no words for it.
        """
        self._friends = FriendTalk(self._family, self._writer)
        self.provenance["friend_templates"] = self._friends.fingerprint

    def expect_messages(self) -> None:
        """Be ready for messages and chats.

        Raises:
            ConfigError: the templates have no words for it.
        """
        self.provenance["message_templates"] = self._talk().expect_messages()

    def meet_search(self) -> None:
        """Be ready to search.

        Raises:
            ConfigError: the templates have no words for it.
        """
        self._search = SearchWords(self._family, self._writer, self._genres)
        self.provenance["search_templates"] = self._search.fingerprint

    def show_friends(self, rows: IntArray, friend_id: IntArray) -> None:
        """Say which friend liked what stands on the pages decided next; see ``HearsFriends``."""
        self._talk().show(rows, friend_id)

    def hear(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends tell these users of items; it enters memory when the user comes next. See ``HearsFriends``."""
        self._talk().hear(rows, item_index, friend_id)

    def receive(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends send items to these users; it enters memory when the user comes next. See ``ReadsMessages``."""
        self._talk().receive(rows, item_index, friend_id)

    def chat(self, rows: IntArray, item_index: IntArray, friend_id: IntArray, *, stars: DoubleArray, spoke: BoolArray) -> None:
        """Let these users talk with friends; it enters memory when the user comes next. See ``ReadsMessages``."""
        self._talk().chat(rows, item_index, friend_id, stars=stars, spoke=spoke)

    def write_queries(self, genre: IntArray, item_index: IntArray) -> list[str]:
        """Return what is typed to find these; see ``WritesQueries``."""
        return self._words().write(genre, item_index)

    def show_queries(self, rows: IntArray, queries: Sequence[str | None]) -> None:
        """Say which queries the pages decided next answer; see ``WritesQueries``."""
        self._words().show(rows, queries)

    def _with_talk(self, row: int, page: AskedPage) -> AskedPage:
        """Return the page to come of a row with all that is told beside it."""
        if self._friends is not None:
            page = page._replace(friends=self._friends.liked(row))
        return page if self._search is None else page._replace(query=self._search.query(row))

    def _told_beside(self, page: AskedPage, order: Sequence[int]) -> tuple[Part, ...]:
        """Return the parts of a prompt on the query that a page answers, on its prices, and on friends who liked some of it."""
        answered = () if self._search is None else self._search.part(page.query)
        if self._prices is not None and order:
            answered = (*answered, self._prices.part([page.items[position] for position in order]))
        if self._friends is None:
            return answered
        return (*answered, *self._friends.part([page.friends[position] for position in order] if page.friends else []))

    def _talk(self) -> FriendTalk:
        if self._friends is None:
            raise ContractError("language users: got friends' talk, expected meet_friends() before it")
        return self._friends

    def _words(self) -> SearchWords:
        if self._search is None:
            raise ContractError("language users: got a search, expected meet_search() before it")
        return self._search
