"""Memories of users and of items as texts that a language model writes anew after a wrong choice (AgentCF).

As Zhang et al. 2023 (arXiv 2310.09233) have it, but for the choice: it is a typed question, answered with probabilities, and
never read out of words. A pair is asked about in both orders, so that a model's liking for the first line chooses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import Item
from recsim_llm.agents.language.voice import each_or_none
from recsim_llm.agents.memory.offered_choices import Choices
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import Dataset
from recsim_llm.language.base.questions import Ask, Part, Prompt, choice
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.calls.writing import Writing

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["AGENT_FILES", "WrittenAgentSettings", "WrittenItemAgents"]

AGENT_FILES: Mapping[str, tuple[str, ...]] = {
    "agents": (
        "choose",
        "item_request",
        "item_rules",
        "line",
        "options",
        "page",
        "people",
        "question",
        "taste",
        "user_request",
        "user_rules",
    )
}
"""Templates by which memories are read and written."""
_TOKENS = 90
_MOST_PEOPLE = 6  # of one side, of whom an item is told at once


@dataclass(frozen=True, kw_only=True)
class WrittenAgentSettings:
    """How memories are written."""

    items: bool = True
    """Whether items have memories of their own; without, they are known by title, year and genres alone."""
    longest: int = 300
    """Characters that no memory exceeds, 1 or more; what a model writes beyond is cut, and prompts tell the first 1000."""
    templates: str = "en"
    """Language of the prompts: a shipped one, or a folder with ``AGENT_FILES``."""

    def __post_init__(self) -> None:
        check_whole_number("item agents, longest", self.longest, least=1)


class WrittenItemAgents:
    """Users and items whose memories a language model reads and writes; see ``ChoosingAgents``.

    What is asked and written is kept in the model's calls file: agents that begin anew with the same choices find it there.

    Args:
        model: chooses; two asks a choice.
        training: items, and users by position.
        settings: how memories are written; None for the defaults.
        writer: writes memories: after a wrong choice the user's and those of both items; None: ``model``.

    Raises:
        ConfigError: templates are missing or faulty.
    """

    def __init__(
        self,
        model: LanguageModel,
        training: Dataset,
        settings: WrittenAgentSettings | None = None,
        *,
        writer: LanguageModel | None = None,
    ) -> None:
        self._model, self._writer = model, writer or model
        self.settings = settings or WrittenAgentSettings()
        self._catalog, self._user_id = training.catalog, training.ratings.users
        self._templates = Templates(self.settings.templates, AGENT_FILES)
        say = self._templates.say
        self._rules = {name: Part("rules", say(f"agents.{name}")) for name in ("choose", "item_rules", "user_rules")}
        self._requests = {name: Part("request", say(f"agents.{name}")) for name in ("item_request", "user_request")}
        options = tuple(one.strip() for one in say("agents.options").split(","))
        self._questions = (choice("choice", say("agents.question"), options),)
        self.users: dict[int, str] = {}
        """What is known of each user's taste, by position; who is missing has no memory yet."""
        self.items: dict[int, str] = {}
        """Which people take each item, by position in the catalog; stays empty with the item agents off."""
        self.asks = 0
        """Questions put so far, those that were found in the calls file included."""
        self.reflections = 0
        """Wrong choices, after which the two sides reflected."""
        self.unwritten = 0
        """Memories that the model refused to write, or left empty: they stay as they were."""

    def prefer(self, choices: Choices) -> DoubleArray:
        """Return float64 [c]: probability of the taken item above one half, as the mean of both orders; -0.5 to 0.5.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.ask``.
        """
        rows = np.flatnonzero(choices.taken != choices.refused)
        pairs = list(zip(*(column[rows].tolist() for column in choices), strict=True))
        asks = [self._ask(user, *both) for user, *pair in pairs for both in (pair, pair[::-1])]
        self.asks += len(asks)
        first = np.array([reply.answers[0].probabilities[0] for reply in self._model.ask(asks)]).reshape(-1, 2)
        preferred = np.zeros(len(choices.user))
        # Taken and first, less refused and first: a mere liking for a line is exactly 0.
        preferred[rows] = (first[:, 0] - first[:, 1]) / 2
        return preferred

    def reflect(self, choices: Choices) -> None:
        """Have the memories of users, who are all different, and of items written anew, each from the others' earlier ones.

        An item is told of at most six people on each side, and of nobody of whom nothing is known yet.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.write``.
        """
        pairs = list(zip(*(column.tolist() for column in choices), strict=True))
        self.reflections += len(pairs)
        places: list[tuple[dict[int, str], int]] = [(self.users, user) for user, _, _ in pairs]
        writings = [self._user_writing(*pair) for pair in pairs]
        if self.settings.items:
            for item, people in self._people(pairs).items():
                places.append((self.items, item))
                writings.append(self._item_writing(item, *people))
        texts = each_or_none(self._writer.write, writings)
        for (memories, place), text in zip(places, texts, strict=True):
            written = safe_text(text or "", self.settings.longest)
            if written:
                memories[place] = written
            else:
                self.unwritten += 1

    def _ask(self, user: int, first: int, second: int) -> Ask:
        parts = (self._rules["choose"], self._taste(user), self._page(first, second))
        return Ask(Prompt(parts), self._questions, subject=str(self._user_id[user]))

    def _taste(self, user: int) -> Part:
        return Part("memory", self._templates.say("agents.taste", memory=self.users.get(user, "")))

    def _page(self, *items: int) -> Part:
        first, second = (self._line(number, item) for number, item in enumerate(items, 1))
        return Part("page", self._templates.say("agents.page", first=first, second=second))

    def _line(self, number: int, item: int) -> str:
        told = _item(self._catalog, item)
        return self._templates.say("agents.line", number=number, item=told, memory=self.items.get(item, ""))

    def _user_writing(self, user: int, taken: int, refused: int) -> Writing:
        parts = (self._rules["user_rules"], self._taste(user), self._page(taken, refused), self._requests["user_request"])
        return Writing(Prompt(parts), _TOKENS, subject=str(self._user_id[user]))

    def _item_writing(self, item: int, taken: list[str], refused: list[str]) -> Writing:
        people = self._templates.say("agents.people", taken=taken[:_MOST_PEOPLE], refused=refused[:_MOST_PEOPLE])
        told = Part("page", f"<page>\n{self._line(1, item)}\n</page>"), Part("people", people)
        return Writing(Prompt((self._rules["item_rules"], *told, self._requests["item_request"])), _TOKENS)

    def _people(self, pairs: list[tuple[int, ...]]) -> dict[int, tuple[list[str], list[str]]]:
        """Return for each item what is known of those who took it, and of those who passed it over."""
        people: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for user, taken, refused in pairs:
            if user in self.users:
                people[taken][0].append(self.users[user])
                people[refused][1].append(self.users[user])
        return dict(sorted(people.items()))


def _item(catalog: Catalog, index: int) -> Item:
    return Item(str(catalog.title[index]), max(int(catalog.year[index]), 0), tuple(catalog.genres_of(index)), "")
