"""What language users type into a search, and that they are told which page answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.core.arrays import IntArray
from recsim_llm.dynamics.user_actions import typed_title
from recsim_llm.language.base.questions import Part

__all__ = ["SEARCH_FILES", "SearchWords"]

SEARCH_FILES: Mapping[str, tuple[str, ...]] = {"search": ("answer", "genre", "title")}
"""Templates that searches need beside those of decisions."""


class SearchWords:
    """Puts what users look for into words, and remembers which page to come answers which query.

    Args:
        templates: language of the prompts.
        writer: knows the items' text.
        genre_names: of the catalog.

    Raises:
        ConfigError: the templates have no search.
    """

    def __init__(self, templates: str, writer: PromptWriter, genre_names: Sequence[str]) -> None:
        self._templates, self._writer, self._genres = Templates(templates, SEARCH_FILES), writer, genre_names
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over the templates of searches and their versions."""
        self.forget()

    def __deepcopy__(self, memo: dict[int, Any]) -> SearchWords:
        """Copy what changes; the words are shared."""
        other = copy(self)
        other._queries = dict(self._queries)
        return other

    def forget(self) -> None:
        """Forget all pages."""
        self._queries: dict[int, str] = {}

    def write(self, genre: IntArray, item_index: IntArray) -> list[str]:
        """Return queries; see ``WritesQueries.write_queries``."""
        return [self._query(*wanted) for wanted in zip(genre.tolist(), item_index.tolist(), strict=True)]

    def _query(self, genre: int, item: int) -> str:
        if item >= 0:
            return self._templates.say("search.title", title=typed_title(self._writer.item(item).title))
        return self._templates.say("search.genre", genre=self._genres[genre])

    def show(self, rows: IntArray, queries: Sequence[str | None]) -> None:
        """Note which query each page to come answers; see ``WritesQueries.show_queries``."""
        self._queries.update((row, query or "") for row, query in zip(rows.tolist(), queries, strict=True))

    def query(self, row: int) -> str:
        """Return the query that the page to come answers; empty where it answers none."""
        return self._queries.get(row, "")

    def part(self, query: str) -> tuple[Part, ...]:
        """Return the part of a prompt that says which query the page answers; none where it answers none."""
        return (Part("search", self._templates.say("search.answer", query=query)),) if query else ()
