"""How far consumption moves taste: what time-ordered ratings can say about ``drift`` and ``drift_reach``.

Users are fitted on the first half of their ratings. In the second half every rated item competes with items drawn by popularity
that the user never rated, in a conditional logit (McFadden 1974) on

    static utility, log popularity, e . z

with ``z`` the item's factors over their typical length and ``e`` the moving average of consumed items that choice users keep,
``e <- (1 - rate) * e + rate * step``: the weight of ``e . z`` is ``drift_reach``, in log-odds.

Two things look like drift and are none. People rate many films in one sitting, in the order in which a list showed them, so
that neighbours are alike: ``e`` is therefore taken from *earlier sittings* only. And the static vectors miss a part of what a
user always liked (spurious state dependence; Heckman 1981), which earlier sittings tell as well as later ones do: the same
weight is estimated with each user's sittings in a random order, and what is left over is drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
from recsim_llm.agents.choice.choice_state import StateLayout
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import DataError

__all__ = ["DriftAt", "DriftFit", "Weight", "fit_drift"]

_PAUSE = 3600.0  # seconds that end a sitting, as for the trait ``patience``
_RIVALS = 20
_MOST = 150  # ratings of a user, so that no user outweighs all others
_RATES = (0.05, 0.1, 0.2, 0.4)
_GENRE_RATE = 0.2
_ORDERS = 4  # random orders of the sittings
_FEWEST = 10


class Weight(NamedTuple):
    """A weight of the logit with its 95% interval, users being clusters (Liang & Zeger 1986)."""

    value: float
    """Log-odds."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


class DriftAt(NamedTuple):
    """What the ratings say about ``drift_reach`` where ``drift`` is given."""

    rate: float
    """``drift``."""
    reach: Weight
    """``drift_reach``: by how much earlier sittings tell more than sittings in a random order do."""
    ceiling: Weight
    """The same without that comparison: drift, and all that the static vectors miss."""
    in_entry_order: Weight
    """The ceiling with earlier items of the same sitting counted too: also the order of the lists from which people rate."""


class DriftFit(NamedTuple):
    """What the ratings say."""

    at: tuple[DriftAt, ...]
    """By rate; none of them is chosen by its result."""
    genre: Weight
    """What ``DriftAt.reach`` is for factors, for genre shares beside the static utility (rate 0.2): boredom that outlasts a
    sitting would be below 0."""
    users: int
    """Number of users in the estimates, who have ratings of two sittings in the second half of theirs."""
    events: int
    """Number of these ratings."""


class _Sittings(NamedTuple):
    """The later ratings of one user, among rivals."""

    item: IntArray
    """int64 [e]: rated, in time."""
    shown: IntArray
    """int64 [e, 1 + rivals]: the same and its rivals."""
    sitting: IntArray
    """int64 [e]: from 0."""
    orders: tuple[IntArray, ...]
    """Places of the sittings: in time, then in random orders."""
    known: DoubleArray
    """float64 [e, 1 + rivals, 2]: static utility and log popularity."""


class _Estimate(NamedTuple):
    """A weight and what each user contributes to its error."""

    value: float
    errors: DoubleArray
    """float64 [u]."""


def fit_drift(dataset: Dataset, seed: int) -> DriftFit:
    """Measure drift on time-ordered ratings.

    Args:
        dataset: ratings with timestamps.
        seed: of the fit, of rivals and of orders.

    Raises:
        DataError: fewer than ten users have ratings of two sittings in the second half of theirs.
    """
    training, _ = dataset.training_part(0.5)
    fitted = fit_choice(training, seed)
    layout = StateLayout.of(dataset.catalog, fitted.model)
    people = _sittings(dataset, fitted, np.random.default_rng([seed, 1]))
    if len(people) < _FEWEST:
        raise DataError(
            f"drift: got {len(people)} users with ratings of two sittings in their second half, expected {_FEWEST} or more; "
            "take data of more users, with real timestamps"
        )
    z = layout.items[:, layout.taste].astype(np.float64) / max(layout.typical, 1e-9)
    step = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1.0)
    genres = layout.items[:, layout.genres].astype(np.float64)
    return DriftFit(
        at=tuple(_drift_at(people, z, step, rate) for rate in _RATES),
        genre=_beyond(*_by_order(people, genres, genres, _GENRE_RATE)),
        users=len(people),
        events=sum(len(person.item) for person in people),
    )


def _drift_at(people: Sequence[_Sittings], z: DoubleArray, step: DoubleArray, rate: float) -> DriftAt:
    in_time, at_random = _by_order(people, z, step, rate)
    entered = _estimate(people, [_dot(z[person.shown], _before(step[person.item], rate)) for person in people])
    return DriftAt(rate, _beyond(in_time, at_random), _weight(in_time), _weight(entered))


def _by_order(people: Sequence[_Sittings], z: DoubleArray, step: DoubleArray, rate: float) -> tuple[_Estimate, list[_Estimate]]:
    """Return the weight of earlier sittings, in time and in random orders."""
    every = [
        _estimate(
            people, [_dot(z[one.shown], _before_sitting(step[one.item], one.sitting, one.orders[n], rate)) for one in people]
        )
        for n in range(1 + _ORDERS)
    ]
    return every[0], every[1:]


def _beyond(in_time: _Estimate, at_random: Sequence[_Estimate]) -> Weight:
    value = in_time.value - float(np.mean([one.value for one in at_random]))
    return _weight(_Estimate(value, in_time.errors - np.mean([one.errors for one in at_random], axis=0)))


def _weight(estimate: _Estimate) -> Weight:
    margin = 1.96 * float(np.linalg.norm(estimate.errors))
    return Weight(estimate.value, estimate.value - margin, estimate.value + margin)


def _sittings(dataset: Dataset, fitted: FittedUsers, random: np.random.Generator) -> list[_Sittings]:
    ratings, item_of = dataset.ratings, dataset.catalog.index_of(dataset.ratings.item_id)
    items, tastes = fitted.model.click_items.astype(np.float64), fitted.population.vectors["click"].astype(np.float64)
    popularity = np.bincount(item_of, minlength=len(items)).astype(np.float64)
    order = np.lexsort((ratings.timestamp, ratings.user_index))
    people = []
    for rows in np.split(order, np.flatnonzero(np.diff(ratings.user_index[order])) + 1):
        later = rows[len(rows) // 2 :][:_MOST]
        time = ratings.timestamp[later].astype(np.float64)
        sitting = np.cumsum(np.diff(time, prepend=time[:1]) > _PAUSE, dtype=np.int64)
        if not len(later) or sitting[-1] == 0:
            continue
        chance = popularity.copy()
        chance[item_of[rows]] = 0
        rivals = random.choice(len(chance), size=(len(later), _RIVALS), p=chance / chance.sum())
        shown = np.column_stack([item_of[later], rivals])
        taste = tastes[np.searchsorted(fitted.population.user_id, ratings.user_id[rows[0]])]
        count = int(sitting[-1]) + 1
        orders = (np.arange(count), *(random.permutation(count) for _ in range(_ORDERS)))
        known = np.stack([items[shown] @ taste, np.log1p(popularity[shown])], axis=2)
        people.append(_Sittings(item_of[later], shown, sitting, orders, known))
    return people


def _before(step: DoubleArray, rate: float) -> DoubleArray:
    """Return float64 [e, d]: the moving average before each event."""
    before, now = np.zeros_like(step), np.zeros(step.shape[1])
    for event, own in enumerate(step):
        before[event] = now
        now = (1 - rate) * now + rate * own
    return before


def _before_sitting(step: DoubleArray, sitting: IntArray, places: IntArray, rate: float) -> DoubleArray:
    """Return float64 [e, d]: the moving average before each event's sitting, sittings coming in the order of their places."""
    order = np.argsort(places[sitting], kind="stable")
    moved = places[sitting][order]
    before = np.empty_like(step)
    before[order] = _before(step[order], rate)[np.searchsorted(moved, moved)]
    return before


def _dot(items: DoubleArray, state: DoubleArray) -> DoubleArray:
    product: DoubleArray = np.einsum("esd,ed->es", items, state)
    return product


def _estimate(people: Sequence[_Sittings], columns: Sequence[DoubleArray]) -> _Estimate:
    """Return the weight of one column beside what is known."""
    design = np.concatenate([np.dstack([person.known, column]) for person, column in zip(people, columns, strict=True)])
    user = np.repeat(np.arange(len(people)), [len(column) for column in columns])

    def loss(weights: DoubleArray) -> tuple[float, DoubleArray]:
        chance, log_likelihood = _chances(design, weights)
        return -log_likelihood, np.einsum("es,esf->f", chance, design) / len(design) - design[:, 0].mean(axis=0)

    weights = np.asarray(minimize(loss, np.zeros(design.shape[2]), jac=True, method="BFGS").x)
    chance, _ = _chances(design, weights)
    mean = np.einsum("es,esf->ef", chance, design)
    information = np.einsum("es,esf,esg->fg", chance, design, design) - mean.T @ mean
    scores = np.zeros((len(people), len(weights)))
    np.add.at(scores, user, design[:, 0] - mean)
    return _Estimate(float(weights[-1]), (scores @ np.linalg.pinv(information))[:, -1])


def _chances(design: DoubleArray, weights: DoubleArray) -> tuple[DoubleArray, float]:
    """Return float64 [e, 1 + rivals]: who is chosen, and the mean log likelihood of the first."""
    score = design @ weights
    score -= score.max(axis=1, keepdims=True)
    chance = np.exp(score)
    total = chance.sum(axis=1, keepdims=True)
    return chance / total, float((score[:, 0] - np.log(total[:, 0])).mean())
