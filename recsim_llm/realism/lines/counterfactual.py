"""Line 11, counterfactual validation: fitted on logs of a good policy, what does it say about a bad one?

Only where the truth about the bad policy is known can this be told. Ratings come without exposures, so the test is made in a
simulated world: users fitted to the real training part play the people, their log under a good policy is all that the
candidate is fitted on, and their click rates on random pages are the truth that it is scored against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.realism.baselines import TASTE_ROWS, Scorer
from recsim_llm.realism.candidates import Candidate, Factory, checked_stars, checked_taste
from recsim_llm.realism.line import Line, Measure, Role, not_assessed
from recsim_llm.realism.policies import Policy, policy_pages
from recsim_llm.realism.policy_trials import by_user
from recsim_llm.realism.resampling import Resampler, Series, Statistic, mean_statistic, of_sums
from recsim_llm.realism.thresholds import fit_line
from recsim_llm.realism.trials import CardSettings
from recsim_llm.recommenders import MatrixFactorization

__all__ = ["SAME_RATE", "WORLD", "Log", "as_log_odds", "counterfactual_line", "level_shift", "no_counterfactual", "record_log"]


SAME_RATE = "same rate"
"""Row that expects of the bad policy what was seen under the good one."""

WORLD = "the world's users"
"""Row of the truth."""

_LOGGED, _ASKED = 100, 100
_FIT_SHARE = 0.7
_RANDOM = 5
"""Uniformly drawn items for each clicked one."""
_ROWS = 512
_RIVALS = ("popularity", "item-kNN", "ALS")
_NAME = "counterfactual"
_QUESTION = "Fitted on logs of a good policy, does it foresee reactions to a bad one?"
_PROTOCOL = (
    "Real data: not assessed, since ratings come without exposures. In a simulated world: choice users fitted to the training "
    "part, at a click rate that no fit assumes, play the people, and every slot is examined. Each is shown the {logged} first "
    "items of an ALS recommender, and clicks are drawn with keyed dice. The clicked items among {share:.0%} of them, with "
    "drawn stars, are all that the candidate is fitted on; {kept} of {users} users clicked one and are kept. The other "
    "exposures tell the level: everybody's log-odds are moved by one number, as choice users' click rate is fitted; scores "
    "of other rows are log-odds once they have been scaled to tell clicked items from uniformly drawn ones; 'as given' is the "
    "candidate without the level. Then every user is "
    "shown {asked} items drawn uniformly from those not seen yet. A candidate of the world's own kind meets its best case "
    "here, and on other data and worlds no row is nearest throughout: the line tells how far off an extrapolation can be, not "
    "whose users are like people. {seeds}"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Exposures under the good policy, and the bad policy's pages with the truth about them; users who clicked only."""

    data: Dataset
    """Clicked items as ratings, but for the spared exposures; its users are the rows below."""
    user_index: IntArray
    """int64 [u]: the same users in the world they come from."""
    logged: IntArray
    """int64 [u, e]: what was shown, catalog positions."""
    clicked: npt.NDArray[np.bool_]
    """bool [u, e]."""
    spared: npt.NDArray[np.bool_]
    """bool [u, e]: exposures that the candidate is not fitted on; they tell its level."""
    asked: IntArray
    """int64 [u, a]: what the bad policy shows."""
    truth: DoubleArray
    """float64 [u, a]: chance of a click on it."""
    everyone: int
    """Users of the world."""


def no_counterfactual(reason: str) -> Line:
    """Return the line for user models that cannot be fitted on logs."""
    return not_assessed(11, _NAME, _QUESTION, reason)


def counterfactual_line(
    training: Dataset,
    name: str,
    factory: Factory,
    world: Candidate,
    *,
    settings: CardSettings,
    progress: Callable[[str], None] = lambda _: None,
) -> Line:
    """Return the line; the click rate on random pages is the headline.

    Args:
        training: the training part, which the world was fitted on; held-out ratings play no part.
        name: of the candidate.
        factory: builds it from the log's clicks.
        world: users that play the people, of the training part's users and items.
        settings: of the card.
        progress: told what is being done.
    """
    logs, columns = [], []
    for seed in settings.seeds:
        progress(f"fitting on a simulated log, seed {seed}")
        log = record_log(training, world, seed=seed, most_users=settings.users)
        if not log.asked.shape[1]:
            return no_counterfactual("no item is left for a random page beside those rated and logged; more items would do")
        if len(log.user_index) < 2 or not log.clicked[log.spared].any():
            return no_counterfactual(f"of {log.everyone} simulated users {len(log.user_index)} clicked anything in the log")
        logs.append(log)
        columns.append(_predictions(log, name, factory(log.data, seed), seed))
    measures = _measures(training, logs, columns, settings)
    kept = min(len(log.user_index) for log in logs)
    seeds = f"A world's log is drawn anew for each of {len(logs)} seeds." if len(logs) > 1 else "One seed."
    sizes = {"logged": logs[0].logged.shape[1], "asked": logs[0].asked.shape[1], "kept": kept, "users": logs[0].everyone}
    protocol = _PROTOCOL.format(**sizes, share=_FIT_SHARE, seeds=seeds)
    return Line(number=11, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol)


def record_log(training: Dataset, world: Candidate, *, seed: int, most_users: int | None = None) -> Log:
    """Let the world's users click on what a good policy shows, and look up what they would do with random pages.

    Args:
        training: the training part.
        world: the users.
        seed: of users, clicks, stars and random pages.
        most_users: take that many users; None takes all.
    """
    outside, items = training.ratings.users, len(training.catalog)
    users = np.arange(len(outside))
    if most_users is not None:
        users = np.sort(keyed.words(seed, "card users", outside).argsort(kind="stable")[:most_users])
    room = max(1, min(_LOGGED, items // 4))
    policy = Policy("ALS", "factors", MatrixFactorization)
    logged = policy_pages(training, users, page_size=room, seed=seed, policies=[policy]).item_index[:, 0]
    word = keyed.words(seed, "logged click", outside[users][:, None], logged)
    clicked = keyed.uniform(word) < expit(checked_taste(world, users, logged))
    spared = keyed.uniform(keyed.words(seed, "spared exposure", outside[users][:, None], logged)) > _FIT_SHARE
    kept = (clicked & ~spared).any(axis=1)
    users, logged, clicked, spared = users[kept], logged[kept], clicked[kept], spared[kept]
    asked = _unseen(training, users, logged, seed)
    return Log(
        data=_clicks(training, world, users, logged, clicked=clicked & ~spared, seed=seed),
        user_index=users,
        logged=logged,
        clicked=clicked,
        spared=spared,
        asked=asked,
        truth=expit(checked_taste(world, users, asked)) if len(users) else np.zeros(asked.shape),
        everyone=len(kept),
    )


def _unseen(training: Dataset, users: IntArray, logged: IntArray, seed: int) -> IntArray:
    """Draw items that each user neither rated in the training part nor was shown."""
    rated, items = training.ratings, len(training.catalog)
    gone = np.zeros(items, np.bool_) if training.catalog.retired is None else training.catalog.retired
    item, drawn, fewest = training.catalog.index_of(rated.item_id), [], _ASKED
    for start in range(0, len(users), _ROWS):
        part = slice(start, start + _ROWS)
        row = np.full(len(rated.users), -1, np.int64)
        row[users[part]] = np.arange(len(users[part]))
        theirs = row[rated.user_index]
        seen = np.repeat(gone[None], len(users[part]), axis=0)
        seen[theirs[theirs >= 0], item[theirs >= 0]] = True
        seen[np.arange(len(seen))[:, None], logged[part]] = True
        dice = keyed.uniform(keyed.words(seed, "random pages", rated.users[users[part]][:, None], np.arange(items)[None]))
        drawn.append(np.argsort(np.where(seen, 2.0, dice), axis=1, kind="stable")[:, :_ASKED])
        fewest = min(fewest, int((~seen).sum(axis=1).min()))
    return np.concatenate(drawn)[:, :fewest] if drawn else np.zeros((0, fewest), np.int64)


def _clicks(
    training: Dataset, world: Candidate, users: IntArray, logged: IntArray, *, clicked: npt.NDArray[np.bool_], seed: int
) -> Dataset:
    """Return the clicked items as ratings, with drawn stars, in the order in which they were shown."""
    row, slot = np.nonzero(clicked)
    if not len(row):
        return training
    outside, item = training.ratings.users[users][row], logged[row, slot]
    cumulative = np.cumsum(checked_stars(world, users, logged)[row, slot], axis=1)
    dice = keyed.uniform(keyed.words(seed, "logged stars", outside, item))
    level = np.minimum((dice[:, None] > cumulative).sum(axis=1), len(world.levels) - 1)
    ratings = Ratings(
        user_id=outside,
        item_id=training.catalog.item_id[item],
        rating=world.levels[level].astype(np.float32),
        timestamp=slot.astype(np.int64) * 60,
    )
    return training.of_ratings(ratings)


def _predictions(log: Log, name: str, candidate: Candidate, seed: int) -> dict[str, DoubleArray]:
    """Return float64 [u, a] by row name: predicted chances of clicks on the bad policy's pages."""
    users = np.arange(len(log.user_index))
    rows: dict[str, Scorer] = {name: lambda user, item: checked_taste(candidate, user, item)}
    rows |= {row: as_log_odds(TASTE_ROWS[row].fit(log.data, seed), log.data, seed) for row in _RIVALS}
    found = {f"{name}, as given": expit(checked_taste(candidate, users, log.asked))}
    for row, score in rows.items():
        known, clicked = score(users, log.logged)[log.spared], log.clicked[log.spared]
        found[row] = expit(score(users, log.asked) + level_shift(known, clicked))
    found[SAME_RATE] = np.full(log.asked.shape, log.clicked[log.spared].mean())
    return found


def as_log_odds(score: Scorer, data: Dataset, seed: int) -> Scorer:
    """Return a score on the scale of log-odds: the line that tells clicked items from uniformly drawn ones.

    That is how choice users' own scale is fitted. A line fitted on the exposures of a good policy would tell how little the
    score varies among what that policy picks.
    """
    ratings, items = data.ratings, len(data.catalog)
    user, dice = (
        ratings.user_index,
        keyed.words(seed, "uniform items", np.arange(len(ratings))[:, None], np.arange(_RANDOM)[None]),
    )
    drawn = (keyed.uniform(dice) * items).astype(np.int64)
    item = np.column_stack([data.catalog.index_of(ratings.item_id), drawn])
    taken = np.zeros(item.shape, np.bool_)
    taken[:, 0] = True
    slope, bias = fit_line(score(user, item).reshape(-1), taken.reshape(-1))
    return lambda users, asked: slope * score(users, asked) + bias


def level_shift(log_odds: DoubleArray, clicked: npt.NDArray[np.bool_]) -> float:
    """Return what must be added to log-odds so that as many clicks are expected as there were, one more of either counted."""
    rate = (clicked.sum() + 1) / (len(clicked) + 2)

    def off(shift: float) -> float:
        return float(expit(log_odds + shift).mean() - rate)

    # Beyond 60 a click is certain or impossible, unless the log-odds are that far out themselves.
    reach = 60.0 if off(-60.0) < 0.0 < off(60.0) else 60.0 + float(np.abs(log_odds).max())
    return float(brentq(off, -reach, reach))


def _measures(
    training: Dataset, logs: Sequence[Log], columns: Sequence[dict[str, DoubleArray]], settings: CardSettings
) -> list[Measure]:
    everyone = len(training.ratings.users)
    counted = np.zeros(everyone, np.bool_)
    for log in logs:
        counted[log.user_index] = True
    resampler = Resampler(counted, settings.bootstrap_seed, settings.resamples)
    given = next(iter(columns[0]))
    name = given.removesuffix(", as given")
    roles: dict[str, Role] = {name: "candidate", SAME_RATE: "trivial", **{row: TASTE_ROWS[row].role for row in _RIVALS}}
    rates: dict[str, list[Statistic]] = {}
    errors: dict[str, list[Statistic]] = {}
    own: dict[str, list[Statistic]] = {}
    for log, predicted in zip(logs, columns, strict=True):
        truth = log.truth.mean(axis=1)
        rates.setdefault(WORLD, []).append(mean_statistic(by_user(truth, log.user_index, everyone)))
        for row, chance in predicted.items():
            rate = chance.mean(axis=1)
            rates.setdefault(row, []).append(mean_statistic(by_user(rate, log.user_index, everyone)))
            own.setdefault(row, []).append(mean_statistic(by_user(np.abs(rate - truth), log.user_index, everyone)))
            sums = np.nan_to_num(by_user(np.column_stack([rate, truth]), log.user_index, everyone))
            errors.setdefault(row, []).append(of_sums(sums, lambda total: np.abs(total[:, 0] - total[:, 1]) / total[:, 1]))

    def series(statistics: dict[str, list[Statistic]], candidate: str = name) -> dict[str, Series]:
        order = {candidate: statistics[candidate], **{row: statistics[row] for row in roles if row != name}}
        return {row: Series(roles.get(row, "candidate"), values) for row, values in order.items()}

    world = {WORLD: Series("real", rates[WORLD])}
    before = series(rates, given), series(errors, given)
    return [
        resampler.measure("click rate on random pages", "share", "real", series(rates) | world),
        resampler.measure("error of the click rate, relative", "share", "lower", series(errors)),
        resampler.measure("error of each user's click rate", "share", "lower", series(own)),
        resampler.measure("click rate on random pages, as given", "share", "real", before[0] | world),
        resampler.measure("error of the click rate, relative, as given", "share", "lower", before[1]),
    ]
