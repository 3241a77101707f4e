"""Every metric of a run, read from its folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import LogError
from recsim_llm.metrics import bubbles, exposure
from recsim_llm.metrics.behaviour import funnel_step, invalid_share, position_exponent
from recsim_llm.metrics.definitions import DEFINITIONS
from recsim_llm.metrics.diversity import miscalibration
from recsim_llm.metrics.evaluation import read_manifest
from recsim_llm.metrics.fairness import GroupGap, group_gap
from recsim_llm.metrics.item_tables import RunTables, has_tables, read_tables
from recsim_llm.metrics.streaming import BATCH_ROWS, LogReader
from recsim_llm.metrics.sums import RANKING, Sums
from recsim_llm.metrics.values import ArmMetrics, Measure, RunMetrics
from recsim_llm.statistics.intervals import Estimate, mean_estimate, ratio_estimate

__all__ = ["metrics_of"]

FloatArray = npt.NDArray[np.float64]

_WHOLE_RUN = "a property of the whole run, without an interval by user"
_NO_CLICKS = "nothing was clicked"
_FEW_CLICKS = "no user clicked often enough"
_SHARE = (0.0, 1.0)
_LIST_SHARE = 10  # the popularity list of serendipity holds at most one item in ten


def metrics_of(run: Path, *, batch_rows: int = BATCH_ROWS) -> RunMetrics | None:
    """Compute the metrics of a run in one pass over its pages and one over its impressions.

    Args:
        run: the run folder, finished or not.
        batch_rows: rows read at a time; changes memory, never the result.

    Returns:
        The metrics; None where the folder lacks the tables that they need, as logs of environments do.

    Raises:
        LogError: the folder is no run, or its log, tables and manifest do not fit each other.
    """
    if not has_tables(run):
        return None
    manifest, tables = read_manifest(run), read_tables(run)
    if manifest["seed"] is None:
        raise LogError(f"{run}: got a manifest without a seed, expected that of `recsim-llm run`; start a new run")
    names, slots = [str(name) for name in manifest["arms"]], int(manifest["slate_size"])
    expected = max(min(slots * int(manifest["max_pages"]), len(tables.item_id) // _LIST_SHARE), 1)
    sums = Sums(tables, len(names), slots=slots, expected=expected, seed=int(manifest["seed"]))
    reader = LogReader(run, tables, names, slots, batch_rows=batch_rows)
    for rows in reader.pages():
        sums.add_pages(rows)
    for batch in reader.impressions():
        sums.add_impressions(batch)
    return RunMetrics(
        slots=slots,
        popularity_list=expected,
        tail_items=int(exposure.long_tail(tables.popularity).sum()),
        truth_users=int(np.count_nonzero(sums.relevant_items)),
        providers=_providers(tables),
        arms=tuple(_Arm(tables, sums, number).metrics(name) for number, name in enumerate(names)),
    )


class _Arm:
    """Turns the sums of one arm into its metrics."""

    def __init__(self, tables: RunTables, sums: Sums, number: int) -> None:
        self._tables, self._all, self._number = tables, sums, number
        self._served = sums.of(number, "pages") > 0
        self._slots = next(iter(sums.at_position.values())).shape[1]

    def metrics(self, name: str) -> ArmMetrics:
        measures: dict[str, Measure] = {}
        for part in (self._relevance, self._diversity, self._exposure, self._bubbles, self._fairness, self._funnel):
            measures |= part()
        parts = self._entropy_by_part()
        return ArmMetrics(
            arm=name,
            users=int(self._served.sum()),
            metrics={definition.key: measures[definition.key] for definition in DEFINITIONS},
            user_groups=dict(self._user_groups()),
            funnel=self._counts(),
            genre_entropy_by_part=tuple(mean_estimate(part) for part in parts.T) if len(parts) else (),
        )

    def _relevance(self) -> dict[str, Measure]:
        why = "no user has a held-out rating that counts as a like"
        values = {name: self._all.table(self._number, self._all.ranking[name])[self._served] for name in RANKING}
        return {name: _measure(_mean(column, _SHARE), why) for name, column in values.items()}

    def _diversity(self) -> dict[str, Measure]:
        tables, sums = self._tables, self._all
        shown = sums.table(self._number, sums.genres_shown)
        divergence = miscalibration(tables.history_genres, shown)[self._served]
        return {
            "novelty": _measure(self._ratio("information", "impressions", (0.0, np.inf)), "nothing was shown"),
            "serendipity": _measure(self._ratio("serendipitous", "impressions"), "nothing was shown"),
            "intra_list_diversity": _measure(self._ratio("diversity", "diversity_pages"), "no page held two items with genres"),
            "genre_miscalibration": _measure(_mean(divergence, (0.0, np.inf)), "no user has a history with genres"),
        }

    def _exposure(self) -> dict[str, Measure]:
        exposures = self._all.exposures[self._number]
        shown, popularity = self._sum("impressions"), self._sum("popularity")
        mean_shown = np.divide(popularity, shown, out=np.full(len(shown), np.nan), where=shown > 0)
        lift = exposure.popularity_lift(mean_shown, self._tables.history_popularity[self._served])
        return {
            "catalog_coverage": _whole(exposure.catalog_coverage(exposures), len(shown)),
            "exposure_gini": _whole(exposure.gini(exposures), len(shown), "nothing was shown"),
            "popularity_lift": _measure(lift, "no user has a history"),
            "long_tail_share": _measure(self._ratio("tail", "impressions"), "nothing was shown"),
            "long_tail_clicks": _measure(self._ratio("tail_clicks", "clicks"), _NO_CLICKS),
        }

    def _bubbles(self) -> dict[str, Measure]:
        sums = self._all
        overall = bubbles.entropy(sums.table(self._number, sums.genres_chosen))[self._served]
        chosen, early, late = (bubbles.overlap_by_user(sets) for sets in sums.chosen(self._number))
        return {
            "genre_entropy": _measure(_mean(overall, (0.0, np.inf)), _NO_CLICKS),
            "genre_entropy_trend": _measure(_mean(bubbles.trend(self._entropy_by_part())), _FEW_CLICKS),
            "choice_overlap": _measure(_mean(_pair_values(chosen), _SHARE), "fewer than two users clicked"),
            "choice_overlap_change": _measure(_mean(_pair_values(late) - _pair_values(early), (-1.0, 1.0)), _FEW_CLICKS),
        }

    def _fairness(self) -> dict[str, Measure]:
        item, group, weight, names = _memberships(self._tables, self._all)
        users = int(self._served.sum())
        if not len(item):
            why = Measure(estimate=Estimate(value=None, users=users), note="no item has a provider or a genre")
            return {"exposure_merit_gap": why, "worst_exposure_ratio": why}
        shown, merit = (
            exposure.exposure_by_group(amount, item, group, weight)
            for amount in (self._all.attention[self._number], self._tables.popularity)
        )
        worst = exposure.worst_exposure_ratio(shown, merit)
        ratio = _whole(None if worst is None else worst[0], users, "nothing was shown, or no item has training ratings")
        if worst is not None:
            ratio = replace(ratio, group=names[worst[1]])
        gap = exposure.exposure_merit_gap(shown, merit)
        return {
            "exposure_merit_gap": _whole(gap, users, "nothing was shown, or no item has training ratings"),
            "worst_exposure_ratio": ratio,
        }

    def _funnel(self) -> dict[str, Measure]:
        pages, at = self._sum("pages"), self._all.at_position
        shown, examined, clicked = (self._table(at[name]).astype(np.float64) for name in ("shown", "examined", "clicked"))
        one_place = "this happened at fewer than two positions"
        steps = {
            "examined_of_shown": ("examined", "known_examined", "the log does not say what was looked at"),
            "clicked_of_examined": ("clicks", "examined", "the log does not say what was looked at, or nothing was"),
            "watched_of_clicked": ("watched", "watch_known", "no share watched is known"),
            "rated_of_clicked": ("rated", "clicks", _NO_CLICKS),
            "liked_of_rated": ("liked", "judged", "nothing was rated"),
        }
        funnel = {key: _measure(self._step(above, below), why) for key, (above, below, why) in steps.items()}
        return funnel | {
            "invalid_share": _measure(invalid_share(self._sum("invalid"), pages * self._slots), "no page was shown"),
            "position_bias": _measure(position_exponent(clicked, shown), one_place),
            "position_bias_examination": _measure(position_exponent(examined, shown), one_place),
            "position_bias_order": _measure(position_exponent(clicked, examined), one_place),
        }

    def _user_groups(self) -> Iterator[tuple[str, dict[str, GroupGap]]]:
        pages = self._sum("satisfaction_pages")
        satisfaction = np.divide(self._sum("satisfaction"), pages, out=np.full(len(pages), np.nan), where=pages > 0)
        for field, labels in self._tables.groups.items():
            of_field = labels[self._served]
            yield (
                field,
                {
                    "clicks": group_gap(self._sum("clicks"), of_field),
                    "satisfaction": group_gap(satisfaction, of_field),
                },
            )

    def _counts(self) -> dict[str, int]:
        steps = {"shown": "impressions", "examined": "examined", "clicked": "clicks", "watched": "watched"}
        steps |= {"rated": "rated", "liked": "liked"}
        return {step: int(self._sum(total).sum()) for step, total in steps.items()}

    def _entropy_by_part(self) -> FloatArray:
        """Return float64 [users with a choice in every part, parts]."""
        entropy = bubbles.entropy(self._table(self._all.genres_by_part))
        return entropy[~np.isnan(entropy).any(axis=1)]

    def _step(self, above: str, below: str) -> Estimate:
        return funnel_step(self._sum(above), self._sum(below))

    def _ratio(self, above: str, below: str, bounds: tuple[float, float] = _SHARE) -> Estimate:
        return ratio_estimate(self._sum(above), self._sum(below), bounds=bounds)

    def _sum(self, name: str) -> FloatArray:
        return self._all.of(self._number, name)[self._served]

    def _table(self, table: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return self._all.table(self._number, table)[self._served]


def _measure(estimate: Estimate, why: str) -> Measure:
    if estimate.value is None:
        return Measure(estimate=estimate, note=why)
    alike = "one user, or users who all agree: no interval"
    return Measure(estimate=estimate, note=alike if estimate.low is None else "")


def _whole(value: float | None, users: int, why: str = "") -> Measure:
    return Measure(estimate=Estimate(value=value, users=users), note=why if value is None else _WHOLE_RUN)


def _mean(values: FloatArray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    return mean_estimate(values[~np.isnan(values)], bounds=bounds)


def _pair_values(by_user: FloatArray) -> FloatArray:
    """Return values whose mean is the mean over pairs and whose spread is the jackknife's (Arvesen 1969, *AMS* 40)."""
    known = by_user[~np.isnan(by_user)]
    values: FloatArray = 2.0 * by_user - (known.mean() if len(known) else np.nan)
    return values


def _providers(tables: RunTables) -> str:
    return "provider" if any(name is not None for name in tables.provider) else "genre"


def _memberships(
    tables: RunTables, sums: Sums
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray, tuple[str, ...]]:
    """Return items, groups and weights of all memberships, and the groups' names."""
    if _providers(tables) == "genre":
        return sums.member_item, sums.member_genre, sums.member_share, tables.genre_names
    item = np.flatnonzero([name is not None for name in tables.provider])
    names, group = np.unique(tables.provider[item].astype(str), return_inverse=True)
    return item, group, np.ones(len(item)), tuple(map(str, names))
