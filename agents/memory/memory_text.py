"""Memories as lines of a prompt, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.records import Records
from recsim_llm.agents.memory.retrieval import MemoryKind
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.user_memory import Rendered
from recsim_llm.language.base.tokens import estimate_tokens

__all__ = ["BULLET", "fit", "render_rows"]

BULLET = "- "
"""Begins every line."""
_LINE_TOKENS = estimate_tokens(f"{BULLET}\n")


def fit(tokens: Sequence[int], budget: int) -> list[int]:
    """Return the places of the lines that fit, the most valuable first.

    A line is left out if it does not fit beside the more valuable ones that do; so no line goes for a less valuable one.

    Args:
        tokens: of each text, the most valuable first.
        budget: most tokens of all lines.
    """
    kept, left = [], budget
    for place, needed in enumerate(tokens):
        if needed + _LINE_TOKENS <= left:
            kept.append(place)
            left -= needed + _LINE_TOKENS
    return kept


def render_rows(
    records: Records,
    settings: MemorySettings,
    row: IntArray,
    queries: Sequence[str],
    *,
    now: npt.NDArray[np.float64],
    budget: int,
) -> list[Rendered]:
    """Render different rows, touching nothing; see ``Memories.render``."""
    stream, share = records.stream, int(budget * settings.consolidated_share)
    hidden = np.zeros(stream.capacity, np.bool_)
    standing: list[IntArray] = []
    consolidated: list[IntArray] = []
    for owner, first in zip(row.tolist(), stream.first(row).tolist(), strict=True):
        reflection = records.standing(owner, MemoryKind.REFLECTION)
        facts = records.standing(owner, MemoryKind.FACT)
        standing.append(np.concatenate([reflection, facts]))
        valued = np.concatenate([facts[::-1], reflection])
        kept = valued[fit(_tokens(records, first + valued), share)]
        consolidated.append(np.concatenate([kept[np.isin(kept, reflection)], np.sort(kept[~np.isin(kept, reflection)])]))
        hidden[first + kept] = True
    index, _ = records.search(
        row, queries, now, k=int(settings.recalled), kinds=(MemoryKind.OBSERVATION, MemoryKind.FACT), hidden=hidden
    )
    return [
        _render(records, owner, (standing[place], consolidated[place], index[place]), budget)
        for place, owner in enumerate(row.tolist())
    ]


def _render(records: Records, owner: int, chosen: tuple[IntArray, IntArray, IntArray], budget: int) -> Rendered:
    standing, consolidated, index = chosen
    first = records.stream.stretch(owner).start
    found = index[index >= 0]
    left = budget - sum(tokens + _LINE_TOKENS for tokens in _tokens(records, first + consolidated))
    shown = np.sort(found[fit(_tokens(records, first + found), left)])
    candidates = len(np.union1d(standing, found))
    return Rendered(
        _lines(records, first + consolidated),
        _lines(records, first + shown),
        candidates - len(consolidated) - len(shown),
        shown,
        records.stream["time"][first + shown],
    )


def _tokens(records: Records, place: IntArray) -> list[int]:
    return [records.texts.tokens[number] for number in records.stream["text"][place].tolist()]


def _lines(records: Records, place: IntArray) -> str:
    return "\n".join(f"{BULLET}{records.texts.text[number]}" for number in records.stream["text"][place].tolist())
