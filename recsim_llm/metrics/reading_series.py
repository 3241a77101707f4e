"""Series of a run, read from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.item_tables import RunTables
from recsim_llm.metrics.provider_series import ProviderSeries, read_provider_days
from recsim_llm.metrics.series import Series, event_sum, sums_behind
from recsim_llm.metrics.series_definitions import SERIES, TimeAxis
from recsim_llm.metrics.series_groups import item_mask, user_mask
from recsim_llm.metrics.series_settings import SeriesSettings
from recsim_llm.metrics.streaming import PageReader
from recsim_llm.metrics.timed_sums import TimedSums

__all__ = ["read_series"]


def read_series(
    log: RunReader, tables: RunTables, settings: Mapping[str, SeriesSettings], *, batch_rows: int | None = None
) -> dict[str, Series]:
    """Read series of a run, all of them in one pass over each table of its log.

    Args:
        log: of the run.
        tables: beside it.
        settings: the series by name.
        batch_rows: rows read at a time, None for the usual number; changes memory, never the result.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    clock = (log.manifest.get("settings") or {}).get("clock")
    usual: TimeAxis = "visit" if clock is None else "day"
    times = {"visit": int(log.manifest["visits"]), "page": log.max_pages, "day": 0 if clock is None else int(clock["days"])}
    # Series of the same users and items over the same time share what they are taken of.
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, one in settings.items():
        items = None if one.items is None else one.items.model_dump_json()
        alike.setdefault((one.by or usual, one.users, items), []).append(name)
    kept: list[_Kept] = []
    providers = read_provider_days(log) if any(SERIES[one.metric].of == "providers" for one in settings.values()) else None
    series: dict[str, Series] = {}
    for names in alike.values():
        first = settings[names[0]]
        by = first.by or usual
        sums = TimedSums(
            tables,
            arms=len(log.arms),
            times=times[by],
            members=user_mask(first.users, tables),
            items=item_mask(first.items, tables),
            wanted=frozenset(wanted for name in names for wanted in sums_behind(settings[name])),
            seed=int(log.manifest["seed"]),
        )
        events = {settings[name].event for name in names}
        kept.append(_Kept(by, sums, frozenset(event for event in events if event is not None)))
        for name in names:
            of_providers = SERIES[settings[name].metric].of == "providers"
            series[name] = ProviderSeries(settings[name], sums, providers) if of_providers else Series(settings[name], sums, by)
    _fill(kept, PageReader(log, tables, batch_rows=batch_rows), _Days(log, len(tables.user_id), known=clock is not None))
    return {name: series[name] for name in settings}


class _Kept(NamedTuple):
    by: TimeAxis
    sums: TimedSums
    events: frozenset[str]


class _Days:
    """On which day each visit was."""

    def __init__(self, log: RunReader, users: int, *, known: bool) -> None:
        self.known, self._visits = known, int(log.manifest["visits"])
        self._day = np.full(len(log.arms) * users * self._visits if known else 0, -1, np.int32)

    def add(self, cell: IntArray, visit: IntArray, day: IntArray | None) -> None:
        if day is not None:
            self._day[cell * self._visits + visit] = day

    def time(self, by: TimeAxis, cell: IntArray, visit: IntArray, page: IntArray | None = None) -> IntArray:
        """Return int64 [p]: the time of each row; -1 where its visit is not over, so that its day is not known."""
        if by == "page":
            return np.full(len(visit), -1, np.int64) if page is None else page
        return visit if by == "visit" else self._day[cell * self._visits + visit].astype(np.int64)


def _fill(kept: list[_Kept], reader: PageReader, days: _Days) -> None:
    """Fill all sums: visits first, since they tell the days of everything else."""
    for visits in reader.visits(days=days.known):
        days.add(visits.cell, visits.visit, visits.day)
        for one in kept:
            one.sums.add_visits(visits, days.time(one.by, visits.cell, visits.visit))
    if counted := frozenset[str]().union(*(one.events for one in kept)):
        _fill_events(kept, reader, counted)
    for pages in reader.pages():
        for one in kept:
            one.sums.add_pages(pages, days.time(one.by, pages.cell, pages.visit, pages.page))
    for batch in reader.impressions():
        for one in kept:
            one.sums.add_impressions(batch, days.time(one.by, batch.cell, batch.visit, batch.page))


def _fill_events(kept: list[_Kept], reader: PageReader, counted: frozenset[str]) -> None:
    for rows in reader.events(counted):
        for one in kept:
            for event in sorted(one.events):
                mine = rows.event == event
                time = rows.day if one.by == "day" else rows.visit
                one.sums.add_events(rows.cell[mine], time[mine], event_sum(event))
