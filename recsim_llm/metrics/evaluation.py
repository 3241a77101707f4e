"""What each arm of a run amounts to: metrics with intervals by user, and the data behind each figure.

Intervals and their formulas are in ``recsim_llm.statistics.intervals``; the pass over the log is in
``recsim_llm.metrics.tallies``. Arms are held against each other in ``recsim_llm.comparison``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.definitions import RESULTS
from recsim_llm.metrics.exposure import gini
from recsim_llm.metrics.item_ranks import RankedItems, rank_items
from recsim_llm.metrics.summary import ArmSummary, Deciders
from recsim_llm.metrics.tallies import Tally, read_tally
from recsim_llm.statistics import Estimate, ratio_estimate
from recsim_llm.statistics.intervals import mean_of_sums

__all__ = ["summarise_arms"]


LORENZ_POINTS = 101
"""Points of a Lorenz curve: one a percent of the catalog, both ends included."""


def summarise_arms(run: RunReader) -> tuple[Tally, tuple[ArmSummary, ...]]:
    """Sum up every arm of a run folder, reading its log in batches, once for the sums and once for its leading items.

    Args:
        run: the run, finished or not; of a segment that is not finished nothing counts.

    Returns:
        The sums by arm and user, and what each arm amounts to, in the manifest's order.

    Raises:
        LogError: the log holds no page, or does not fit the manifest.
    """
    tally, finished, items = read_tally(run), run.finished_arms, int(run.manifest["catalog"]["items"])
    return tally, tuple(
        _summarise_arm(tally, number, rank_items(run, tally, number), items=items, finished=name in finished)
        for number, name in enumerate(run.arms)
    )


def _summarise_arm(tally: Tally, number: int, ranked: RankedItems, *, items: int, finished: bool) -> ArmSummary:
    served = tally.sums["pages"][number] > 0
    sums = {name: table[number][served] for name, table in tally.sums.items()}
    total = {name: int(column.sum()) for name, column in sums.items()}
    exposures = np.sort(tally.items[number].shown)
    items = max(items, len(exposures))
    return ArmSummary(
        arm=tally.arms[number],
        finished=finished,
        users=int(served.sum()),
        visits=total["visits"],
        pages=total["pages"],
        impressions=total["impressions"],
        clicks=total["clicks"],
        invalid_slots=total["invalid_slots"],
        metrics={metric.key: metric.estimate(*metric.columns(sums), tally.limits.get(metric.key)) for metric in RESULTS},
        item_coverage=len(exposures) / items,
        exposure_gini=gini(exposures, items=items),
        capped_visits=int(tally.capped_visits[number]),
        clicks_by_position=_by_column(tally.clicked_at[number][served], tally.shown_at[number][served]),
        visits_reaching_page=_survival(tally.visit_pages[number]),
        ratings={f"{step / 2:g}": int(count) for step, count in enumerate(tally.stars[number]) if count},
        satisfaction_by_page=_by_column(tally.satisfaction_at[number][served], tally.rows_at[number][served]),
        reward_by_page=_over_lives(tally, number, int(served.sum())),
        exposure_lorenz=_lorenz(exposures, items),
        most_shown=ranked.most_shown,
        most_clicked=ranked.most_clicked,
        deciders=_deciders(sums, total) if total["accounted_pages"] else None,
    )


def _deciders(sums: Mapping[str, DoubleArray], total: Mapping[str, int]) -> Deciders:
    return Deciders(
        pages=total["accounted_pages"],
        language_pages=total["language_pages"],
        audited_pages=total["audited_pages"],
        disagreement=ratio_estimate(sums["disagreement"], sums["compared_pages"], bounds=(0.0, 1.0)),
        memories_dropped=total["memories_dropped"],
    )


def _by_column(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> tuple[Estimate, ...]:
    """Estimate the ratio in each column, up to the last column that has any rows behind it."""
    used = np.flatnonzero(denominator.sum(axis=0))
    columns = range(int(used[-1]) + 1 if len(used) else 0)
    pairs = ((numerator[:, c].astype(np.float64), denominator[:, c].astype(np.float64)) for c in columns)
    return tuple(ratio_estimate(above, below, bounds=(0.0, 1.0)) for above, below in pairs)


def _over_lives(tally: Tally, number: int, users: int) -> tuple[Estimate, ...]:
    """Estimate the mean reward of each page of a life, up to the last page that anybody came to with any arm."""
    pages = np.flatnonzero(tally.reward_at[:, :, 2].any(axis=0))
    longest = int(pages[-1]) + 1 if len(pages) else 0
    return tuple(mean_of_sums(total, squares, users=users) for total, squares, _ in tally.reward_at[number, :longest].tolist())


def _survival(visits_by_pages: IntArray) -> tuple[float, ...]:
    reaching = visits_by_pages[::-1].cumsum()[::-1][1:]
    total = int(visits_by_pages.sum())
    return tuple(float(count) / total for count in reaching if count)


def _lorenz(exposures: IntArray, items: int) -> tuple[float, ...]:
    total = int(exposures.sum())
    if total == 0:
        return ()
    share_of_items = np.concatenate([[0.0], np.arange(items - len(exposures), items + 1) / items])
    share_of_exposures = np.concatenate([[0.0, 0.0], exposures.cumsum() / total])
    points = np.interp(np.linspace(0.0, 1.0, LORENZ_POINTS), share_of_items, share_of_exposures)
    return tuple(float(point) for point in points)
