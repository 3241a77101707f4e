"""What ``comparison.json`` holds, read back: its rows against the first arm and against the best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsim_llm.comparison.results import FILE_NAME
from recsim_llm.core.files import read_json
from recsim_llm.errors import LogError

__all__ = ["Content", "Row", "against_best", "against_first", "read_comparison"]

Content = Mapping[str, Any]
"""A comparison as plain values."""
Row = Mapping[str, Any]
"""One of its comparisons: an arm minus another on a metric."""


def read_comparison(run: Path) -> dict[str, Any] | None:
    """Return what ``comparison.json`` of a run folder holds; None where nothing was compared.

    Raises:
        LogError: the file is damaged.
    """
    path = run / FILE_NAME
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = read_json(path)
        content["comparisons"][0]["effect"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise LogError(f"{path}: got {error!r}, expected what `recsim-llm compare` writes; compare the run again") from error
    return content


def against_first(content: Content, metric: str) -> Iterator[Row]:
    """Yield the comparisons with the first arm on a metric."""
    return (row for row in content["comparisons"] if row["metric"] == metric and row["against"] == content["arms"][0])


def against_best(content: Content, metric: str) -> Iterator[Row]:
    """Yield the comparisons with the best that are not comparisons with the first."""
    best, first = content["best"], content["arms"][0]
    pairs = (row for row in content["comparisons"] if row["metric"] == metric and row["against"] != first)
    return (row for row in pairs if best in (row["arm"], row["against"])) if best != first else iter(())
