"""Words that recommenders wrote and nobody saw, since the scenario does not say how users take them."""

from __future__ import annotations

import json
from pathlib import Path

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError

__all__ = ["UNREAD_FILE", "note_unread", "read_unread", "unread_line"]

UNREAD_FILE = "unread_words.json"
"""Slots with an explanation or a title that nobody saw, by arm; only where there were some."""


def note_unread(run: Path, arm: str, slots: int) -> None:
    """Write down how many slots of an arm had words that nobody saw; nothing where none had."""
    if slots:
        write_atomically(run / UNREAD_FILE, json.dumps(read_unread(run) | {arm: slots}, indent=2).encode() + b"\n")


def read_unread(run: Path) -> dict[str, int]:
    """Return the slots with words that nobody saw, by arm; empty where there were none.

    Raises:
        LogError: the file cannot be read.
    """
    path = run / UNREAD_FILE
    if not path.is_file():
        return {}
    try:
        return {str(arm): int(slots) for arm, slots in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise LogError(f"{path}: got {error}, expected slots by recommender; remove it") from error


def unread_line(run: Path) -> str:
    """Say in one line which words nobody saw; empty where there were none.

    Raises:
        LogError: the file cannot be read.
    """
    told = [f"{slots:,} by {arm}" for arm, slots in read_unread(run).items()]
    if not told:
        return ""
    return (
        f"Slots with an explanation or title that nobody saw, since the scenario has no presentation: {', '.join(told)}; "
        "add presentation: {} to show them."
    )
