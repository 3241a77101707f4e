"""What recommenders counted while they served, such as titles that the catalog does not have."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.log.tables import COUNTS, has_table, read_table
from recsim_llm.report import numbers
from recsim_llm.report.page_layout import table
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics.intervals import Estimate, ratio_estimate, share_estimate

__all__ = ["ArmCount", "RecommenderCounts", "counts_section", "read_counts"]


@dataclass(frozen=True, kw_only=True)
class ArmCount:
    """One thing that the recommender of one arm counted."""

    arm: str
    """The arm."""
    what: str
    """What was counted."""
    of: str
    """Of what, or for each of what it is told."""
    share: bool
    """Whether every case counts for 0 or 1."""
    amount: float
    """How much was counted in all."""
    cases: float
    """How many of ``of`` there were."""
    estimate: Estimate
    """The amount for each case, with its interval by user."""


@dataclass(frozen=True, kw_only=True)
class RecommenderCounts:
    """What the recommenders of a run counted."""

    rows: tuple[ArmCount, ...]
    """In the order of arms and names."""

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values under the names of the fields, an entry a row."""
        return [asdict(row) for row in self.rows]


def read_counts(run: Path) -> RecommenderCounts | None:
    """Return what the recommenders of a run counted; None where none counts anything.

    Raises:
        LogError: the table is damaged.
    """
    if not has_table(run, "counts"):
        return None
    rows = read_table(run, "counts", COUNTS.names)
    sums: dict[tuple[str, str, str, bool], list[tuple[float, float]]] = {}
    for row in rows.to_pylist():
        key = (row["arm"], row["what"], row["of"], row["share"])
        sums.setdefault(key, []).append((row["amount"], row["cases"]))
    return RecommenderCounts(rows=tuple(_count(key, pairs) for key, pairs in sums.items()))


def counts_section(found: RecommenderCounts | None) -> str:
    """Return the section on what recommenders counted; empty where they counted nothing."""
    if found is None:
        return ""
    groups = [
        (arm, [(row.what, _cells(row)) for row in found.rows if row.arm == arm])
        for arm in dict.fromkeys(row.arm for row in found.rows)
    ]
    note = (
        "As the recommenders themselves counted it, with 95% intervals by user. What could not be read or grounded is shown to "
        "nobody; nothing is made of it."
    )
    heads = ("For each", "Share or mean", "Counted", "Of", "Users")
    return f'<h2>What recommenders counted</h2>\n{table(heads, groups)}\n<p class="aside">{note}</p>'


def _cells(row: ArmCount) -> list[Cell]:
    digits = numbers.decimals(row.estimate, share=row.share)
    value = numbers.plain(row.estimate.value, digits, share=row.share)
    within = numbers.interval(row.estimate, digits, share=row.share)
    counted = numbers.plain(row.amount, 0 if row.amount == int(row.amount) else 1)
    told = (Cell(row.of), Cell(value, within), Cell(counted), Cell(numbers.count(int(row.cases))))
    return [*told, Cell(numbers.count(row.estimate.users))]


def _count(key: tuple[str, str, str, bool], pairs: list[tuple[float, float]]) -> ArmCount:
    arm, what, of, share = key
    amount, cases = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    told = share_estimate(amount, cases) if share else ratio_estimate(amount, cases, bounds=(0.0, np.inf))
    return ArmCount(arm=arm, what=what, of=of, share=share, amount=float(amount.sum()), cases=float(cases.sum()), estimate=told)
