"""What ``comparison.json`` holds, read back: its rows against the first arm and against the best."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from recsim_llm.comparison.results import FILE_NAME, Comparison
from recsim_llm.report.side_files import reading

__all__ = ["Content", "Row", "against_best", "against_first", "read_comparison", "recommender_of"]

Content = Mapping[str, Any]
"""A comparison as plain values."""
Row = Mapping[str, Any]
"""One of its comparisons: an arm minus another on a metric."""


def read_comparison(run: Path) -> dict[str, Any] | None:
    """Return what ``comparison.json`` of a run folder holds; None where nothing was compared.

    Raises:
        LogError: the file is damaged, or of another release.
    """
    path = run / FILE_NAME
    if not path.is_file():
        return None
    with reading(path, "compare"):
        found = TypeAdapter(Comparison).validate_json(path.read_bytes(), strict=True)
        _check_names(found)
        # What is optional is there again, and a number too large for a float is refused.
        read: dict[str, Any] = json.loads(json.dumps(found.to_json(), allow_nan=False))
    return read


def against_first(content: Content, metric: str) -> Iterator[Row]:
    """Yield the comparisons with the first arm on a metric."""
    return (row for row in content["comparisons"] if row["metric"] == metric and row["against"] == content["arms"][0])


def against_best(content: Content, metric: str) -> Iterator[Row]:
    """Yield the comparisons with the best that are not comparisons with the first."""
    best, first = content["best"], content["arms"][0]
    pairs = (row for row in content["comparisons"] if row["metric"] == metric and row["against"] != first)
    return (row for row in pairs if best in (row["arm"], row["against"])) if best != first else iter(())


def recommender_of(content: Content, arm: str) -> str:
    """Return the name that a recommender has in its own run, which its colour is of."""
    return next((source["recommenders"][arm] for source in content["sources"] if arm in source["recommenders"]), arm)


def _check_names(found: Comparison) -> None:
    """See to it that the parts fit each other: every arm and metric is known, and all have their rows and values."""
    metrics, arms = [metric.key for metric in found.metrics], set(found.arms)
    pairs = {(metric, frozenset(pair)) for metric in metrics for pair in combinations(found.arms, 2)}
    rows = [(row.metric, frozenset((row.arm, row.against))) for row in found.comparisons]
    whole = len(arms) == len(found.arms) > 1 and found.best in arms and len(metrics) > 0 and len(found.verdict) > 0
    if not whole or len(rows) != len(pairs) or set(rows) != pairs:
        raise ValueError("comparisons that are not those of the arms and metrics")
    if any(set(found.values.get(metric, ())) != arms for metric in metrics):
        raise ValueError("values that are not those of the arms and metrics")
    for groups in (*found.groups, *found.families):
        counts = {len(groups.sizes), len(groups.groups.names), len(groups.groups.effects)}
        if len(counts) > 1 or not {groups.arm, groups.against} <= arms:
            raise ValueError("groups that do not fit the arms")
