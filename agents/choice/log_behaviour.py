"""What an exposure log tells of behaviour, put into choice users; only behaviour is taken, so the items may be others.

The log is read by four fits (``agents.browsing``): how pages are read and how readily items are clicked, when sessions end, how
long people stay with an item, and whether they come back. What it does not tell stays as it was, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from recsim_llm.agents.browsing.leaving import Leaving, fit_leaving
from recsim_llm.agents.browsing.log_normal import TimesFit, fit_log_normal
from recsim_llm.agents.browsing.page_reading import Reading, fit_reading
from recsim_llm.agents.browsing.returning import Returning, fit_returning
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.agents.choice.choice_fit import FittedUsers, with_click_rate
from recsim_llm.agents.choice.choice_state import impatience
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.dice import seed_words
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import probability
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.errors import ConfigError

__all__ = ["LogBehaviour", "fit_log_behaviour", "with_behaviour"]

_STEEPEST = 30.0
_PAIRS = 50_000
_LEAST_WORTH = 0.05
_TURNS = 3
_VISITORS, _SLOTS, _PAGES = 200, 10, 20


@dataclass(frozen=True, kw_only=True, eq=False)
class LogBehaviour:
    """What a log tells, or why it does not."""

    log: Mapping[str, Any]
    """``name``, ``fingerprint`` and ``rows`` of the log."""
    layout: str
    """How positions lie on its pages."""
    reading: Reading | Untold
    leaving: Leaving | Untold
    dwell: TimesFit | Untold
    """Seconds with what was clicked."""
    returning: Returning | Untold


def fit_log_behaviour(
    exposures: Exposures, *, seed: int, intervals: bool = True, progress: Callable[[str], None] = lambda _: None
) -> LogBehaviour:
    """Fit all that a log tells of behaviour.

    Args:
        exposures: the log.
        seed: of the parts among which the click model is chosen, and of bootstraps; all keyed by user.
        intervals: also of how pages are read, which takes as long as all else.
        progress: told what is being done.
    """
    progress("how pages are read")
    reading = fit_reading(exposures, seed=seed, intervals=intervals)
    progress("when sessions end")
    leaving = fit_leaving(exposures, seed=seed)
    progress("how long people stay, and when they come back")
    dwell: TimesFit | Untold = Untold("the log does not say how long people stayed with what they clicked")
    if exposures.dwell is not None:
        known = exposures.clicked & ~np.isnan(exposures.dwell)
        dwell = fit_log_normal(exposures.dwell[known], exposures.user_id[known], what="clicks with a dwell time", seed=seed)
    log = {"name": exposures.name, "fingerprint": exposures.fingerprint, "rows": len(exposures)}
    return LogBehaviour(
        log=log,
        layout=exposures.layout,
        reading=reading,
        leaving=leaving,
        dwell=dwell,
        returning=fit_returning(exposures, seed=seed),
    )


def with_behaviour(fitted: FittedUsers, told: LogBehaviour, dataset: Dataset) -> FittedUsers:
    """Return fitted users who behave as a log tells; see ``parameter_sources`` for what came of each parameter.

    Args:
        fitted: on ratings.
        told: by the log.
        dataset: the ratings.
    """
    changes: dict[str, Any] = {}
    sources: dict[str, dict[str, Any]] = {}
    _read(told, changes, sources)
    _stay(told, changes, sources)
    _return(told, changes, sources)
    _leave(fitted, told, changes, sources)
    parameters = replace(fitted.model.parameters, **changes)
    fitted = fitted._replace(model=replace(fitted.model, parameters=parameters))
    if not isinstance(told.reading, Untold):
        fitted = _level(fitted, told, dataset, sources)
    return fitted._replace(model=replace(fitted.model, sources=sources))


def _level(fitted: FittedUsers, told: LogBehaviour, dataset: Dataset, sources: dict[str, dict[str, Any]]) -> FittedUsers:
    """Bring clicks on items that are looked at, over visits of random items, to the log's level.

    What boredom and earlier exposures take from clicks is in the log's level, too, so that it is not the rate of fresh items.
    """
    level = told.reading.level if isinstance(told.reading, Reading) else None
    if level is None:
        return fitted
    wanted, rate = float(level.value[0]), float(level.value[0])
    try:
        for _ in range(_TURNS):
            fitted = with_click_rate(fitted, rate)
            met = _mean_click(fitted, dataset)
            rate = min(rate * wanted / max(met, 1e-9), 0.5 * (1.0 + rate))
        fitted = with_click_rate(fitted, rate)
    except ConfigError as error:
        sources["click_rate"] = {"note": f"the log's level cannot be had: {error}"}
        return fitted
    low, high = (None if math.isnan(end) else float(end) * rate / wanted for end in (level.low[0], level.high[0]))
    sources["click_rate"] = _source(
        told,
        low,
        high,
        f"gives clicks on {wanted:.3f} of what is looked at over a visit, as in the log: of its items, as its "
        "recommender chose them; random ones that it did not choose may be liked less",
    )
    return fitted


def _mean_click(fitted: FittedUsers, dataset: Dataset) -> float:
    """Return the mean chance of a click on a random item that is looked at, over a visit of some users.

    What a user rated before is not shown, as in a run.
    """
    catalog, ratings = dataset.catalog, dataset.training_part(TRAIN_SHARE)[0].ratings
    people = fitted.population
    users = ChoiceUsers(catalog, people, fitted.model)
    who = np.arange(min(len(people), _VISITORS))
    table, curve = fitted.model.parameters.examination_table, fitted.model.parameters.position_curve
    slots = min(len(table or curve or (0,) * _SLOTS), _SLOTS, len(catalog))
    kernel = Kernel(users=users, user_id=people.user_id, rows=len(who), slate_size=slots, max_pages=_PAGES)
    rated = np.zeros((len(who), len(catalog)), np.bool_)
    place = people.user_id[who].searchsorted(ratings.user_id)
    mine = (place < len(who)) & (people.user_id[np.minimum(place, len(who) - 1)] == ratings.user_id)
    rated[place[mine], catalog.index_of(ratings.item_id)[mine]] = True
    visit = np.zeros(len(who), np.int64)
    kernel.begin(ALL_ROWS, who, visit, kernel.dice(who, visit, seed_words(0)))
    generator, there, total, shown = np.random.default_rng(0), who, 0.0, 0
    for _ in range(_PAGES):
        order = np.where(rated[there], 2.0, generator.random((len(there), len(catalog))))
        items = order.argpartition(slots - 1, axis=1)[:, :slots]
        met = kernel.step(items, there)
        total += float(probability(met.decisions.click_log_odds).sum(dtype=np.float64))
        shown += items.size
        there = there[~met.left]
        if not len(there):
            break
    return total / shown


def _source(told: LogBehaviour, low: Any, high: Any, note: str) -> dict[str, Any]:
    return {"low": low, "high": high, "fitted_on": dict(told.log), "note": note}


def _read(told: LogBehaviour, changes: dict[str, Any], sources: dict[str, dict[str, Any]]) -> None:
    """Set how pages are read."""
    reading = told.reading
    if isinstance(reading, Untold):
        for name in ("position_decay", "click_rate"):
            sources[name] = {"note": reading.why}
        return
    score = reading.chosen.scores[0]
    note = (
        f"{reading.model.name} model of a {told.layout}, the best of {len(reading.chosen.scores)} on users kept apart "
        f"(perplexity {score.perplexity.text(3)}); {reading.clicks:,} clicks on {reading.pages:,} pages; up to one factor that "
        "it shares with click_rate"
    )
    changes["layout"] = told.layout
    sources["layout"] = _source(told, None, None, "of the log; its pages are read so, and no other layout")
    table = reading.table
    if reading.by_position_alone:
        changes["position_curve"] = _row(table.value[:, 0])
        sources["position_curve"] = _source(told, _row(table.low[:, 0]), _row(table.high[:, 0]), note)
    else:
        changes["examination_table"] = tuple(map(_row, table.value))
        low, high = (tuple(map(_row, end)) for end in (table.low, table.high))
        sources["examination_table"] = _source(told, low, high, note)
    sources["position_decay"] = {"note": "replaced by what was fitted"}


def _stay(told: LogBehaviour, changes: dict[str, Any], sources: dict[str, dict[str, Any]]) -> None:
    dwell = told.dwell
    if isinstance(dwell, Untold):
        sources["dwell"] = {"note": dwell.why}
        return
    changes["dwell"] = dwell.parts
    quartiles = " ".join(f"{value:g}" for value in dwell.quartiles)
    sources["dwell"] = _source(
        told, dwell.low, dwell.high, f"{dwell.times:,} clicks of {dwell.users:,} users; quartiles of the log {quartiles} s"
    )


def _return(told: LogBehaviour, changes: dict[str, Any], sources: dict[str, dict[str, Any]]) -> None:
    back = told.returning
    if isinstance(back, Untold) or back.share.value is None or not 0.0 < back.share.value < 1.0:
        sources["return_base"] = {"note": back.why if isinstance(back, Untold) else "all users came back, or nobody did"}
        return
    changes["return_base"] = _log_odds(back.share.value)
    note = f"at satisfaction 0; {back.share.text(2)} of {back.sessions:,} sessions were followed by another one within the log"
    if isinstance(back.gap, TimesFit):
        hours = " ".join(f"{seconds / 3600:.2g}" for seconds in back.gap.quartiles)
        note += f", after {hours} hours (quartiles): told and not used, for visits of a run follow each other without a clock"
    low, high = (None if end is None else _log_odds(end) for end in (back.share.low, back.share.high))
    sources["return_base"] = _source(told, low, high, note)


def _leave(fitted: FittedUsers, told: LogBehaviour, changes: dict[str, Any], sources: dict[str, dict[str, Any]]) -> None:
    """Set the log-odds of leaving by page so that this population's hazards are the log's, and what a click takes from them."""
    leaving, parameters = told.leaving, fitted.model.parameters
    names = ("leave_start", "leave_tired", "leave_relief", "fatigue_memory")
    if isinstance(leaving, Untold):
        sources.update({name: {"note": leaving.why} for name in names})
        return
    changes["leave_by_page"] = _by_page(leaving, impatience(fitted.population, parameters, fitted.model))
    hazards = " ".join(hazard.text(2) for hazard in leaving.hazard)
    note = (
        f"{leaving.sessions:,} sessions, {leaving.pages:,} pages; hazards of the log by page, the last of all later: "
        f"{hazards}; drawn to the hazard of all pages, which counts as 30 more"
    )
    moved = np.array(changes["leave_by_page"]) - leaving.by_page
    low, high = (tuple((end + moved).tolist()) for end in leaving.ends)
    sources["leave_by_page"] = _source(told, low, high, note)
    for name in ("leave_start", "leave_tired"):
        sources[name] = {"note": "replaced by leave_by_page"}
    worth = max(_usual_worth(fitted), _LEAST_WORTH)
    relief, seen = leaving.relief, leaving.told_relief != 0.0
    least, most = (None if end is None else end / worth for end in (relief.low, relief.high))
    changes["leave_relief"] = leaving.told_relief / worth
    note = f"a click takes {relief.text(2)} from the log-odds of leaving; worth {worth:.2f} to these users"
    if relief.value is None:
        sources["leave_relief"] = {"note": "nearly all pages of the log have as many clicks as the usual one; 0 is taken"}
    else:
        sources["leave_relief"] = _source(told, least, most, note if seen else f"{note}: not told from nothing, so it is 0")
    if seen:
        changes["fatigue_memory"] = leaving.memory
        sources["fatigue_memory"] = _source(told, None, None, "the likeliest of six values; share of the relief a page later")


def _by_page(leaving: Leaving, impatient: DoubleArray) -> tuple[float, ...]:
    """Return the log-odds by page of a user of median patience.

    Impatient users leave earlier, so that those who are left are patient ones; page by page the log-odds are solved for at
    which those who are still there leave as often as the log's sessions did.
    """
    there, found = np.full(len(impatient), 1.0 / len(impatient)), []
    relief = leaving.told_relief
    for usual, relieved in zip(leaving.by_page, leaving.relieved, strict=True):
        target = float(_chance(usual - relief * relieved).mean())

        def chances(log_odds: float, relieved: DoubleArray = relieved) -> DoubleArray:
            each: DoubleArray = _chance(log_odds + impatient[:, None] - relief * relieved).mean(axis=1)
            return each

        def missing(log_odds: float, target: float = target) -> float:
            return float(there @ chances(log_odds)) - target  # noqa: B023 (called within the turn)

        found.append(float(brentq(missing, -_STEEPEST, _STEEPEST)))
        there = there * (1.0 - chances(found[-1]))
        there /= there.sum()
    return tuple(found)


def _usual_worth(fitted: FittedUsers) -> float:
    """Return what a consumed item is worth to these users on average: items drawn uniformly, as far as they are clicked."""
    model, people, parameters = fitted.model, fitted.population, fitted.model.parameters
    generator = np.random.default_rng(0)
    user, item = generator.integers(len(people), size=_PAIRS), generator.integers(len(model.item_id), size=_PAIRS)
    log_odds = np.vecdot(people.vectors["click"][user], model.click_items[item]) + np.float32(model.click_bias)
    stars = np.vecdot(people.vectors["rating"][user], model.rating_items[item]) - people.trait("rating_mean")[user]
    surplus = np.average(stars.astype(np.float64), weights=probability(log_odds).astype(np.float64))
    return parameters.click_gain + parameters.opinion_gain * float(surplus)


def _chance(log_odds: DoubleArray) -> DoubleArray:
    chance: DoubleArray = 1.0 / (1.0 + np.exp(-log_odds))
    return chance


def _log_odds(chance: float) -> float:
    return math.log(chance / (1.0 - chance))


def _row(values: DoubleArray) -> tuple[float | None, ...]:
    return tuple(_plain(value) for value in values.tolist())


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
