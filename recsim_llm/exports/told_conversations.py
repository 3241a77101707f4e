"""What every exporter of conversations needs: an arm's dialogues with their words, and an account of what a format loses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsim_llm.conversation.attributes import Attributes, find_attributes
from recsim_llm.conversation.dialogue_words import Named
from recsim_llm.conversation.transcripts import LoggedAct, Transcript, put_into_words
from recsim_llm.exports.page_conversations import PAGE_LOST, PAGE_MAPPED, PAGE_NOTES, page_transcripts
from recsim_llm.exports.source import ExportSource

__all__ = ["LOST", "Said", "ToldConversations"]

LOST = (
    *("click_prob", "leave_prob", "welcome", "obeyed", "bits", "false", "turns", "questions", "recommended"),
    *(
        "interruptions",
        "invalid",
        "regret",
        "patience",
        "spent",
        "blame",
        "blame_again",
        "leak_hits",
        "leak_expected",
        "leak_variance",
    ),
)
"""Columns of the log that no format of conversations holds."""


class Said(NamedTuple):
    """An act, and what was said with it."""

    act: LoggedAct
    """What was done."""
    text: str
    """In words; empty where nothing was said."""


class ToldConversations:
    """An arm's dialogues with words: those of the log where it has some, else made from the acts by templates.

    Of runs page by page in which users read words or say some, the visits are told as dialogues (``page_conversations``).
    An anonymous export takes templates throughout, since texts of the log were written by users or for them.

    Args:
        source: the arm.
    """

    def __init__(self, source: ExportSource) -> None:
        self._source = source

    @cached_property
    def attributes(self) -> Attributes:
        """What can be asked about in the run."""
        return find_attributes(self._source.catalog)

    def __iter__(self) -> Iterator[Transcript]:
        """Yield the dialogues in the order of the exported users' ids.

        Raises:
            LogError: nobody reads or says a word in the run.
        """
        return page_transcripts(self._source) if self._of_pages else self._source.transcripts()

    @property
    def _of_pages(self) -> bool:
        return self._source.log.worded or self._source.log.remarked

    def say(self, transcript: Transcript, named: Named | None = None) -> list[Said]:
        """Return every act of a dialogue with its words.

        Args:
            transcript: the dialogue.
            named: returns what stands for an item id in words; None: its title in quotes.
        """
        catalog, acts = self._source.catalog, transcript.acts
        made = put_into_words(acts, catalog, self.attributes, named=named)
        if self._source.identities.anonymous or all(act.text is None for act in acts):
            return [Said(*pair) for pair in zip(acts, made, strict=True)]
        titled = put_into_words(acts, catalog, self.attributes) if named else made
        said = []
        for act, new, plain in zip(acts, made, titled, strict=True):
            own = act.text is not None and act.text != plain
            said.append(Said(act, self._renamed(act, named) if own else new))
        return said

    def label(self, item: int) -> int | str | None:
        """Return the data's own id of an item, or its number."""
        return self._source.item_labels(np.array([item]))[0]

    def title(self, item: int) -> str:
        """Return the title of an item in one line."""
        return " ".join(str(self._source.catalog.title[self._source.item_index(np.array([item]))[0]]).split())

    def _renamed(self, act: LoggedAct, named: Named | None) -> str:
        """Return the log's own words, with the items of the act named where they name them by their titles."""
        text = act.text or ""
        if named is None:
            return text
        by_title = {self.title(item): item for item in act.items}
        titles = sorted((title for title in by_title if title), key=len, reverse=True)
        if not titles:
            return text
        pattern = "|".join(rf"'{re.escape(title)}'|(?<!\w){re.escape(title)}(?!\w)" for title in titles)
        known: Callable[[re.Match[str]], str] = lambda found: named(by_title[_unquoted(found.group(), by_title)])  # noqa: E731
        return re.sub(pattern, known, text)

    def write_losses(
        self, folder: Path, target: str, written: int, *, mapped: Sequence[str], lost: Sequence[str], notes: Sequence[str]
    ) -> None:
        """Write ``losses.json``, which says what a format cannot hold, with the keys that ``simeval`` has.

        Args:
            folder: of the arm.
            target: name of the format.
            written: dialogues.
            mapped: columns that it holds of a run whose users talk.
            lost: columns that it does not hold of one, besides ``LOST``.
            notes: what else a reader must know.
        """
        pages = self._of_pages
        losses = {
            "source_format": "recsim_llm run",
            "target_format": target,
            "sessions_processed": written,
            "sessions_skipped": 0,
            "fields_mapped": [*(PAGE_MAPPED if pages else mapped)],
            "fields_lost": [*PAGE_LOST] if pages else [*lost, *LOST],
            "transformation_notes": [*notes, *(PAGE_NOTES if pages else ())],
        }
        (folder / "losses.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")


def _unquoted(text: str, known: dict[str, int]) -> str:
    return text if text in known else text[1:-1]
