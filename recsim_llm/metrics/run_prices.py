"""What was shown and taken costs, in runs whose items have prices, read from the run's folder alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.item_tables import RunTables, find_rows
from recsim_llm.statistics import Estimate, ratio_estimate

__all__ = ["ArmPrices", "measure_prices"]


@dataclass(frozen=True, kw_only=True)
class ArmPrices:
    """Mean prices under one recommender, before any intervention; intervals by user."""

    arm: str
    """Its name."""
    shown: Estimate
    """Of what was shown."""
    clicked: Estimate
    """Of what was clicked."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_prices(log: RunReader, tables: RunTables) -> tuple[ArmPrices, ...] | None:
    """Measure what costs what under each recommender that was served; None where items have no prices.

    Args:
        log: of the run.
        tables: beside it.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    if tables.price is None:
        return None
    return tuple(_measure(log, tables, arm) for arm in log.begun_arms)


def _measure(log: RunReader, tables: RunTables, arm: str) -> ArmPrices:
    slots = log.columns("impressions", ["user_id", "item_id", "clicked"], arm=arm)
    shown = slots["item_id"] >= 0
    user = find_rows(slots["user_id"][shown].astype(np.int64), tables.user_id, f"{log.folder}: user_id")
    item = find_rows(slots["item_id"][shown].astype(np.int64), tables.item_id, f"{log.folder}: item_id")
    price, clicked = np.asarray(tables.price)[item], slots["clicked"][shown].astype(np.float64)

    def mean(counts: DoubleArray) -> Estimate:
        sums: list[DoubleArray] = [
            np.bincount(user, weights, minlength=len(tables.user_id)).astype(np.float64) for weights in (price * counts, counts)
        ]
        return ratio_estimate(sums[0], sums[1])

    return ArmPrices(arm=arm, shown=mean(np.ones(len(price))), clicked=mean(clicked))
