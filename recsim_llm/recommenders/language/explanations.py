"""Why an item is on a page: in a model's words, or by a template where it wrote none that can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recsim_llm.core.catalog import Catalog
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.recommenders.language.policy_prompts import Taken

__all__ = ["explain_by_template", "explanation_order", "read_explanations"]

_LINE = re.compile(r"^\s*(\d{1,3})\s*[.):]\s*(\S.*)$")
_LONGEST, _TITLE, _GENRE = 240, 120, 40  # characters


def explanation_order(count: int) -> str:
    """Return the line that asks for an explanation of each of so many titles."""
    lines = "one line" if count == 1 else f"one line for each of the {count} titles"
    return f"Write {lines}, as NUMBER. REASON, in at most 20 words each, and nothing else."


def read_explanations(text: str, count: int) -> list[str]:
    """Return the explanations of a page by position, one line each; empty where none stands under a title's number.

    Args:
        text: what a model wrote: lines ``NUMBER. REASON``. Of a number's second line nothing is taken, nor of other lines.
        count: titles, numbered from 1.
    """
    found: dict[int, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and 1 <= int(match[1]) <= count:
            found.setdefault(int(match[1]) - 1, safe_text(match[2], _LONGEST))
    return [found.get(place, "") for place in range(count)]


def explain_by_template(catalog: Catalog, item: int, taken: Sequence[Taken], said: Sequence[str]) -> str:
    """Return what is true of an item for its visitor: a genre that they spoke of, else genres of something that they took.

    Args:
        catalog: the items.
        item: catalog position.
        taken: what the visitor took, oldest first; of equals the latest is named.
        said: what the visitor said.

    Returns:
        One line; of an item without genres nothing, an empty text.
    """
    genres = catalog.genres_of(item)
    words = " ".join(said).casefold()
    named = [genre for genre in genres if re.search(rf"\b{re.escape(genre.casefold())}\b", words)]
    if named:
        return f"You spoke of {_listing(named)}."
    shared = [([genre for genre in catalog.genres_of(one.item) if genre in genres], one.item) for one in reversed(taken)]
    best, like = max(shared, key=lambda pair: len(pair[0]), default=([], -1))
    if best:
        return f'{_listing(best)}, as in "{safe_text(str(catalog.title[like]), _TITLE)}", which you took.'
    return f"{_listing(genres)}." if genres else ""


def _listing(names: Sequence[str]) -> str:
    words = [safe_text(name, _GENRE) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
