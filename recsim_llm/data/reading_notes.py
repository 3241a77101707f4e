"""What was left out, lost or decided in reading a data set or a log: as a record for manifests, and in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset

__all__ = ["reading_lines", "reading_record"]


def reading_record(dataset: Dataset | Exposures) -> dict[str, Any]:
    """Return rows left out and fields lost, by reason, rows that repeat a user and an item, and other notes.

    Returns:
        ``skipped`` and ``unread``: reason to number; ``repeats``: number of rows; ``notes``: list of lines.
    """
    count = dataset.ratings.count if isinstance(dataset, Dataset) else None
    return {
        "skipped": dict(dataset.skipped),
        "unread": dict(dataset.unread),
        "repeats": 0 if count is None else int(count.sum()) - len(count),
        "notes": list(dataset.notes),
    }


def reading_lines(record: Mapping[str, Any]) -> list[str]:
    """Return a record in words, a line for each kind of thing; none where nothing was left out, lost or decided.

    Args:
        record: as ``reading_record`` makes it; what is missing counts as nothing.

    Examples:
        >>> reading_lines({"skipped": {"clicks.csv: bad user_id": 2}})
        ['data: 2 rows were left out (clicks.csv: bad user_id 2)']
    """
    lines = [f"data: {note}" for note in record.get("notes", ())]
    if skipped := record.get("skipped"):
        lines.append(f"data: {_rows(sum(skipped.values()))} left out ({_reasons(skipped)})")
    if unread := record.get("unread"):
        lines.append(f"data: {_rows(sum(unread.values()))} kept without a field that could not be read ({_reasons(unread)})")
    if repeats := record.get("repeats"):
        lines.append(f"data: {_rows(repeats)} counted as repeats of a user and an item")
    return lines


def _rows(number: int) -> str:
    return "1 row was" if number == 1 else f"{number:,} rows were"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
