"""What language users hear, read and type beside the pages that they decide on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsim_llm.agents.language.beside_pages import BesidePages
from recsim_llm.agents.language.friend_talk import FriendTalk
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.price_tags import PriceTags
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.search_words import SearchWords
from recsim_llm.agents.language.written_words import WrittenWords
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, TextArray

__all__ = ["TalkingUsers"]


class TalkingUsers:
    """Language users' side of ``HearsFriends``, ``ReadsMessages``, ``WritesQueries``, ``SeesPrices`` and ``ReadsWords``.

    Subclasses set the attributes below before anything is called. Getting ready for something whose words the templates lack
    raises ``ConfigError``; what nobody got ready for raises ``ContractError``.
    """

    provenance: dict[str, Any]
    """What a run's manifest must keep to tell how users were asked."""
    parameters: LanguageParameters
    """With the templates."""
    _writer: PromptWriter
    _genres: Sequence[str]
    _beside: BesidePages

    def meet_friends(self) -> None:
        """Be ready to hear from friends."""
        self._beside.meet(friends=FriendTalk(self.parameters.templates, self._writer))
        self.provenance["friend_templates"] = self._beside.friends.fingerprint

    def expect_messages(self) -> None:
        """Be ready for messages and chats."""
        self.provenance["message_templates"] = self._beside.friends.expect_messages()

    def meet_search(self) -> None:
        """Be ready to search."""
        self._beside.meet(search=SearchWords(self.parameters.templates, self._writer, self._genres))
        self.provenance["search_templates"] = self._beside.search.fingerprint

    def meet_words(self) -> None:
        """Be ready to read what is written on pages."""
        self._beside.meet(written=WrittenWords(self.parameters.templates))
        self.provenance["written_templates"] = self._beside.written.fingerprint

    def show_prices(self, price: FloatArray) -> None:
        """Say what items cost from now on; see ``SeesPrices``."""
        if self._beside.prices is None:
            self._beside.prices = PriceTags(self.parameters.templates, price)
            self.provenance["price_templates"] = self._beside.prices.fingerprint
        self._beside.prices.show(price)

    def show_friends(self, rows: IntArray, friend_id: IntArray) -> None:
        """Say which friend liked what stands on the pages decided next; see ``HearsFriends``."""
        self._beside.friends.show(rows, friend_id)

    def hear(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends tell these users of items; it enters memory when the user comes next. See ``HearsFriends``."""
        self._beside.friends.hear(rows, item_index, friend_id)

    def receive(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends send items to these users; it enters memory when the user comes next. See ``ReadsMessages``."""
        self._beside.friends.receive(rows, item_index, friend_id)

    def chat(self, rows: IntArray, item_index: IntArray, friend_id: IntArray, *, stars: DoubleArray, spoke: BoolArray) -> None:
        """Let these users talk with friends; it enters memory when the user comes next. See ``ReadsMessages``."""
        self._beside.friends.chat(rows, item_index, friend_id, stars=stars, spoke=spoke)

    def write_queries(self, genre: IntArray, item_index: IntArray) -> list[str]:
        """Return what is typed to find these; see ``WritesQueries``."""
        return self._beside.search.write(genre, item_index)

    def show_queries(self, rows: IntArray, queries: Sequence[str | None]) -> None:
        """Say which queries the pages decided next answer; see ``WritesQueries``."""
        self._beside.search.show(rows, queries)

    def show_words(self, rows: IntArray, explanation: TextArray | None, title: TextArray | None) -> None:
        """Say what is written on the pages decided next; see ``ReadsWords``."""
        self._beside.written.show(rows, explanation, title)

    def hide_words(self, hidden: bool) -> None:
        """Let pages be decided as if nothing were written on them, or no longer; see ``ReadsWords``."""
        self._beside.written.hidden = hidden
