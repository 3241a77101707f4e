"""Conversational policies against each other: every pair on every measure of a dialogue, on the same users, corrected."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from recsim_llm.comparison.judge import judge_pairs
from recsim_llm.comparison.outcomes import Outcome, Pair
from recsim_llm.conversation.dialogue_measures import read_dialogues
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.definitions import Definition
from recsim_llm.statistics import CONFIDENCE

__all__ = ["DIALOGUE_MEASURES", "compare_dialogues"]

DIALOGUE_MEASURES = (
    Definition(key="success", label="Found", unit="share", better="more", numerator="found", high=1.0),
    Definition(key="turns", label="Turns", unit="turns", better="less", numerator="turns"),
    Definition(key="interruptions", label="Interruptions", unit="acts", better="less", numerator="interruptions"),
    Definition(key="regret", label="Regret", unit="deviations", better="less", numerator="regret", denominator="taken"),
)
"""What policies are compared on: means over users, and the regret of what was accepted."""


def compare_dialogues(log: RunReader) -> list[dict[str, Any]] | None:
    """Compare the policies of a conversation; of each pair the later one less the earlier one.

    Intervals hold together over all pairs and measures (Holm), as far as a measure is defined for both.

    Returns:
        A row a pair and measure, plain values: ``arm``, ``against``, ``metric``, ``label``, ``unit``, ``value``, ``low``,
        ``high``, ``users``, ``p_adjusted``, ``differs``; None where nobody talks, or there is one policy only.
    """
    if not (log.manifest.get("settings") or {}).get("conversation") or len(log.begun_arms) < 2:
        return None
    rows = {arm: _sums(read_dialogues(log, arm)) for arm in log.begun_arms}
    pairs = [pair for metric in DIALOGUE_MEASURES for pair in _pairs(metric, rows)]
    judged = judge_pairs([pair for pair in pairs if pair.values is not None], correction="holm", confidence=CONFIDENCE)
    return [
        {
            "arm": row.pair.arm,
            "against": row.pair.against,
            "metric": row.pair.metric.key,
            "label": row.pair.metric.label,
            "unit": row.pair.metric.unit,
            "value": row.effect.value,
            "low": row.effect.low,
            "high": row.effect.high,
            "users": row.effect.users,
            "p_adjusted": row.p_adjusted,
            "differs": row.rejected,
        }
        for row in judged
    ]


def _sums(rows: Columns) -> dict[str, DoubleArray]:
    taken = ~np.isnan(rows["regret"])
    sums: dict[str, Any] = {"found": rows["on_goal"], "taken": taken, "regret": np.nan_to_num(rows["regret"])}
    sums |= {name: rows[name] for name in ("user_id", "turns", "interruptions")}
    return {name: np.asarray(column, np.float64) for name, column in sums.items()}


def _pairs(metric: Definition, rows: Mapping[str, Mapping[str, DoubleArray]]) -> list[Pair]:
    found = []
    for first, later in combinations(rows, 2):
        users = np.intersect1d(rows[first]["user_id"], rows[later]["user_id"])
        one, other = (_outcome(metric, rows[arm], users) for arm in (later, first))
        limits = (metric.low, metric.high)
        found.append(Pair(metric, later, first, one, other, users.astype(np.int64), limits))
    return found


def _outcome(metric: Definition, rows: Mapping[str, DoubleArray], users: DoubleArray) -> Outcome:
    kept = np.isin(rows["user_id"], users)
    above, below = metric.columns({name: column[kept] for name, column in rows.items()})
    return Outcome(above, below)
