"""A stand-in for whatever a policy asks of its model: it ranks, explains, looks things up, talks, and names titles.

It goes by genres, as ``scripted/recommender`` and ``scripted/agent`` do, whose parts it plays, so that policies of all kinds
can be compared in one run with one model. Titles it knows by heart, as a language model knows famous films: those of the
invented catalog ``fictional``, and of no other. It knows title, year and genres of each, never what anybody thinks of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.data import open_dataset
from recsim_llm.language.backends.agent_script import AgentScript
from recsim_llm.language.backends.prompt_lines import names_in
from recsim_llm.language.backends.scripted_recommender import TAKEN_LINE, recommender
from recsim_llm.language.base.questions import Question

__all__ = ["INVENTED", "PolicyScript"]

INVENTED = 0.4
"""Share of the titles that ``scripted/inventive`` makes up."""
QUESTIONS = 2
"""Questions that it asks in a conversation before it recommends."""

_KNOWN = "fictional"
_AGENT = re.compile(r"^(?:The page has \d+ positions?\.|What stands on shelf \d+\?)", re.MULTILINE)
_NAMED = re.compile(r"^Name (\d+) titles?,", re.MULTILINE)
_DIALOGUE = re.compile(r"<dialogue>\n(.*?)\n</dialogue>", re.DOTALL)
_DATED = re.compile(r'^(.*?)"(?: \((\d{4})\))?$')
_STARS_UNKNOWN = 3.0
_MOVE, _ASKS, _VISITOR = "move", "ask which", "visitor:"


class PolicyScript:
    """Answers whatever a policy asks.

    Typed questions about candidates and reasons are those of ``Recommending``, actions those of ``AgentScript``. In a
    conversation it asks about the first attributes, one after the other, until the visitor has said two things, then
    recommends. Asked for titles it names films of ``fictional`` that it was not told of, those whose genres have most
    in common with what the visitor took (Jaccard, weighted by stars) first, equal ones in an order that hangs on the prompt;
    a share of them, drawn by prompt and place, gets a number behind it that no film has.

    Args:
        invented: that share, 0 to 1.
    """

    def __init__(self, invented: float) -> None:
        self._invented = invented

    def __call__(self, text: str, question: Question) -> Sequence[float]:
        """Return a weight for each option."""
        heard = _heard(text)
        if question.key != _MOVE:
            told = "\n".join(f'- "{words}"' for words in heard)
            return recommender(f"<said>\n{told}\n</said>\n{text}" if heard else text, question)
        said = len(heard)
        asks = [place for place, option in enumerate(question.options) if option.startswith(_ASKS)]
        move = asks[said] if said < min(QUESTIONS, len(asks)) else 0
        return tuple(float(place == move) for place in range(len(question.options)))

    def act(self, text: str) -> list[tuple[str, dict[str, object]]]:
        """Return the next actions of an agent; none where no agent asks."""
        return AgentScript().act(text) if _AGENT.search(text) else []

    def write(self, text: str) -> str:
        """Return what it writes, by what the prompt's last line asks for."""
        named = _NAMED.search(text)
        return "\n".join(self._titles(text, int(named[1]))) if named else recommender.write(text)

    def _titles(self, text: str, count: int) -> list[str]:
        films = _known_films()
        taken = [(title, names_in(genres), float(stars or _STARS_UNKNOWN)) for title, genres, stars in TAKEN_LINE.findall(text)]
        like = films.likeness([(genres, stars) for _, genres, stars in taken])
        order = np.lexsort((np.random.default_rng(_number(text)).permutation(len(like)), -like))
        told = {title for title, _, _ in taken}
        named = [films.lines[film] for film in order.tolist() if films.lines[film] not in told][:count]
        return [self._line(text, line, place) for place, line in enumerate(named)]

    def _line(self, text: str, line: str, place: int) -> str:
        match = _DATED.match(line)
        title, year = (match[1], match[2]) if match else (line, None)
        part = " Part IX" if _number(f"{place} {text}") / 2**64 < self._invented else ""
        return f"{title}{part} ({year})" if year else f"{title}{part}"


class _Films(NamedTuple):
    """What is known by heart."""

    lines: tuple[str, ...]
    """Title and year as prompts tell them."""
    genres: BoolArray
    """bool [n, g]."""
    names: tuple[str, ...]
    """Of the genres."""

    def likeness(self, taken: Sequence[tuple[frozenset[str], float]]) -> DoubleArray:
        """Return float64 [n]: mean Jaccard index with the genres of what was taken, weighted by stars."""
        total = np.zeros(len(self.lines))
        for genres, stars in taken:
            own = np.array([name in genres for name in self.names])
            either = (self.genres | own).sum(axis=1)
            total += stars * (self.genres & own).sum(axis=1) / np.maximum(either, 1)
        return total


@lru_cache(maxsize=1)
def _known_films() -> _Films:
    catalog = open_dataset(_KNOWN).catalog
    years = [f" ({year})" if year > 0 else "" for year in catalog.year.tolist()]
    lines = [f'{title}"{year}' for title, year in zip(catalog.title.tolist(), years, strict=True)]
    return _Films(tuple(lines), catalog.genres.astype(np.bool_), tuple(catalog.genre_names))


def _heard(text: str) -> list[str]:
    """Return what the visitor said in a conversation, oldest first."""
    spoken = _DIALOGUE.findall(text)
    lines = spoken[-1].split("\n") if spoken else []
    return [line.removeprefix(_VISITOR).strip() for line in lines if line.startswith(_VISITOR)]


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
