"""Line 5, behaviour: do sessions of its users go as people's sessions go? Needs exposures, which ratings do not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.behaviour import session_distances as distances
from recsim_llm.realism.behaviour.behaviour_trials import BehaviourTrials
from recsim_llm.realism.behaviour.browsers import Browsed, what_people_did
from recsim_llm.realism.behaviour.session_tables import MOST_EVENTS, MOST_PAGES, SessionTables, dwell_grid
from recsim_llm.realism.line import Line, Measure, Role, Row, not_assessed
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.lines.system_ranking import HALVES
from recsim_llm.realism.random_exposure import RandomExposure
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums
from recsim_llm.statistics.intervals import Estimate

__all__ = ["NO_EXPOSURES", "behaviour_line", "no_behaviour", "random_exposure_line"]

_NAME, _QUESTION = "behaviour", "Do sessions of its users go as people's sessions go?"
NO_EXPOSURES = (
    "the data has ratings without exposures: sittings of ratings tell neither what was shown and passed over, nor at which "
    "position, nor when a visit ended; --exposures LOG gives a log that does"
)
_PROTOCOL = (
    "{users} users and {sessions} sessions of {data}, {pages} pages; {folds} parts of the users are held out in turn, and "
    "everybody is fitted to the other users' sessions. Held-out pages are shown as people saw them, in their order, without "
    "what people did; clicks and dwell times are drawn with keyed dice, once a seed. Every page is shown, also "
    "after one at which they would have left: an exit hazard is the share who leave after a page among those who were shown "
    "it, as many as their chances let expect. Click depth: Jensen-Shannon distance (root of the divergence in nats) of the "
    "ranks of clicks, from 20 on as one. "
    "Session length: Wasserstein-1 of events a session, a query and a page for each page and a click event where one was "
    "made. Fréchet distance: of normal distributions with means and covariances of the sessions' shares of events and of "
    "what follows what. These three are SimEval-IR's definitions. Pages by own leaving: Wasserstein-1 of the pages a "
    "session that follow from the exit hazards one after the other. Variance ratio: variance over users of the share of "
    "their pages with a click, over real users'. Ranks inside: ranks whose click rate lies in the real users' 95% interval. "
    "Same rate: one rate for everything, one hazard, exponential dwell times; rates by rank: the position-based model of "
    "items that are all alike, a hazard by page, log-normal dwell times. {halves}: distances between two halves of the "
    "people, which are larger than between all of them and others. Intervals are by bootstrap over users.{rounded}{left_out}"
)
_RANKS, _HAZARDS = 10, 5
_QUANTILES = (0.25, 0.5, 0.75)
_CURVE = np.arange(0.05, 1.0, 0.05)

Table = Callable[[SessionTables], DoubleArray]
Distance = Callable[[DoubleArray, DoubleArray], DoubleArray]
Value = Callable[[DoubleArray], DoubleArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Study:
    """Counts of everybody's sessions."""

    trials: BehaviourTrials
    real: SessionTables
    rows: dict[str, list[SessionTables]]
    resampler: Resampler

    @classmethod
    def of(cls, trials: BehaviourTrials, seed: int, resamples: int) -> _Study:
        log = trials.real
        rows = {row: [SessionTables(log=log, done=one) for one in done] for row, done in trials.browsed.items()}
        resampler = Resampler(np.ones(len(log.users), np.bool_), seed, resamples)
        return cls(trials=trials, real=SessionTables(log=log, done=what_people_did(log)), rows=rows, resampler=resampler)

    def distance(self, name: str, unit: str, table: Table, distance: Distance, *, needs: str = "clicked") -> Measure:
        """Return how far each row's sessions are from people's; nearer is better."""
        real = table(self.real)
        series = {
            row: Series(self.trials.roles[row], [_paired(real, table(one), distance) for one in tables])
            if _has(tables[0].done, needs)
            else _nobody(self.trials.roles[row], len(tables), needs)
            for row, tables in self.rows.items()
        }
        series[HALVES] = Series("reference", [_halves(real, distance, seed) for seed in self.trials.seeds])
        return self.resampler.measure(name, unit, "lower", series)

    def value(self, name: str, unit: str, table: Table, value: Value, *, needs: str = "clicked") -> Measure:
        """Return a figure of each row's sessions beside people's; nearest to these is best."""
        series = {
            row: Series(self.trials.roles[row], [of_sums(table(one), value) for one in tables])
            if _has(tables[0].done, needs)
            else _nobody(self.trials.roles[row], len(tables), needs)
            for row, tables in self.rows.items()
        }
        series[REAL] = Series("real", [of_sums(table(self.real), value)])
        return self.resampler.measure(name, unit, "real", series)


def no_behaviour(reason: str = NO_EXPOSURES) -> Line:
    """Return the line where nothing can be said of behaviour."""
    return not_assessed(5, _NAME, _QUESTION, reason)


def random_exposure_line(random: RandomExposure, reason: str) -> Line:
    """Return the line where stars of randomly shown items are all that can be said; the reason says why."""
    return Line(
        number=5, name=_NAME, question=_QUESTION, measures=random.measures, protocol=f"{random.protocol} Else {reason}."
    )


def behaviour_line(trials: BehaviourTrials, *, seed: int, resamples: int = 1000, random: RandomExposure | None = None) -> Line:
    """Return the line; the click-depth distance is the headline where the log has positions.

    Args:
        trials: what everybody does with held-out sessions.
        seed: of the bootstrap.
        resamples: draws of the bootstrap.
        random: what its users say of randomly shown items; None where the data has none.
    """
    study = _Study.of(trials, seed, resamples)
    log = trials.real
    longest = min(3 * int(log.pages.page.max() + 1), MOST_EVENTS)
    rates = _click_rates(study)
    measures = [
        *_depth(study),
        *([_inside(rates)] if rates else []),
        study.distance(
            "session length, Wasserstein-1", "events", lambda one: one.lengths(longest), distances.wasserstein_of_counts
        ),
        study.distance("Fréchet distance of sessions", "distance", SessionTables.features, distances.frechet),
        *_leaving(study),
        *_dwelling(study),
        study.value("pages with a click", "share", SessionTables.action_rate, _ratio),
        _variance_ratio(study),
        *rates,
        *(() if random is None else random.measures),
    ]
    return Line(
        number=5,
        name=_NAME,
        question=_QUESTION,
        measures=tuple(measures),
        protocol=_told(trials) + ("" if random is None else f" {random.protocol}"),
        curves={
            "click rate by rank": [_curve_point(measure, rank + 1) for rank, measure in enumerate(rates)],
            "exit hazard": [
                _curve_point(measure, page + 1)
                for page, measure in enumerate(one for one in measures if one.name.startswith("exit hazard"))
            ],
            "dwell quantiles": _dwell_curve(study),
        },
    )


def _told(trials: BehaviourTrials) -> str:
    log = trials.real
    left = f" {trials.left_out:,} further users of the log were not drawn." if trials.left_out else ""
    return _PROTOCOL.format(
        users=f"{len(log.users):,}",
        sessions=f"{log.pages.last_of_session.sum():,}",
        data=log.name,
        pages=f"{len(log.pages.first):,}",
        folds=len(trials.folds),
        halves=HALVES[0].upper() + HALVES[1:],
        rounded=" Dwell times are rounded to whole seconds, as the log's are." if trials.whole_seconds else "",
        left_out=left,
    )


def _depth(study: _Study) -> list[Measure]:
    if not (study.real.done.clicked & (study.real.log.position >= 0)).any():
        return []
    return [
        study.distance(
            "click depth, Jensen-Shannon distance", "distance", SessionTables.clicks_by_rank, distances.jensen_shannon_distance
        )
    ]


def _click_rates(study: _Study) -> list[Measure]:
    ranks = min(_RANKS, 1 + int(study.real.log.position.max()))
    return [
        study.value(f"click rate at rank {rank + 1}", "share", lambda one, at=rank: one.rate_at(at), _ratio)  # type: ignore[misc]
        for rank in range(ranks)
        if (study.real.log.position == rank).any()
    ]


def _inside(rates: Sequence[Measure]) -> Measure:
    """Count for each row at how many ranks its click rate lies inside real users' interval."""
    rows = []
    for row in rates[0].rows:
        if row.role != "real":
            places = [_is_inside(measure, row.name) for measure in rates]
            outside = ", ".join(
                measure.name.rsplit(" ", 1)[1] for measure, is_in in zip(rates, places, strict=True) if not is_in
            )
            estimate = Estimate(value=sum(places) / len(places), users=row.estimate.users)
            note = f"{sum(places)} of {len(places)} ranks" + (f"; outside: {outside}" if outside else "")
            rows.append(Row(name=row.name, role=row.role, estimate=estimate, seeds=row.seeds, note=note))
    return Measure(name="ranks inside the real 95% interval", unit="share", better="higher", rows=tuple(rows))


def _is_inside(measure: Measure, row: str) -> bool:
    real, value = measure.row(REAL).estimate, measure.row(row).estimate.value
    if value is None or real.value is None:
        return False
    low, high = (real.value, real.value) if real.low is None or real.high is None else (real.low, real.high)
    return low <= value <= high


def _leaving(study: _Study) -> list[Measure]:
    pages = study.real.log.pages
    if not (pages.page > 0).any():
        return []
    chained: Distance = lambda left, right: distances.wasserstein_of_counts(  # noqa: E731
        distances.chained_lengths(left), distances.chained_lengths(right)
    )
    longest = int(min(pages.page.max() + 1, MOST_PAGES))
    whole = study.distance(
        "pages a session by own leaving, Wasserstein-1",
        "pages",
        lambda one: one.departures(longest),
        chained,
        needs="leaves",
    )
    hazards = [
        study.value(
            f"exit hazard after page {page + 1}",
            "share",
            lambda one, at=page: one.hazard_at(at),  # type: ignore[misc]
            _ratio,
            needs="leaves",
        )
        for page in range(min(_HAZARDS, longest - 1))
    ]
    return [whole, *hazards]


def _dwelling(study: _Study) -> list[Measure]:
    grid = dwell_grid(study.real.log)
    if len(grid) < 2:
        return []
    return [
        study.value(
            f"dwell time, {share:.0%} quantile",
            "seconds",
            lambda one: one.dwell(grid),
            lambda sums, at=share: distances.quantile_of_counts(sums, grid, at),  # type: ignore[misc]
            needs="dwell",
        )
        for share in _QUANTILES
    ]


def _variance_ratio(study: _Study) -> Measure:
    real = study.real.user_rates()
    series = {
        row: Series(study.trials.roles[row], [_paired(real, one.user_rates(), _variances) for one in tables])
        for row, tables in study.rows.items()
    }
    series[REAL] = Series("real", [lambda weights: np.ones(len(weights))], "by definition")
    return study.resampler.measure("variance between users, ratio", "ratio", "real", series)


def _variances(real: DoubleArray, simulated: DoubleArray) -> DoubleArray:
    spread = [one[:, 2] / one[:, 0] - (one[:, 1] / one[:, 0]) ** 2 for one in (real, simulated)]
    return np.where(spread[0] > 1e-12, spread[1] / np.where(spread[0] > 1e-12, spread[0], 1.0), np.nan)


def _dwell_curve(study: _Study) -> list[dict[str, Any]]:
    grid = dwell_grid(study.real.log)
    tables = {REAL: [study.real]} | study.rows
    able = {row: ones for row, ones in tables.items() if ones[0].done.dwell is not None}
    if len(grid) < 2 or len(able) < 2:
        return []
    sums = {row: [one.dwell(grid).sum(axis=0)[None] for one in ones] for row, ones in able.items()}
    return [
        {"share": round(float(share), 2)}
        | {
            row: float(np.mean([distances.quantile_of_counts(one, grid, share)[0] for one in ones]))
            for row, ones in sums.items()
        }
        for share in _CURVE
        if all(one.sum() > 0 for ones in sums.values() for one in ones)
    ]


def _curve_point(measure: Measure, place: int) -> dict[str, Any]:
    """Return the rows of a measure at one rank or page, for the figure."""
    rows = {row.name: {"value": row.estimate.value, "low": row.estimate.low, "high": row.estimate.high} for row in measure.rows}
    return {"place": place, "rows": rows, "inside": _is_inside(measure, measure.candidate.name)}


def _has(done: Browsed, needs: str) -> bool:
    return getattr(done, needs) is not None


def _nobody(role: Role, seeds: int, needs: str) -> Series:
    what = {"leaves": "when its users leave", "dwell": "how long its users stay"}[needs]
    return Series(role, [lambda weights: np.full(len(weights), np.nan)] * seeds, f"it does not say {what}")


def _paired(real: DoubleArray, simulated: DoubleArray, distance: Distance) -> Statistic:
    width = real.shape[1]
    return of_sums(np.hstack([real, simulated]), lambda sums: distance(sums[:, :width], sums[:, width:]))


def _halves(real: DoubleArray, distance: Distance, seed: int) -> Statistic:
    half = (np.random.default_rng(seed).permutation(len(real)) % 2 == 0)[:, None]
    return _paired(np.where(half, real, 0.0), np.where(half, 0.0, real), distance)


def _ratio(sums: DoubleArray) -> DoubleArray:
    return np.where(sums[:, 1] > 0, sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], 1.0), np.nan)
