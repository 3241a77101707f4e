"""Who rates what: the chance that a user rates an item, from which pairs were rated.

    log-odds(u, i) = b_u + b_i + w_u . c_i + p_u . q_i
    v_u = (b_u, w_u, p_u) ~ N(M g_u, S)         users: mean from what is known about them, g_u
    y_i = (b_i, q_i)      ~ N(B [1, c_i], L)    items: mean from content c_i

over *all* pairs of users and items: the star model of ``bayes_factors``, for an outcome of yes or no. Posteriors and priors are
found as there, with the bound of Jaakkola & Jordan 2000 ("Bayesian parameter estimation via variational methods", eqs. 8-12) on
the logistic likelihood. So besides the log-odds the model says how much it does not know of them.

A pair's own outcome must not tell its own propensity: what was rated would look likely, and its weight small. So log-odds are
cross-fitted (Chernozhukov et al. 2018): each pair's come from a fit that left it out. And people rate, if seldom, what nothing
foretold: the chance is

    chance = lapse + (1 - lapse) F(intercept + steepness * log-odds),     F the logistic distribution function

the psychometric function with lapses (Wichmann & Hill 2001, eq. 1), fitted to the pairs left out, on which chances are right
only so; without the floor a few unlikely ratings would carry all weight.

Where liking drives the choice, the log-odds of what was rated lie above their mean m, known with variance v only, by
``v d log(chance) / dm`` (Tweedie's formula). ``read_liking`` assumes that stars rise with this unknown part as they rise with
m, which ratings of chosen items show. Selection on liking that no model of choices could learn stays unseen: nothing but random
exposure shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from recsim_llm.agents.fitting.bayes_factors import pooled, ridge
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.errors import DataError

__all__ = ["Liking", "PropensityModel", "Rated", "Response", "fit_propensity_model", "read_liking"]

_FACTORS = 8
_ROUNDS = 25
_VARIANCE, _PRIOR_COUNT = 1.0, 20.0
"""What the covariances are like before the fit learns them, squared log-odds, and how many users (or items) that is worth. Of
.1, .3, .6, 1 and 3, the choices of Coat (its self-selected part) are least surprising under 1 when left out."""
_FOLDS = 5
_GROUPS = 2000
_MOST_PAIRS = 8_000_000


class Rated(NamedTuple):
    """Which pairs of users and items were rated, and what is known about both beforehand."""

    user_index: IntArray
    """int64 [N]: user of each rating."""
    item_index: IntArray
    """int64 [N]: item of each rating."""
    users: DoubleArray
    """float64 [users, X]: what is known about the users; X may be 0."""
    items: DoubleArray
    """float64 [items, Z]: what is known about the items; Z may be 0."""


class Response(NamedTuple):
    """From log-odds to the chance of a rating; see the module."""

    lapse: float
    """Chance of what is never chosen."""
    intercept: float
    """Of the log-odds."""
    steepness: float
    """Of the log-odds."""

    def chance(self, log_odds: DoubleArray) -> DoubleArray:
        """Return the chance, of the same shape."""
        return np.asarray(self.lapse + (1.0 - self.lapse) * expit(self.intercept + self.steepness * log_odds), np.float64)

    def log_slope(self, log_odds: DoubleArray) -> DoubleArray:
        """Return the slope of the chance's logarithm, of the same shape."""
        chosen = expit(self.intercept + self.steepness * log_odds)
        slope = (1.0 - self.lapse) * self.steepness * chosen * (1.0 - chosen)
        return np.asarray(slope / self.chance(log_odds), dtype=np.float64)


class PropensityModel(NamedTuple):
    """The chance that a user rates an item."""

    user_vectors: DoubleArray
    """float64 [users, D]."""
    item_vectors: DoubleArray
    """float64 [items, D]: the product with a user's vector is the mean of the log-odds."""
    left_out: DoubleArray
    """float64 [users, items]: mean of the log-odds of each pair, by a fit that left the pair out."""
    unknown: DoubleArray
    """float64 [users, items]: variance of the same log-odds, which is how little is known of them."""
    response: Response
    """From log-odds to the chance."""
    log_loss: float
    """Of pairs left out, nats a pair."""
    chance_log_loss: float
    """The same where every pair is as likely."""


def fit_propensity_model(rated: Rated, seed: int) -> PropensityModel:
    """Fit the model to all pairs, and again without each of five folds of them.

    Args:
        rated: the pairs; a pair rated twice counts once.
        seed: of the folds and of the items' starting factors.

    Raises:
        DataError: there are too many pairs to hold, or every pair was rated.
    """
    shape = rated.users.shape[0], rated.items.shape[0]
    if shape[0] * shape[1] > _MOST_PAIRS:
        raise DataError(
            f"propensities: got {shape[0]:,} users and {shape[1]:,} items, expected at most {_MOST_PAIRS:,} pairs to estimate "
            "them from; fit a part of the users, or give propensities with the exposures"
        )
    outcome = np.zeros(shape, np.bool_)
    outcome[rated.user_index, rated.item_index] = True
    if outcome.all():
        raise DataError("propensities: got a rating of every item by every user, expected a choice; fit without propensities")
    pairs = _Pairs(outcome, _with_constant(rated.users), _with_constant(rated.items))
    fold = np.random.default_rng([seed, _FOLDS]).integers(0, _FOLDS, size=shape, dtype=np.int8)
    left_out, unknown = np.empty(shape), np.empty(shape)
    for number in range(_FOLDS):
        test = fold == number
        mean, variance, _ = _fit(pairs, ~test, seed).log_odds(pairs)
        left_out[test], unknown[test] = mean[test], variance[test]
    response = _fit_response(left_out, outcome)
    whole, share = _fit(pairs, np.ones(shape, np.bool_), seed), float(outcome.mean())
    return PropensityModel(
        user_vectors=np.column_stack([np.ones(shape[0]), whole.user]),
        item_vectors=np.column_stack([whole.item[:, 0], pairs.items, whole.item[:, 1:]]),
        left_out=left_out,
        unknown=unknown,
        response=response,
        log_loss=_log_loss(outcome, response.chance(left_out)),
        chance_log_loss=_log_loss(outcome, np.full(shape, share)),
    )


class Liking(NamedTuple):
    """How stars and the log-odds of rating go together."""

    slope: float
    """Stars a unit of log-odds."""
    likely: DoubleArray
    """float64 [N]: mean of each rating's log-odds, given that it was rated."""
    propensity: DoubleArray
    """float64 [N]: chance of each rating, given its stars as well."""


def read_liking(model: PropensityModel, rated: Rated, rating: DoubleArray) -> Liking:
    """Measure how stars rise with the log-odds, and what a rating's stars tell of its own.

    The log-odds' unknown part given the stars r has the mean ``slope v (r - expected) / variance of r``, by regression.

    Args:
        model: who rates what.
        rated: the ratings that it was fitted to.
        rating: their stars, float64 [N].
    """
    mean, variance = (values[rated.user_index, rated.item_index] for values in (model.left_out, model.unknown))
    likely = mean + variance * model.response.log_slope(mean)
    spread = likely - likely.mean()
    total = float(spread @ spread)
    slope = float(spread @ rating) / total if total > 0 else 0.0
    middle = float(rating.mean())
    left = max(float(np.var(rating - slope * likely)), 1e-6)
    beyond = rating - middle - slope * (mean - likely.mean())
    return Liking(slope, likely, model.response.chance(mean + slope * variance * beyond / left))


class _Pairs(NamedTuple):
    outcome: BoolArray
    """Shape [users, items]."""
    users: DoubleArray
    """Columns [1, known about the users], shape [users, 1 + X]."""
    items: DoubleArray
    """Columns [1, content], shape [items, 1 + Z]."""


def _with_constant(columns: DoubleArray) -> DoubleArray:
    return np.column_stack([np.ones(columns.shape[0]), columns - columns.mean(axis=0)])


def _log_loss(outcome: BoolArray, chance: DoubleArray) -> float:
    return -float(np.mean(np.log(np.where(outcome, chance, 1.0 - chance))))


def _fit_response(log_odds: DoubleArray, outcome: BoolArray) -> Response:
    """Return the response of most likelihood; pairs of about equal log-odds are taken together."""
    order = np.argsort(log_odds, axis=None, kind="stable")
    starts = np.unique(np.linspace(0, order.size, _GROUPS, endpoint=False).astype(np.int64))
    count = np.diff(np.append(starts, order.size))
    middle = np.add.reduceat(log_odds.ravel()[order], starts) / count
    rated = np.add.reduceat(outcome.ravel()[order].astype(np.float64), starts)

    def loss(parameters: DoubleArray) -> float:
        chance = Response(float(expit(parameters[0])), parameters[1], float(np.exp(parameters[2]))).chance(middle)
        chance = np.clip(chance, 1e-12, 1.0 - 1e-12)
        return -float(rated @ np.log(chance) + (count - rated) @ np.log1p(-chance))

    bounds = [(-12.0, 0.0), (-10.0, 10.0), (-3.0, 3.0)]
    found = minimize(loss, np.array([-5.0, 0.0, 0.0]), method="Nelder-Mead", bounds=bounds, options={"maxiter": 600}).x
    return Response(float(expit(found[0])), float(found[1]), float(np.exp(found[2])))


def _outer(columns: DoubleArray) -> DoubleArray:
    return columns[:, :, None] * columns[:, None, :]


def _flat(arrays: DoubleArray) -> DoubleArray:
    return arrays.reshape(arrays.shape[0], -1)


@dataclass(frozen=True, kw_only=True)
class _State:
    """Posteriors of both sides and their priors."""

    user: DoubleArray
    """Posterior means (b_u, w_u, p_u), shape [users, d]."""
    user_covariance: DoubleArray
    """Shape [users, d, d]."""
    user_prior: tuple[DoubleArray, DoubleArray]
    """Means, shape [users, d], and shared covariance, shape [d, d]."""
    item: DoubleArray
    """Posterior means (b_i, q_i), shape [items, 1 + K]."""
    item_covariance: DoubleArray
    """Shape [items, 1 + K, 1 + K]."""
    item_prior: tuple[DoubleArray, DoubleArray]
    """Means, shape [items, 1 + K], and shared covariance."""

    def log_odds(self, pairs: _Pairs) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Return mean and variance of all log-odds, shape [users, items], and E[x x'] of each item's columns."""
        wide = pairs.items.shape[1]
        columns = np.column_stack([pairs.items, self.item[:, 1:]])
        squares = _outer(columns)
        squares[:, wide:, wide:] += self.item_covariance[:, 1:, 1:]
        own = np.column_stack([np.ones(self.user.shape[0]), self.user[:, wide:]])
        variance = _flat(self.user_covariance) @ _flat(squares).T + _flat(_outer(own)) @ _flat(self.item_covariance).T
        return self.user @ columns.T + self.item[:, 0], variance, squares


def _fit(pairs: _Pairs, told: BoolArray, seed: int) -> _State:
    """Return the posteriors given the pairs that are told, bool [users, items]."""
    state = _start(pairs, told, seed)
    signal = told * (pairs.outcome - 0.5)
    for _ in range(_ROUNDS):
        state = _update_users(state, pairs, told, signal)
        state = _update_items(state, pairs, told, signal)
    return state


def _start(pairs: _Pairs, told: BoolArray, seed: int) -> _State:
    (users, items), width = pairs.outcome.shape, pairs.items.shape[1] + _FACTORS
    share = (float(pairs.outcome[told].sum()) + 0.5) / (float(told.sum()) + 1.0)
    user, item = np.zeros((users, width)), np.zeros((items, 1 + _FACTORS))
    user[:, 0] = np.log(share / (1.0 - share))
    item[:, 1:] = np.random.default_rng(seed).normal(size=(items, _FACTORS))
    user_scale, item_scale = _scales(width)
    return _State(
        user=user,
        user_covariance=np.tile(user_scale, (users, 1, 1)),
        user_prior=(user.copy(), user_scale),
        item=item,
        item_covariance=np.tile(0.5 * item_scale, (items, 1, 1)),
        item_prior=(np.zeros_like(item), item_scale),
    )


def _scales(width: int) -> tuple[DoubleArray, DoubleArray]:
    return _VARIANCE * np.eye(width), _VARIANCE * np.eye(1 + _FACTORS)


def _curvature(mean: DoubleArray, variance: DoubleArray, told: BoolArray) -> DoubleArray:
    """Return how sharply each pair's likelihood falls around its best log-odds, at the tightest bound."""
    size = np.sqrt(mean**2 + variance)
    return np.asarray(told * np.tanh(size / 2.0) / (2.0 * np.maximum(size, 1e-9)), dtype=np.float64)


def _update_users(state: _State, pairs: _Pairs, told: BoolArray, signal: DoubleArray) -> _State:
    wide = pairs.items.shape[1]
    mean, variance, squares = state.log_odds(pairs)
    weight, columns = _curvature(mean, variance, told), np.column_stack([pairs.items, state.item[:, 1:]])
    evidence = (signal - weight * state.item[:, 0]) @ columns
    evidence[:, wide:] -= weight @ state.item_covariance[:, 0, 1:]
    precision = (weight @ _flat(squares)).reshape(state.user_covariance.shape)
    user, covariance = _posterior(state.user_prior, precision, evidence)
    prior = pairs.users @ ridge(pairs.users, user, 1.0)
    spread = pooled(user - prior, covariance, _scales(user.shape[1])[0], _PRIOR_COUNT)
    return replace(state, user=user, user_covariance=covariance, user_prior=(prior, spread))


def _update_items(state: _State, pairs: _Pairs, told: BoolArray, signal: DoubleArray) -> _State:
    wide = pairs.items.shape[1]
    mean, variance, _ = state.log_odds(pairs)
    weight, columns = _curvature(mean, variance, told), np.column_stack([np.ones(len(state.user)), state.user[:, wide:]])
    squares = _outer(columns)
    squares[:, 1:, 1:] += state.user_covariance[:, wide:, wide:]
    evidence = (signal - weight * (state.user[:, :wide] @ pairs.items.T)).T @ columns
    shared = (weight.T @ _flat(state.user_covariance[:, :wide, wide:])).reshape(-1, wide, _FACTORS)
    evidence[:, 1:] -= np.einsum("ic,ick->ik", pairs.items, shared)
    precision = (weight.T @ _flat(squares)).reshape(state.item_covariance.shape)
    item, covariance = _posterior(state.item_prior, precision, evidence)
    prior = pairs.items @ ridge(pairs.items, item, 2.0)
    spread = pooled(item - prior, covariance, _scales(state.user.shape[1])[1], _PRIOR_COUNT)
    return replace(state, item=item, item_covariance=covariance, item_prior=(prior, spread))


def _posterior(
    prior: tuple[DoubleArray, DoubleArray], precision: DoubleArray, evidence: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    known = np.linalg.inv(prior[1])
    covariance = np.linalg.inv(precision + known)
    return np.einsum("nab,nb->na", covariance, evidence + prior[0] @ known), covariance
