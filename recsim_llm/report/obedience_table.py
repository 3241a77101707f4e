"""How critiques were heeded in conversations, beside what chance alone would have heeded: rows of a report, and lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsim_llm.report import numbers
from recsim_llm.report.summary_tables import Cell

__all__ = ["obedience_lines", "obedience_rows"]

Arms = Sequence[Mapping[str, Any]]
Rows = list[tuple[str, list[Cell]]]

_KINDS = {"all": "All", "less": "Less of something", "more": "More of something", "not_this": "Not this one"}
_BEYOND = {"all": "less or more", "less": "less of something", "more": "more of something"}


def obedience_rows(arms: Arms) -> Rows:
    """Return by kind of critique the share that was heeded, and beneath what chance heeds and obedience beyond it.

    Args:
        arms: ``arms`` of what ``recsim_llm.report.conversation_section.read_conversation`` returns.
    """
    if not any(arm["obeyed"]["all"]["users"] for arm in arms):
        return []
    rows = [_row(label, [arm["obeyed"][kind] for arm in arms], share=True) for kind, label in _KINDS.items()]
    if any(arm["beyond_chance"] is None for arm in arms):
        return rows
    found = [arm["beyond_chance"] for arm in arms]
    for name, label in (("heeded", "what was asked for"), ("by_chance", "what could have been asked for instead")):
        rows.append(_row(f"Less or more, of {label}", [one[name]["all"] for one in found], share=True))
    for kind, label in _BEYOND.items():
        rows.append(_row(f"Obedience beyond chance: {label}", [one["obedience"][kind] for one in found]))
    return rows


def obedience_lines(run: Path) -> Iterator[str]:
    """Yield a line an arm on its obedience, for a terminal, from ``metrics.json``; nothing where nobody criticised anything."""
    conversation = json.loads((run / "metrics.json").read_text(encoding="utf-8")).get("conversation") or {}
    for arm in conversation.get("arms", ()):
        heeded, beyond = numbers.read_estimate(arm["obeyed"]["all"]), arm["beyond_chance"]
        if not heeded.users:
            continue
        line = f"critiques heeded by {arm['arm']}: {heeded.text(2)}"
        if beyond is not None and beyond["critiques"]["all"]:
            said, other, obedience = (
                numbers.read_estimate(beyond[name]["all"]) for name in ("heeded", "by_chance", "obedience")
            )
            line += (
                f"; of those that name a value {said.text(2)}, of values not named {other.text(2)}; "
                f"obedience beyond chance {obedience.text(2)}, 0 if deaf, 1 if always heeded"
            )
        yield line


def _row(label: str, contents: Sequence[Mapping[str, Any]], *, share: bool = False) -> tuple[str, list[Cell]]:
    estimates = [numbers.read_estimate(content) for content in contents]
    digits = numbers.common_decimals(estimates, share=share)
    return label, [
        Cell(numbers.plain(one.value, digits, share=share), numbers.interval_below(one, digits, share=share))
        for one in estimates
    ]
