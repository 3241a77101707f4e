"""Every metric of a run, read from its folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.errors import LogError
from recsim_llm.log.reader import open_run
from recsim_llm.metrics import bubbles, exposure
from recsim_llm.metrics.behaviour import position_exponent
from recsim_llm.metrics.definitions import DETAILS, Definition
from recsim_llm.metrics.diversity import miscalibration
from recsim_llm.metrics.fairness import GroupGap, group_gap
from recsim_llm.metrics.item_tables import RunTables, has_tables, read_tables
from recsim_llm.metrics.streaming import PageReader
from recsim_llm.metrics.sums import RANKING, Sums
from recsim_llm.metrics.values import ArmMetrics, MetricValue, RunMetrics
from recsim_llm.statistics import Estimate, mean_estimate

__all__ = ["measure_run"]


_DEFINED = {definition.key: definition for definition in DETAILS}
_LIST_SHARE = 10  # the popularity list of serendipity holds at most one item in ten


def measure_run(run: Path, *, batch_rows: int | None = None) -> RunMetrics | None:
    """Compute the metrics of a run in one pass over its pages and one over its impressions.

    Args:
        run: the run folder, finished or not.
        batch_rows: rows read at a time, None for the usual number; changes memory, never the result.

    Returns:
        The metrics; None where the folder lacks the tables that they need, as logs of environments do.

    Raises:
        LogError: the folder is no run, or its log, tables and manifest do not fit each other.
    """
    if not has_tables(run):
        return None
    log, tables = open_run(run), read_tables(run)
    if log.manifest["seed"] is None:
        raise LogError(f"{run}: got a manifest without a seed, expected that of `recsim-llm run`; start a new run")
    names, slots = log.arms, log.slate_size
    expected = max(min(slots * log.max_pages, len(tables.item_id) // _LIST_SHARE), 1)
    sums = Sums(tables, len(names), slots=slots, expected=expected, seed=int(log.manifest["seed"]))
    reader = PageReader(log, tables, batch_rows=batch_rows)
    for rows in reader.pages():
        sums.add_pages(rows)
    for batch in reader.impressions():
        sums.add_impressions(batch)
    return RunMetrics(
        slots=slots,
        popularity_list=expected,
        tail_items=int(exposure.long_tail(tables.popularity).sum()),
        truth="choices" if log.manifest.get("data", {}).get("feedback") == "implicit" else "likes",
        truth_users=int(np.count_nonzero(sums.relevant_items)),
        providers=_providers(tables),
        arms=tuple(_Arm(tables, sums, number).metrics(name) for number, name in enumerate(names)),
    )


class _Arm:
    """Turns the sums of one arm into its metrics."""

    def __init__(self, tables: RunTables, sums: Sums, number: int) -> None:
        self._tables, self._all, self._number = tables, sums, number
        self._served = sums.of(number, "pages") > 0
        self._users = int(self._served.sum())
        self._sums = {name: sums.of(number, name)[self._served] for name in sums.totals}

    def metrics(self, name: str) -> ArmMetrics:
        summed = (definition for definition in DETAILS if definition.numerator is not None)
        estimates = {definition.key: definition.estimate(*definition.columns(self._sums)) for definition in summed}
        for part in (self._relevance, self._diversity, self._exposure, self._bubbles, self._positions):
            estimates |= part()
        values = {key: _value(_DEFINED[key], estimate) for key, estimate in estimates.items()} | self._fairness()
        parts = self._entropy_by_part()
        return ArmMetrics(
            arm=name,
            users=self._users,
            metrics={key: values[key] for key in _DEFINED},
            user_groups=dict(self._user_groups()),
            funnel=self._counts(),
            genre_entropy_by_part=tuple(mean_estimate(part, bounds=(0.0, np.inf)) for part in parts.T) if len(parts) else (),
        )

    def _relevance(self) -> dict[str, Estimate]:
        tables = {key: self._all.table(self._number, self._all.ranking[key])[self._served] for key in RANKING}
        return {key: _mean(key, column) for key, column in tables.items()}

    def _diversity(self) -> dict[str, Estimate]:
        shown = self._all.table(self._number, self._all.genres_shown)
        divergence = miscalibration(self._tables.history_genres, shown)[self._served]
        return {"genre_miscalibration": _mean("genre_miscalibration", divergence)}

    def _exposure(self) -> dict[str, Estimate]:
        exposures = self._all.exposures[self._number]
        shown, popularity = self._sums["impressions"], self._sums["popularity"]
        mean_shown = np.divide(popularity, shown, out=np.full(len(shown), np.nan), where=shown > 0)
        return {
            "catalog_coverage": Estimate(value=exposure.catalog_coverage(exposures), users=self._users),
            "exposure_gini": Estimate(value=exposure.gini(exposures), users=self._users),
            "popularity_lift": exposure.popularity_lift(mean_shown, self._tables.history_popularity[self._served]),
        }

    def _bubbles(self) -> dict[str, Estimate]:
        sums = self._all
        overall = bubbles.entropy(sums.table(self._number, sums.genres_chosen))[self._served]
        chosen, early, late = (bubbles.overlap_by_user(sets) for sets in sums.chosen(self._number))
        return {
            "genre_entropy": _mean("genre_entropy", overall),
            "genre_entropy_trend": _mean("genre_entropy_trend", bubbles.trend(self._entropy_by_part())),
            "choice_overlap": _mean("choice_overlap", bubbles.pair_values(chosen)),
            "choice_overlap_change": _mean("choice_overlap_change", bubbles.pair_values(late) - bubbles.pair_values(early)),
        }

    def _fairness(self) -> dict[str, MetricValue]:
        gap, ratio = _DEFINED["exposure_merit_gap"], _DEFINED["worst_exposure_ratio"]
        item, group, weight, names = _memberships(self._tables, self._all)
        if not len(item):
            nobody = MetricValue(estimate=Estimate(value=None, users=self._users), note="no item has a provider or a genre")
            return {gap.key: nobody, ratio.key: nobody}
        shown, merit = (
            exposure.exposure_by_group(amount, item, group, weight)
            for amount in (self._all.attention[self._number], self._tables.popularity)
        )
        away, worst = exposure.exposure_merit_gap(shown, merit), exposure.worst_exposure_ratio(shown, merit)
        least = _value(ratio, Estimate(value=None if worst is None else worst[0], users=self._users))
        return {
            gap.key: _value(gap, Estimate(value=away, users=self._users)),
            ratio.key: least if worst is None else replace(least, group=names[worst[1]]),
        }

    def _positions(self) -> dict[str, Estimate]:
        at = self._all.at_position
        shown, examined, clicked = (self._table(at[name]).astype(np.float64) for name in ("shown", "examined", "clicked"))
        return {
            "position_bias": position_exponent(clicked, shown),
            "position_bias_examination": position_exponent(examined, shown),
            "position_bias_order": position_exponent(clicked, examined),
        }

    def _user_groups(self) -> Iterator[tuple[str, dict[str, GroupGap]]]:
        pages = self._sums["satisfaction_pages"]
        satisfaction = np.divide(self._sums["satisfaction"], pages, out=np.full(len(pages), np.nan), where=pages > 0)
        for field, labels in self._tables.groups.items():
            of_field = labels[self._served]
            yield (
                field,
                {
                    "return": group_gap(self._sums["reward"], of_field),
                    "clicks": group_gap(self._sums["clicks"], of_field),
                    "satisfaction": group_gap(satisfaction, of_field),
                },
            )

    def _counts(self) -> dict[str, int]:
        steps = {"shown": "impressions", "examined": "examined", "clicked": "clicks", "watched": "watched"}
        steps |= {"rated": "rated", "liked": "liked"}
        return {step: int(self._sums[total].sum()) for step, total in steps.items()}

    def _entropy_by_part(self) -> DoubleArray:
        """Return float64 [users with a choice in every part, parts]."""
        entropy = bubbles.entropy(self._table(self._all.genres_by_part))
        return entropy[~np.isnan(entropy).any(axis=1)]

    def _table(self, table: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return self._all.table(self._number, table)[self._served]


def _value(definition: Definition, estimate: Estimate) -> MetricValue:
    """Say beside an estimate why it has no value or no interval."""
    if estimate.value is None:
        return MetricValue(estimate=estimate, note=definition.missing)
    if not definition.by_user:
        return MetricValue(estimate=estimate, note="a property of the whole run, without an interval by user")
    alike = "one user, or users who all agree: no interval"
    return MetricValue(estimate=estimate, note=alike if estimate.low is None else "")


def _mean(key: str, values: DoubleArray) -> Estimate:
    """Estimate a metric as the mean over the users for whom it is defined."""
    return _DEFINED[key].estimate(values[~np.isnan(values)])


def _providers(tables: RunTables) -> str:
    return "provider" if any(name is not None for name in tables.provider) else "genre"


def _memberships(tables: RunTables, sums: Sums) -> tuple[IntArray, IntArray, DoubleArray, tuple[str, ...]]:
    """Return items, groups and weights of all memberships, and the groups' names."""
    if _providers(tables) == "genre":
        return sums.members.item, sums.members.genre, sums.members.share, tables.genre_names
    item = np.flatnonzero([name is not None for name in tables.provider])
    names, group = np.unique(tables.provider[item].astype(str), return_inverse=True)
    return item, group, np.ones(len(item)), tuple(map(str, names))
