"""What is written on the pages that language users read: explanations, and titles of the recommender's own, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.language.base.questions import Part

__all__ = ["WRITTEN_FILES", "WrittenWords"]

WRITTEN_FILES: Mapping[str, tuple[str, ...]] = {"written": ("beside",)}
"""Templates that words on pages need beside those of decisions."""


class WrittenWords:
    """Keeps what is written on each row's page to come.

    Args:
        templates: language of the prompts.

    Raises:
        ConfigError: the templates have no words for it.
    """

    def __init__(self, templates: str) -> None:
        self._templates = Templates(templates, WRITTEN_FILES)
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over the templates and their versions."""
        self.hidden = False
        """Whether pages are to be read as if nothing were written on them."""
        self.forget()

    def __deepcopy__(self, memo: dict[int, Any]) -> WrittenWords:
        """Copy what changes; the templates are shared."""
        other = copy(self)
        other._written = dict(self._written)
        return other

    def forget(self) -> None:
        """Forget all pages."""
        self._written: dict[int, tuple[tuple[str, str], ...]] = {}

    def show(self, rows: IntArray, explanation: TextArray | None, title: TextArray | None) -> None:
        """Note what is written on the pages to come; see ``ReadsWords.show_words``."""
        if explanation is None and title is None:
            for row in rows.tolist():
                self._written.pop(row, None)
            return
        known = explanation if explanation is not None else title
        assert known is not None
        empty = np.full(np.shape(known), "", object)
        columns = [np.asarray(empty if words is None else words, object).tolist() for words in (explanation, title)]
        for row, reasons, titles in zip(rows.tolist(), *columns, strict=True):
            self._written[row] = tuple(zip(reasons, titles, strict=True))

    def on_page(self, row: int) -> tuple[tuple[str, str], ...]:
        """Return explanation and title by position on the page to come; empty where nothing is to be read."""
        return () if self.hidden else self._written.get(row, ())

    def part(self, written: Sequence[tuple[str, str]]) -> tuple[Part, ...]:
        """Return the part of a prompt that says what is written; none where nothing is.

        Args:
            written: explanation and title by number of presentation.
        """
        told = [(number, *words) for number, words in enumerate(written, 1) if any(words)]
        return (Part("written", self._templates.say("written.beside", told=told)),) if told else ()
