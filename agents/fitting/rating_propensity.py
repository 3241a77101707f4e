"""Who rates what: the chance that a user rates an item, from which pairs were rated, never from the stars.

    log-odds(u, i) = a_u + b_i + x_u' B z_i + p_u . q_i

with x_u what is known about the user and z_i the item's content, each with a constant: logistic matrix factorisation (Johnson
2014) with covariates on both sides (Schnabel et al. 2016, section 5.2, has the covariates alone). Penalised likelihood over
*all* pairs of users and items; the penalty of the factors is the one of most likelihood on pairs left out.

A pair's own outcome must not tell its own propensity: what was rated would look likely, and its weight small. So propensities
are cross-fitted (Chernozhukov et al. 2018): each pair's comes from a fit that left it out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.errors import DataError

__all__ = ["PropensityModel", "Rated", "fit_propensity_model"]

_FACTORS = 8
_PENALTIES = (np.inf, 8.0, 6.0, 5.0, 4.0)
"""Of the factors, tried in this order: none at all, then ever looser."""
_COVARIATES = _MARGINS = 30.0
_FOLDS = 5
_STEPS = 200
_MOST_PAIRS = 20_000_000


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


class PropensityModel(NamedTuple):
    """The chance that a user rates an item."""

    user_vectors: DoubleArray
    """float64 [users, D]."""
    item_vectors: DoubleArray
    """float64 [items, D]: the product with a user's vector is the log-odds."""
    left_out: DoubleArray
    """float64 [users, items]: log-odds of each pair from a fit that left the pair out."""
    log_loss: float
    """Of pairs left out, nats a pair."""
    chance_log_loss: float
    """The same where every pair is as likely."""


def fit_propensity_model(rated: Rated, seed: int) -> PropensityModel:
    """Fit the model to all pairs, choose the factors' penalty and cross-fit.

    Args:
        rated: the pairs; a pair rated twice counts once.
        seed: of the folds and of the factors' start values.

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
    known = _Pairs(_with_constant(rated.users), _with_constant(rated.items), outcome.astype(np.float64))
    fold = np.random.default_rng([seed, _FOLDS]).integers(0, _FOLDS, size=shape, dtype=np.int8)
    penalty, first = _choose_penalty(known, fold == 0, seed)
    left_out = first
    for number in range(1, _FOLDS):
        test = fold == number
        user, item = _fit(known, penalty, seed, left=test)
        left_out[test] = (user @ item.T)[test]
    user, item = _fit(known, penalty, seed)
    share = float(outcome.mean())
    return PropensityModel(
        user_vectors=user,
        item_vectors=item,
        left_out=left_out,
        log_loss=_log_loss(known.outcome, left_out),
        chance_log_loss=_log_loss(known.outcome, np.full(shape, np.log(share / (1.0 - share)))),
    )


class _Pairs(NamedTuple):
    users: DoubleArray
    items: DoubleArray
    outcome: DoubleArray


def _with_constant(columns: DoubleArray) -> DoubleArray:
    return np.column_stack([np.ones(columns.shape[0]), columns - columns.mean(axis=0)])


def _choose_penalty(known: _Pairs, test: BoolArray, seed: int) -> tuple[float, DoubleArray]:
    """Return the factors' penalty of least loss on some pairs, and the log-odds of the fit without these."""
    best, chosen, log_odds = np.inf, np.inf, np.zeros(known.outcome.shape)
    for penalty in _PENALTIES:
        user, item = _fit(known, penalty, seed, left=test)
        found = user @ item.T
        loss = _log_loss(known.outcome[test], found[test])
        if loss < best:
            best, chosen, log_odds = loss, penalty, found
    return chosen, log_odds


def _log_loss(outcome: DoubleArray, log_odds: DoubleArray) -> float:
    return float(np.mean(np.logaddexp(0.0, log_odds) - outcome * log_odds))


def _fit(known: _Pairs, penalty: float, seed: int, *, left: BoolArray | None = None) -> tuple[DoubleArray, DoubleArray]:
    """Return the vectors of users and items; pairs marked in ``left`` tell nothing."""
    (users, items), wide = known.outcome.shape, (known.users.shape[1], known.items.shape[1])
    factors = _FACTORS if np.isfinite(penalty) else 0
    shapes = (wide, (users,), (items,), (users, factors), (items, factors))
    sizes = [int(np.prod(shape)) for shape in shapes]
    strength = np.repeat([_COVARIATES, _MARGINS, _MARGINS, penalty if factors else 0.0, penalty if factors else 0.0], sizes)
    strength[0] = 0.0
    count = known.outcome.size if left is None else left.size - int(left.sum())
    told = known.outcome.sum() if left is None else known.outcome[~left].sum()
    start = np.concatenate([np.zeros(sum(sizes[:3])), np.random.default_rng(seed).normal(0.0, 0.3, sum(sizes[3:]))])
    start[0] = np.log((told + 0.5) / (count - told + 0.5))

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        cross, user_bias, item_bias, left_factors, right_factors = _parts(parameters, shapes, sizes)
        log_odds = known.users @ cross @ known.items.T + user_bias[:, None] + item_bias + left_factors @ right_factors.T
        terms, slope = np.logaddexp(0.0, log_odds) - known.outcome * log_odds, expit(log_odds) - known.outcome
        if left is not None:
            terms[left] = slope[left] = 0.0
        gradient = [
            known.users.T @ slope @ known.items,
            slope.sum(1),
            slope.sum(0),
            slope @ right_factors,
            slope.T @ left_factors,
        ]
        flat = np.concatenate([part.ravel() for part in gradient]) + strength * parameters
        return float(terms.sum() + 0.5 * strength @ parameters**2), flat

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    cross, user_bias, item_bias, left_factors, right_factors = _parts(found, shapes, sizes)
    user = np.column_stack([known.users, user_bias, np.ones(users), left_factors])
    item = np.column_stack([known.items @ cross.T, np.ones(items), item_bias, right_factors])
    return user, item


def _parts(parameters: DoubleArray, shapes: tuple[tuple[int, ...], ...], sizes: list[int]) -> list[DoubleArray]:
    cuts = np.cumsum(sizes)[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(parameters, cuts), shapes, strict=True)]
