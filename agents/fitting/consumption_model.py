"""Consumption as one dot product: the log-odds that a user would consume an item.

    utility(u, i) = item_vectors[i] . user_vectors[u]

Bilinear parts (``consumption_parts``) are stacked by a ridge logistic regression on each user's later events against
uniform and popularity-matched negatives, then refitted on all events and compressed by a truncated singular value
decomposition (Eckart & Young 1936), items weighted by popularity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from recsim_llm.agents.fitting.consumption_parts import (
    ConsumptionSettings,
    History,
    ItemTables,
    build_tables,
    item_parts,
    user_parts,
)
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.numerics.time_order import last_share

__all__ = ["ConsumptionModel", "ConsumptionSettings", "History", "fit_consumption_model", "fold_in_consumption", "utility"]

Pairs = tuple[IntArray, IntArray, DoubleArray]


@dataclass(frozen=True, kw_only=True)
class ConsumptionModel:
    """A fitted consumption model."""

    item_vectors: DoubleArray
    """Shape [items, D]; the first column is 1."""
    user_vectors: DoubleArray
    """Shape [users, D]; the first column is the user's constant."""
    prior_mean: DoubleArray
    """Mean of the users' vectors, shape [D]."""
    prior_covariance: DoubleArray
    """Covariance of the users' vectors, shape [D, D]."""
    stack: DoubleArray
    """Weight of each part, then the constant, shape [parts + 1]."""
    projection: DoubleArray
    """Stacked user parts to ``user_vectors[:, 1:]``, shape [stacked width, D - 1]."""
    tables: ItemTables
    """Item side of the parts, to place new users."""


def fit_consumption_model(history: History, content: DoubleArray, settings: ConsumptionSettings, seed: int) -> ConsumptionModel:
    """Fit the model on training events.

    Args:
        history: training events; items are positions in ``content``.
        content: item features, shape [items, C], C may be 0.
        settings: sizes and penalties.
        seed: seed of the starting factors and of the negatives.
    """
    stack = _fit_stack(history, content, settings, seed)
    tables = build_tables(history, content, settings, seed)
    left, right = _stacked(user_parts(tables, history), item_parts(tables), stack)
    importance = np.sqrt(1.0 + np.bincount(history.item_index, minlength=content.shape[0]))
    projection, items = _compress(left, right, importance, settings.dimensions - 1)
    vectors = np.column_stack([np.full(history.n_users, stack[-1]), left @ projection])
    return ConsumptionModel(
        item_vectors=np.column_stack([np.ones(content.shape[0]), items]),
        user_vectors=vectors,
        prior_mean=vectors.mean(axis=0),
        prior_covariance=np.atleast_2d(np.cov(vectors, rowvar=False, bias=True)),
        stack=stack,
        projection=projection,
        tables=tables,
    )


def utility(model: ConsumptionModel, user_index: IntArray, item_index: IntArray) -> DoubleArray:
    """Return the log-odds of consumption, shape [N]."""
    return np.asarray(np.sum(model.item_vectors[item_index] * model.user_vectors[user_index], axis=1), dtype=np.float64)


def fold_in_consumption(model: ConsumptionModel, item_index: IntArray, timestamp: DoubleArray) -> DoubleArray:
    """Return the vector of a new user with the given events, oldest first or timed, shape [D]."""
    user = np.zeros(item_index.size, dtype=np.int64)
    history = History(user_index=user, item_index=item_index, timestamp=timestamp, n_users=1)
    parts = user_parts(model.tables, history)
    left, _ = _stacked(parts, item_parts(model.tables), model.stack)
    return np.concatenate([model.stack[-1:], (left @ model.projection)[0]])


def _rows(history: History, keep: BoolArray) -> History:
    return replace(
        history,
        user_index=history.user_index[keep],
        item_index=history.item_index[keep],
        timestamp=history.timestamp[keep],
    )


def _fit_stack(history: History, content: DoubleArray, settings: ConsumptionSettings, seed: int) -> DoubleArray:
    """Return the weight of each part and the constant, learned on each user's last fifth."""
    later = last_share(history.user_index, history.timestamp)
    if later.all():
        later = np.zeros_like(later)
    tables = build_tables(_rows(history, ~later), content, settings, seed)
    left, right = user_parts(tables, _rows(history, ~later)), item_parts(tables)
    user, item, label = _sample_pairs(history, later, content.shape[0], settings, seed=seed)
    scores = [np.sum(a[user] * b[item], axis=1) for a, b in zip(left, right, strict=True)]
    return _ridge_logistic(np.column_stack([*scores, np.ones(user.size)]), label, settings.ridge)


def _sample_pairs(history: History, later: BoolArray, n_items: int, settings: ConsumptionSettings, *, seed: int) -> Pairs:
    """Return users, items and labels: later events, and negatives among what the user never consumed."""
    generator = np.random.default_rng([seed, 1])
    shuffled = generator.permutation(np.flatnonzero(later))
    order = shuffled[np.argsort(history.user_index[shuffled], kind="stable")]
    user = history.user_index[order]
    rank = np.arange(order.size) - np.searchsorted(user, user)
    chosen = order[rank < settings.positives]
    user, item = history.user_index[chosen], history.item_index[chosen]
    popularity = np.bincount(history.item_index, minlength=n_items).astype(np.float64)
    uniform = generator.integers(0, n_items, size=(settings.uniform_negatives, user.size))
    matched_size = (settings.matched_negatives, user.size)
    matched = generator.choice(n_items, size=matched_size, p=popularity / popularity.sum())
    others = np.concatenate([uniform, matched]).ravel()
    owners = np.tile(user, settings.uniform_negatives + settings.matched_negatives)
    taken = history.user_index * n_items + history.item_index
    fresh = ~np.isin(owners * n_items + others, taken)
    label = np.concatenate([np.ones(user.size), np.zeros(int(fresh.sum()))])
    return np.concatenate([user, owners[fresh]]), np.concatenate([item, others[fresh]]), label


def _ridge_logistic(columns: DoubleArray, label: DoubleArray, ridge: float) -> DoubleArray:
    """Return logistic regression weights; classes weigh the same, all columns but the last are penalised in spreads."""
    if label.size == 0 or label.min() == label.max() or ridge == np.inf:
        return np.zeros(columns.shape[1])
    spread = columns.std(axis=0)
    scale = np.where(spread > 1e-9, 1.0 / np.maximum(spread, 1e-9), 0.0)
    scale[-1] = 1.0
    penalty = np.full(columns.shape[1], ridge)
    penalty[-1] = 0.0
    design = columns * scale
    weight = np.where(label > 0.5, 0.5 / label.mean(), 0.5 / (1.0 - label.mean())) / label.size

    def loss(beta: DoubleArray) -> tuple[float, DoubleArray]:
        logits = design @ beta
        value = weight @ (np.logaddexp(0.0, logits) - label * logits) + penalty @ beta**2
        return float(value), design.T @ (weight * (expit(logits) - label)) + 2.0 * penalty * beta

    found = minimize(loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x * scale, dtype=np.float64)


def _stacked(left: list[DoubleArray], right: list[DoubleArray], stack: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Join the parts, those of one item matrix in the same columns: stacked users [users, W] and items [items, W]."""
    users, items = dict[int, DoubleArray](), dict[int, DoubleArray]()
    for weight, own, shared in zip(stack[:-1], left, right, strict=True):
        users[id(shared)] = users.get(id(shared), 0.0) + weight * own
        items[id(shared)] = shared
    return np.column_stack(list(users.values())), np.column_stack(list(items.values()))


def _compress(left: DoubleArray, right: DoubleArray, importance: DoubleArray, width: int) -> tuple[DoubleArray, DoubleArray]:
    """Return the best projection of ``left`` and its items, ``left @ right.T`` in at most ``width`` dimensions."""
    weights = importance[:, None] / importance.mean()
    left_basis, left_core = np.linalg.qr(left)
    right_basis, right_core = np.linalg.qr(right * weights)
    outer, size, inner = np.linalg.svd(left_core @ right_core.T, full_matrices=False)
    rank = min(width, int(np.sum(size > 1e-10 * max(float(size[0]), 1e-300))))
    items = (right_basis @ inner[:rank].T) * np.sqrt(size[:rank]) / weights
    vectors = (left_basis @ outer[:, :rank]) * np.sqrt(size[:rank])
    return np.linalg.lstsq(left, vectors, rcond=None)[0], items
