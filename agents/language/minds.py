"""Minds: what the users of a batch know beside who they are, from before the run, from being told, and from what happens."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np

from recsim_llm.agents.language.experience import Experience
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.remembered_history import RememberedHistory
from recsim_llm.agents.language.told_facts import Fact, FactBook, check_fact, user_names
from recsim_llm.agents.memory.embedding import sentence_embedder
from recsim_llm.agents.memory.memory_kinds import MemoryParts, open_memory
from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.memory_words import MEMORY_FILES, reflection_words
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Pages
from recsim_llm.core.user_memory import Rendered, UserMemory
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.population.personas import Population

__all__ = ["Minds"]

_TOPIC = 40  # characters, as of genres on a page
_POST = 0.5  # importance of what a friend tells


class Minds:
    """Keeps the memory of each row, whatever kind it is, and fills it.

    Args:
        catalog: the items.
        population: the users.
        parameters: which kind of memory, what it begins with, what users are told.
        templates: the words of decisions.
        writer: knows the items' text.
        history: what users rated before the first page; None: nothing.

    Raises:
        ConfigError: there is no such kind of memory, or templates are missing.
    """

    def __init__(
        self,
        catalog: Catalog,
        population: Population,
        parameters: LanguageParameters,
        *,
        templates: Templates,
        writer: PromptWriter,
        history: RatingHistory | None,
    ) -> None:
        words = Templates(parameters.templates, MEMORY_FILES)
        self.fingerprint = words.fingerprint
        """32 hexadecimal digits over the templates of memories and their versions."""
        self._names, self._kind = user_names(population), parameters.memory_kind
        rating_mean = np.ascontiguousarray(population.trait("rating_mean"))
        self._experience = Experience(catalog, rating_mean, templates, writer)
        self._facts, self._least = FactBook(parameters.facts, population), parameters.memory_tokens
        most = parameters.remembered_ratings
        self._before = (
            None
            if history is None or not most
            else RememberedHistory(
                history,
                catalog,
                rating_mean=rating_mean,
                templates=templates,
                memory_templates=words,
                writer=writer,
                most=most,
            )
        )
        parts = MemoryParts(
            words=WordWeights.from_catalog(catalog),
            topics=[safe_text(genre, _TOPIC) for genre in catalog.genre_names],
            embedder=None if parameters.embeddings is None else sentence_embedder(parameters.embeddings),
            tell=reflection_words(words),
        )
        settings = parameters.memory
        given = asdict(settings) if isinstance(settings, MemorySettings) else settings
        self._memory: UserMemory = open_memory(self._kind, given, parts)
        self.allocate(0)

    def __deepcopy__(self, memo: dict[int, Any]) -> Minds:
        """Copy what changes; words and texts are shared."""
        other = copy(self)
        for name in ("_memory", "_facts", "_lived", "_visit", "_who"):
            setattr(other, name, deepcopy(getattr(self, name), memo))
        return other

    def allocate(self, rows: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones, but not what users are told."""
        self._memory.allocate(rows)
        self._lived = np.zeros(rows, np.float32)
        self._visit = np.zeros(rows, np.int64)
        self._who = np.full(rows, -1, np.int64)

    def begin(self, rows: IntArray, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; who does not return forgets everything and knows what was before the first page."""
        self._who[rows] = user_index
        if returning:
            self._visit[rows] += 1
        else:
            self._memory.forget(rows)
            self._lived[rows], self._visit[rows] = 0.0, 0
            if self._before is not None:
                self._before.write(self._memory, rows, user_index)
        for row, user, visit in zip(rows.tolist(), user_index.tolist(), self._visit[rows].tolist(), strict=True):
            for fact in self._facts.at(user, visit):
                self._state(row, fact)

    def tell(self, user_id: str, text: str, key: str | None) -> None:
        """Tell a user something; see ``LanguageUsers.tell``."""
        user = self._index("tell", user_id)
        if self._kind == "none":
            raise ConfigError("tell: got users without memory, expected some that remember; set users.parameters.memory_kind")
        said = check_fact("tell", text)
        fact = Fact(0, said if key is None else key, said)
        self._facts.add(user, fact)
        for row in np.flatnonzero(self._who == user).tolist():
            self._state(row, fact)

    def hear(self, rows: list[int], texts: list[str], valence: list[float]) -> None:
        """Remember what friends said: texts and valences, each of one row. It is no evidence of what the user likes."""
        if texts:
            self._memory.remember(rows, self._lived[rows], texts, importance=_POST, valence=valence)

    def render(self, row: int, query: str, budget: int) -> Rendered:
        """Return what the user of a row has in mind, leaving no trace.

        Args:
            row: whose.
            query: what stands on the page.
            budget: tokens that are left; users who were told something have ``memory_tokens`` in any case.
        """
        if self._facts.knows(int(self._who[row])):
            budget = max(budget, self._least)
        return self._memory.render([row], [query], float(self._lived[row]), budget, touch=False)[0]

    def take_in(self, rows: IntArray, pages: Pages, taken: tuple[IntArray, IntArray, FloatArray]) -> None:
        """Remember a batch of pages and make something of them; ``taken`` as ``Experience.write`` gets it."""
        self._experience.write(self._memory, rows, pages, taken, now=self._lived[rows])
        self._lived[rows] += 1
        self._memory.settle(rows, self._lived[rows])

    def touch(self, row: int, index: IntArray) -> None:
        """Note that memories came to mind."""
        self._memory.touch(row, index, float(self._lived[row]))

    def lines(self, user_id: str) -> list[str]:
        """Return all that a user has in memory; see ``LanguageUsers.memory_of``."""
        rows = np.flatnonzero(self._who == self._index("memory", user_id))
        return self._memory.lines(int(rows[0])) if rows.size else []

    def _index(self, what: str, user_id: str) -> int:
        if user_id not in self._names:
            expected = f"the id of one of the {len(self._names)} users, such as {self._names[0]!r}"
            raise ConfigError(f"{what}: got user {user_id!r}, expected {expected}")
        return self._names.index(user_id)

    def _state(self, row: int, fact: Fact) -> None:
        self._memory.state_fact([row], float(self._lived[row]), [fact.text], [fact.key])
