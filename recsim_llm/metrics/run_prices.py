"""What was shown and taken costs, in runs whose items have prices, read from the run's folder alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.log.columns import integers, numbers
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
    users = len(tables.user_id)
    shown, clicked = ([np.zeros(users), np.zeros(users)] for _ in range(2))
    for batch in log.batches("impressions", ["user_id", "item_id", "clicked"], arm=arm):
        there = integers(batch, "item_id") >= 0
        user = find_rows(integers(batch, "user_id")[there], tables.user_id, f"{log.folder}: user_id")
        item = find_rows(integers(batch, "item_id")[there], tables.item_id, f"{log.folder}: item_id")
        price, taken = np.asarray(tables.price)[item], numbers(batch, "clicked")[there]
        # Row by row, so that the sums do not depend, to the last bit, on how the log is cut into batches.
        for (paid, count), counts in ((shown, np.ones(len(price))), (clicked, taken)):
            np.add.at(paid, user, price * counts)
            np.add.at(count, user, counts)
    return ArmPrices(
        arm=arm, shown=ratio_estimate(*shown, bounds=(0.0, np.inf)), clicked=ratio_estimate(*clicked, bounds=(0.0, np.inf))
    )
