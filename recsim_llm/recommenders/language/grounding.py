"""From titles that a model wrote to items: the very one, else the nearest (BIGRec, Bao et al. 2023, section 3.2)."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.numerics.word_index import words_of
from recsim_llm.recommenders.language.text_vectors import TextVectors

__all__ = ["Grounding", "Title", "read_titles"]

_BULLET = re.compile(r"^\s*(?:[-*•]+|\d{1,3}\s*[.):])\s*")
_YEAR = re.compile(r"^(.*?)\s*\((\d{4})\)\s*$")
_MARKS = " \t\"'“”‘’*_`.,;|"
_ARTICLES = frozenset({"the", "a", "an"})


class Title(NamedTuple):
    """A title that a model wrote."""

    words: str
    """The title itself."""
    year: int
    """The year beside it; -1 where none is."""


class Grounding:
    """Finds the items of a catalog by titles.

    Args:
        catalog: the items.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._exact: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._year = catalog.year
        for item, title in enumerate(catalog.title.tolist()):
            self._exact[_normal(str(title))].append(item)
        self._near = TextVectors(
            [_said(Title(str(title), year)) for title, year in zip(catalog.title, catalog.year.tolist(), strict=True)],
            letters=True,
        )

    def exact(self, title: Title) -> int:
        """Return the position of the one item of this title and, where one is told, this year; -1 where there is not just one.

        Case, accents, punctuation, and an article before or behind the title do not matter.
        """
        named = self._exact.get(_normal(title.words), [])
        fitting = [item for item in named if title.year < 0 or self._year[item] in (title.year, -1)]
        return fitting[0] if len(fitting) == 1 else -1

    def likeness(self, titles: Sequence[Title]) -> DoubleArray:
        """Return float64 [m, n] from 0 to 1: how like titles and years are to those of the items, see ``TextVectors``."""
        return self._near.likeness([_said(title) for title in titles])


def read_titles(text: str, most: int) -> list[Title]:
    """Return the titles that stand in a text, one a line, at most so many; bullets, numbers and quotes around them go."""
    lines = (_BULLET.sub("", line).split(" | ")[0].strip(_MARKS) for line in text.splitlines())
    return [_title(line) for line in lines if line][:most]


def _title(line: str) -> Title:
    dated = _YEAR.match(line)
    return Title(dated[1].strip(_MARKS), int(dated[2])) if dated and dated[1].strip(_MARKS) else Title(line, -1)


def _said(title: Title) -> str:
    return title.words if title.year < 0 else f"{title.words} {title.year}"


def _normal(title: str) -> tuple[str, ...]:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    words = words_of(plain.replace("&", " and "))
    kept = words[1:] if len(words) > 1 and words[0] in _ARTICLES else words
    return tuple(kept[:-1] if len(kept) > 1 and kept[-1] in _ARTICLES else kept)
