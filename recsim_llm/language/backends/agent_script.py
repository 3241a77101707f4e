"""A stand-in for an agent that looks things up with tools before it recommends; it reads a chat and answers with actions.

It goes by genres alone: it selects what has the genres that the visitor gave most stars to, has it ranked, and answers with the
first candidates. It knows the prompts of ``recsim_llm.tools.agent_prompts`` and nothing else, so it shows that agents work, and
how their pages come about, but not what a language model would do.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from recsim_llm.language.base.questions import Question

__all__ = ["AgentScript"]

_TAKEN = re.compile(r'^- \d+: "[^"\n]*"(?: \(\d{4}\))? \|([^|\n]*)\| (?:(\d(?:\.\d)?) stars?|.*)$', re.MULTILINE)
_RESULT = re.compile(r'^\{.*"candidates": \d+.*\}$', re.MULTILINE)
_POSITIONS = re.compile(r"^The page has (\d+) positions?\.$", re.MULTILINE)
_MOST = re.compile(r"^Name up to (\d+) next actions", re.MULTILINE)
_SHELF = re.compile(r"^What stands on shelf (\d+)\?", re.MULTILINE)  # as a probe asks
_PLAN, _NOW = "Name all actions of your plan", "Answer now"
_STARS_UNKNOWN = 3.0

_Actions = list[tuple[str, dict[str, object]]]


class AgentScript:
    """A script that asks for tools; its typed answers are equally probable."""

    __qualname__ = "agent"

    def __call__(self, text: str, question: Question) -> Sequence[float]:
        """Answer any typed question with equal probabilities."""
        del text
        return (1.0,) * len(question.options)

    def act(self, text: str) -> _Actions:
        """Return the next actions.

        Args:
            text: the whole chat.
        """
        if shelf := _SHELF.search(text):
            return [("select", {"shelf": int(shelf[1])})]
        results = _RESULT.findall(text)
        genres = _favourites(text)
        if _NOW in text:
            return _answer(text, results)
        if _PLAN in text:
            return [*_selected(genres[:1]), ("rank", {})]
        if most := _MOST.search(text):
            return _alternatives(genres[: int(most[1])], results) or _answer(text, results)
        steps: _Actions = [*_selected(genres[:1]), ("rank", {})]
        return [steps[len(results)]] if len(results) < len(steps) else _answer(text, results)


def _favourites(text: str) -> list[str]:
    """Return genres by the stars that the visitor gave them, most first."""
    stars: dict[str, float] = defaultdict(float)
    for genres, given in _TAKEN.findall(text):
        for genre in genres.split(","):
            stars[genre.strip()] += float(given or _STARS_UNKNOWN)
    known = [genre for genre in stars if genre and genre != "no genre"]
    return sorted(known, key=lambda genre: (-stars[genre], genre))


def _selected(genres: Sequence[str]) -> _Actions:
    # Quotes cannot stand in a genre's name as prompts show it, but an apostrophe can.
    return [("select", {"filter": "genre = '{}'".format(genre.replace("'", "''"))}) for genre in genres]


def _alternatives(genres: Sequence[str], results: Sequence[str]) -> _Actions:
    """Return a path for each genre, then have each ranked; nothing where that is done."""
    if not results:
        return [(name, {**arguments, "path": 0}) for name, arguments in _selected(genres)] or [("rank", {"path": 0})]
    told = [json.loads(result) for result in results]
    paths = [one["path"] for one in told if "path" in one]
    return [("rank", {"path": path}) for path in paths] if len(set(paths)) == len(paths) <= max(len(genres), 1) else []


def _answer(text: str, results: Sequence[str]) -> _Actions:
    """Return a page of the first candidates: of the last result, or of all paths in turn."""
    size = _POSITIONS.search(text)
    told = [json.loads(result) for result in results]
    last = [one for one in told if "path" in one][len(told) // 2 :] or told[-1:]
    ranks = zip_longest(*([one["id"] for one in result["first_candidates"]] for result in last))
    items = list(dict.fromkeys(item for rank in ranks for item in rank if item is not None))
    return [("answer", {"item_ids": items[: int(size[1]) if size else len(items)]})]
