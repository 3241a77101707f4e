"""Words in an arm's visits: those on the pages, which users may read, and those of users, which recommenders may read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.agents.language.remark_voice import Meant, RemarkVoice
from recsim_llm.agents.presented_users import presented_on
from recsim_llm.core.arrays import FloatArray, IntArray, TextArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords
from recsim_llm.dynamics.remarks import Remarks
from recsim_llm.errors import ConfigError
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.population.persona_text import state_tastes
from recsim_llm.population.world import World
from recsim_llm.scenarios.offers import Offer
from recsim_llm.scenarios.schema import Scenario

__all__ = ["SpokenSession"]


class SpokenSession:
    """What is written and said while the users of a world meet one recommender; a row is a user index.

    Args:
        scenario: with a seed; says whether users read, and whether they say anything.
        world: items and users.
    """

    def __init__(self, scenario: Scenario, world: World) -> None:
        assert scenario.seed is not None
        self._presented, settings = presented_on(world.users), scenario.remarks
        self._remarks = None if settings is None else Remarks(settings, world.catalog, world.population, scenario.seed)
        people = world.population
        self._speaks = scenario.stated_tastes or settings is not None
        self.said: TextArray = np.full(len(people), "", object)
        """str [users]: what each said since the page before; before the first one their tastes, where they state them."""
        if scenario.stated_tastes:
            self.said[:] = [state_tastes(people.persona(user)) for user in range(len(people))]
        self._title, self._user_id = world.catalog.title, people.user_id
        self._voice: RemarkVoice | None = None
        self._by_writer = settings is not None and settings.words == "writer"
        self.unread = 0
        """Slots whose words nobody saw, since the scenario has no ``presentation``."""

    def let_write(self, writer: LanguageModel) -> None:
        """Take in the language model that words what users say, before the first page."""
        self._voice = RemarkVoice(writer)

    def before(self, rows: IntArray) -> TextArray | None:
        """Return str [m]: what these users said since the page before; None where users say nothing."""
        return self.said[rows] if self._speaks else None

    def write(self, rows: IntArray, offer: Offer) -> None:
        """Put the words of an offer before the eyes of its users where they read such, or count them."""
        slates, shown = offer.slates, offer.item_index >= 0
        if self._presented is not None:
            self._presented.show_words(rows, rows, offer.item_index, slates)
            return
        written = [np.asarray(words, object) != "" for words in (slates.explanation, slates.title) if words is not None]
        self.unread += int(np.count_nonzero(np.logical_or.reduce(written) & shown)) if written else 0

    def plain_log_odds(self, offer: Offer, decide: Callable[[], FloatArray]) -> FloatArray | None:
        """Return float32 [m, k]: log-odds of clicks on an offer as if nothing were written on it; None where words do nothing.

        Args:
            offer: the page; NaN is returned where it is not known what users would do.
            decide: asks the users for the log-odds of clicks on it.
        """
        if self._presented is None:
            return None
        if not self._presented.knows_without:
            return np.full(offer.item_index.shape, np.nan, np.float32)
        with self._presented.without_words():
            return decide().copy()

    def take_in(self, rows: IntArray, feedback: Feedback, plain: FloatArray | None) -> PageWords | None:
        """Let users say a word about a page, for their next one, and return all that words are about it."""
        if self._speaks:
            self.said[rows] = ""
        if self._presented is None and self._remarks is None:
            return None
        text = None if self._remarks is None else self._worded(feedback, self._remarks.say(feedback))
        if text is not None:
            self.said[rows] = [" ".join(filter(None, slots)) for slots in text.tolist()]
        trust = None if self._presented is None else self._presented.presentation.trust[rows]
        return PageWords(text, plain, trust)

    def _worded(self, feedback: Feedback, text: TextArray) -> TextArray:
        """Return what users say in the words of whoever words it.

        Raises:
            ConfigError: that is a language model, and nobody gave it.
        """
        if not self._by_writer:
            return text
        if self._voice is None:
            raise ConfigError(
                "remarks.words: got writer where no model is asked, expected templates; set remarks.words otherwise"
            )
        row, slot = np.nonzero(text != "")
        pages = feedback.pages
        title, who = self._title[pages.item_index[row, slot]], self._user_id[pages.user_index[row]].tolist()
        text[row, slot] = self._voice.say([Meant(*one) for one in zip(title, text[row, slot].tolist(), who, strict=True)])
        return text
