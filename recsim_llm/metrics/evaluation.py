"""What a run amounts to: metrics with intervals by user, paired differences, and the data behind each figure.

Every arm (recommender) served the same users with the same dice, so arms are compared user by user. Intervals and their
formulas are in ``recsim_llm.statistics.intervals``; the pass over the log is in ``recsim_llm.metrics.tallies``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import LogError
from recsim_llm.metrics.summary import METRICS, ArmSummary, Comparison, Deciders, Metric, Summary
from recsim_llm.metrics.tallies import Tally, tally_log
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, mean_estimate, paired_difference, ratio_estimate

__all__ = ["ORACLE", "ArmSummary", "Comparison", "Summary", "gini_coefficient", "read_manifest", "summarise"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ORACLE = "oracle"
"""Name of the arm that knows the users; the others' regret is measured against it, and it is never called the best."""
LORENZ_POINTS = 101
"""Points of a Lorenz curve: one a percent of the catalog, both ends included."""
_MANIFEST_KEYS = ("scenario", "arms", "seed", "slate_size", "max_pages", "users", "catalog")


def read_manifest(run: Path) -> dict[str, Any]:
    """Read and check a run folder's ``manifest.json``.

    Raises:
        LogError: there is none, or it cannot be used.
    """
    path = run / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogError(
            f"{path}: cannot be read as JSON ({error}); expected a run folder, as `recsim-llm run` writes"
        ) from error
    missing = [key for key in _MANIFEST_KEYS if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise LogError(f"{path}: got no {missing[0]!r}, expected {', '.join(_MANIFEST_KEYS)}; run the scenario again")
    checked: dict[str, Any] = manifest
    return checked


def summarise(run: Path) -> Summary:
    """Sum up a run folder, reading its log once in batches; a log larger than memory works.

    Args:
        run: folder with ``manifest.json``, ``impressions/``, ``pages/`` and ``visits/``.

    Raises:
        LogError: the folder is no run, holds no page, or does not fit its manifest.
    """
    manifest = read_manifest(run)
    names = [str(name) for name in manifest["arms"]]
    tally = tally_log(run, arms=names, slate_size=int(manifest["slate_size"]), max_pages=int(manifest["max_pages"]))
    items = int(manifest["catalog"]["items"])
    ended = _ended(run, names)
    arms = tuple(_summarise_arm(tally, number, items, ended[name]) for number, name in enumerate(names))
    best = _best(arms)
    rest = [name for name in names if name != best]
    return Summary(
        scenario=str(manifest["scenario"]),
        seed=None if manifest["seed"] is None else int(manifest["seed"]),
        users=int(manifest["users"]),
        confidence=CONFIDENCE,
        best=best,
        arms=arms,
        against_first=tuple(_compare(tally, name, names[0]) for name in names[1:]),
        against_best=tuple(_compare(tally, name, best) for name in rest),
        regret=tuple(_compare(tally, ORACLE, name) for name in names if name != ORACLE) if ORACLE in names else (),
        notes=tuple(_notes(arms, int(manifest["users"]))),
    )


def _ended(run: Path, names: Sequence[str]) -> dict[str, bool]:
    """Tell for each arm whether its last segment is in; a log without an index of segments is taken for whole."""
    path = run / "segments.jsonl"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    try:
        # What stands after the last line break is a torn write.
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
    except ValueError as error:
        raise LogError(f"{path}: cannot be read as lines of JSON ({error}); restore the file or start a new run") from error
    return {name: not lines or any(line.get("arm") == name and line.get("last") for line in lines) for name in names}


def _summarise_arm(tally: Tally, number: int, items: int, finished: bool) -> ArmSummary:
    served = tally.sums["pages"][number] > 0
    sums = {name: table[number][served] for name, table in tally.sums.items()}
    total = {name: int(column.sum()) for name, column in sums.items()}
    exposures = np.sort(tally.exposures[number])
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
        metrics={metric.key: _estimate(metric, sums) for metric in METRICS},
        item_coverage=len(exposures) / items,
        exposure_gini=gini_coefficient(exposures, items),
        capped_visits=int(tally.capped_visits[number]),
        clicks_by_position=_by_column(tally.clicked_at[number][served], tally.shown_at[number][served]),
        visits_reaching_page=_survival(tally.visit_pages[number]),
        ratings={f"{step / 2:g}": int(count) for step, count in enumerate(tally.stars[number]) if count},
        satisfaction_by_page=_by_column(tally.satisfaction_at[number][served], tally.rows_at[number][served]),
        exposure_lorenz=_lorenz(exposures, items),
        deciders=_deciders(sums, total) if total["accounted_pages"] else None,
    )


def _deciders(sums: Mapping[str, FloatArray], total: Mapping[str, int]) -> Deciders:
    return Deciders(
        pages=total["accounted_pages"],
        language_pages=total["language_pages"],
        audited_pages=total["audited_pages"],
        disagreement=ratio_estimate(sums["disagreement"], sums["compared_pages"], bounds=(0.0, 1.0)),
        memories_dropped=total["memories_dropped"],
    )


def _estimate(metric: Metric, sums: Mapping[str, FloatArray]) -> Estimate:
    bounds = (metric.low, metric.high)
    if metric.denominator is None:
        return mean_estimate(sums[metric.numerator], bounds=bounds)
    return ratio_estimate(sums[metric.numerator], sums[metric.denominator], bounds=bounds)


def _by_column(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> tuple[Estimate, ...]:
    """Estimate the ratio in each column, up to the last column that has any rows behind it."""
    used = np.flatnonzero(denominator.sum(axis=0))
    columns = range(int(used[-1]) + 1 if len(used) else 0)
    pairs = ((numerator[:, c].astype(np.float64), denominator[:, c].astype(np.float64)) for c in columns)
    return tuple(ratio_estimate(above, below, bounds=(0.0, 1.0)) for above, below in pairs)


def _survival(visits_by_pages: IntArray) -> tuple[float, ...]:
    reaching = visits_by_pages[::-1].cumsum()[::-1][1:]
    total = int(visits_by_pages.sum())
    return tuple(float(count) / total for count in reaching if count)


def gini_coefficient(exposures: IntArray, items: int) -> float | None:
    """Return the Gini coefficient over ``items`` items of which those without exposures are left out of the ascending counts.

    ``G = 2 sum(i x_i) / (n sum(x)) - (n + 1) / n`` with ranks ``i`` from 1 (Dixon et al. 1987, *Ecology*, eq. 2).
    """
    total = int(exposures.sum())
    if total == 0:
        return None
    rank = np.arange(items - len(exposures) + 1, items + 1, dtype=np.float64)
    return float(2.0 * (rank @ exposures) / (items * total) - (items + 1) / items)


def _lorenz(exposures: IntArray, items: int) -> tuple[float, ...]:
    total = int(exposures.sum())
    if total == 0:
        return ()
    share_of_items = np.concatenate([[0.0], np.arange(items - len(exposures), items + 1) / items])
    share_of_exposures = np.concatenate([[0.0, 0.0], exposures.cumsum() / total])
    points = np.interp(np.linspace(0.0, 1.0, LORENZ_POINTS), share_of_items, share_of_exposures)
    return tuple(float(point) for point in points)


def _best(arms: Sequence[ArmSummary]) -> str:
    real = [arm for arm in arms if arm.arm != ORACLE] or list(arms)
    return max(real, key=lambda arm: arm.clicks / max(arm.users, 1)).arm


def _compare(tally: Tally, one: str, other: str) -> Comparison:
    # The best arm is picked by looking at the data, so every pair could have been the one reported: all of them count.
    pairs = len(list(combinations(tally.arms, 2)))
    first, second = tally.arms.index(one), tally.arms.index(other)
    both = (tally.sums["pages"][first] > 0) & (tally.sums["pages"][second] > 0)
    clicks, reward = (
        paired_difference(tally.sums[name][first][both], tally.sums[name][second][both], comparisons=pairs)
        for name in ("clicks", "reward")
    )
    return Comparison(arm=one, against=other, users=int(both.sum()), clicks=clicks, reward=reward)


def _notes(arms: Sequence[ArmSummary], users: int) -> list[str]:
    notes = []
    for arm in arms:
        if not arm.finished:
            notes.append(f"{arm.arm}: not finished; the log holds {arm.pages:,} pages of {arm.users:,} users so far.")
        elif arm.users != users:
            notes.append(f"{arm.arm}: the log holds {arm.users:,} of the {users:,} users planned.")
        if arm.invalid_slots:
            notes.append(f"{arm.arm}: {arm.invalid_slots:,} slots held an unknown, retired or repeated item and were blanked.")
    return notes
