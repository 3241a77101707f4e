"""Consumption as one dot product: the log-odds that a user would consume an item.

    utility(u, i) = item_vectors[i] . user_vectors[u]

Bilinear parts (``consumption_parts``) are stacked by a ridge logistic regression on each user's later events
(``stacking_examples``), then refitted on all events and compressed by a truncated singular value decomposition (Eckart & Young
1936), items weighted by popularity. Besides all evidence together each family of it can be stacked alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from recsim_llm.agents.fitting.consumption_parts import (
    ItemTables,
    build_tables,
    item_parts,
    part_families,
    user_parts,
)
from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.stacking_examples import Examples, draw_examples
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.numerics.time_order import last_share
from recsim_llm.population.taste_families import TASTE_FAMILIES

__all__ = [
    "ConsumptionModel",
    "Evidence",
    "fit_consumption_model",
    "fold_in_consumption",
    "gather_evidence",
    "stack_evidence",
    "utility",
]


_BLOCK = 1 << 15  # examples at a time


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is learned once for all stackings."""

    tables: ItemTables
    """Item side of the parts, from all events."""
    left: list[DoubleArray]
    """User side of the parts, from all events."""
    right: list[DoubleArray]
    """Item side of the parts, in the same order."""
    families: list[str]
    """Family of each part."""
    popularity: DoubleArray
    """Events of each item, shape [items]."""
    examples: Examples
    """Later events and others."""
    columns: DoubleArray
    """What each part, learned without the later events, says of the examples, shape [P, parts]."""


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
    taken: BoolArray
    """Which parts were stacked, shape [parts]."""
    stack: DoubleArray
    """Weight of each part, then the constant, shape [parts + 1]."""
    projection: DoubleArray
    """Stacked user parts to ``user_vectors[:, 1:]``, shape [stacked width, D - 1]."""
    tables: ItemTables
    """Item side of the parts, to place new users."""


def gather_evidence(
    history: History, content: DoubleArray, settings: ConsumptionSettings, seed: int, *, year: DoubleArray | None = None
) -> Evidence:
    """Learn the parts, once without each user's last fifth and once from everything.

    Args:
        history: training events; items are positions in ``content``.
        content: item features, shape [items, C], C may be 0.
        settings: sizes and penalties.
        seed: seed of the starting factors and of the examples.
        year: release year of each item, shape [items], NaN where unknown.
    """
    later = last_share(history.user_index, history.timestamp)
    if later.all():
        later = np.zeros_like(later)
    earlier = _rows(history, ~later)
    before = build_tables(earlier, content, settings, seed, year=year)
    left, right = user_parts(before, earlier), item_parts(before)
    leads = [(left[place], right[place]) for place in _lead_parts(part_families(before))]
    examples = draw_examples(history, later, settings, leads=leads, seed=seed)
    tables = build_tables(history, content, settings, seed, year=year)
    return Evidence(
        tables=tables,
        left=user_parts(tables, history),
        right=item_parts(tables),
        families=part_families(tables),
        popularity=np.bincount(history.item_index, minlength=content.shape[0]).astype(np.float64),
        examples=examples,
        columns=np.column_stack([_scores(a, b, examples) for a, b in zip(left, right, strict=True)]),
    )


def stack_evidence(evidence: Evidence, *, family: str | None = None, ridge: float | None = None) -> ConsumptionModel:
    """Weigh the parts and compress them.

    Args:
        evidence: the parts.
        family: of ``TASTE_FAMILIES``: its parts and those that everybody has; None takes all parts.
        ridge: penalty instead of that of the settings.
    """
    settings, users = evidence.tables.settings, len(evidence.left[0])
    taken = np.array([family in (None, name) or name == TASTE_FAMILIES[0] for name in evidence.families])
    whole = settings.whole if family is None else settings.family_whole
    stack = np.zeros(taken.size + 1)
    penalty = settings.ridge if ridge is None else ridge
    stack[np.append(taken, True)] = _ridge_logistic(evidence.columns[:, taken], evidence.examples, whole, penalty)
    left, right = _stacked(evidence.left, evidence.right, stack, taken)
    width = (settings.dimensions if family is None else settings.family_dimensions) - 1
    projection, items = _compress(left, right, np.sqrt(1.0 + evidence.popularity), width)
    vectors = np.column_stack([np.full(users, stack[-1]), left @ projection])
    return ConsumptionModel(
        item_vectors=np.column_stack([np.ones(evidence.popularity.size), items]),
        user_vectors=vectors,
        prior_mean=vectors.mean(axis=0),
        prior_covariance=np.atleast_2d(np.cov(vectors, rowvar=False, bias=True)),
        taken=taken,
        stack=stack,
        projection=projection,
        tables=evidence.tables,
    )


def fit_consumption_model(history: History, content: DoubleArray, settings: ConsumptionSettings, seed: int) -> ConsumptionModel:
    """Fit all evidence together; arguments as of ``gather_evidence``."""
    return stack_evidence(gather_evidence(history, content, settings, seed))


def _lead_parts(families: list[str]) -> list[int]:
    """Return parts that put items first as recommenders do: two of each family, of all and of recent events; and popularity."""
    firsts = [families.index(name) for name in ("factors", "neighbours", "sequence")]
    return [*(place + step for place in firsts for step in (0, 1)), families.index("popularity") + 2]


def _scores(left: DoubleArray, right: DoubleArray, examples: Examples) -> DoubleArray:
    """Return what a part says of the examples, shape [P]."""
    score = np.empty(examples.user.size)
    for start in range(0, score.size, _BLOCK):
        rows = slice(start, start + _BLOCK)
        score[rows] = np.einsum("pd,pd->p", left[examples.user[rows]], right[examples.item[rows]])
    return score


def utility(model: ConsumptionModel, user_index: IntArray, item_index: IntArray) -> DoubleArray:
    """Return the log-odds of consumption, shape [N]."""
    return np.asarray(np.sum(model.item_vectors[item_index] * model.user_vectors[user_index], axis=1), dtype=np.float64)


def fold_in_consumption(model: ConsumptionModel, item_index: IntArray, timestamp: DoubleArray) -> DoubleArray:
    """Return the vector of a new user with the given events, oldest first or timed, shape [D]."""
    user = np.zeros(item_index.size, dtype=np.int64)
    history = History(user_index=user, item_index=item_index, timestamp=timestamp, n_users=1)
    parts = user_parts(model.tables, history)
    left, _ = _stacked(parts, item_parts(model.tables), model.stack, model.taken)
    return np.concatenate([model.stack[-1:], (left @ model.projection)[0]])


def _rows(history: History, keep: BoolArray) -> History:
    return replace(
        history,
        user_index=history.user_index[keep],
        item_index=history.item_index[keep],
        timestamp=history.timestamp[keep],
    )


def _ridge_logistic(columns: DoubleArray, examples: Examples, whole: float, ridge: float) -> DoubleArray:
    """Return logistic regression weights and the constant; all columns are penalised in spreads.

    The loss is that of the balanced sample times ``1 - whole`` and that of the whole sample times ``whole``. The whole one has
    a constant of its own, which is not returned: level is what ``click_rate`` is for.
    """
    label, balanced = examples.label, examples.balanced
    if label.size == 0 or label.min() == label.max() or ridge == np.inf:
        return np.zeros(columns.shape[1] + 1)
    mean = balanced @ columns
    spread = np.sqrt(balanced @ (columns - mean) ** 2)
    scale = np.where(spread > 1e-9, 1.0 / np.maximum(spread, 1e-9), 0.0)
    design = (columns - mean) * scale
    weights = np.stack([(1.0 - whole) * balanced, whole * examples.whole])

    def loss(beta: DoubleArray) -> tuple[float, DoubleArray]:
        logits = (design @ beta[:-2])[None] + beta[-2:, None]
        slope = weights * (expit(logits) - label)
        value = np.sum(weights * (np.logaddexp(0.0, logits) - label * logits)) + ridge * beta[:-2] @ beta[:-2]
        return float(value), np.concatenate([design.T @ slope.sum(axis=0) + 2.0 * ridge * beta[:-2], slope.sum(axis=1)])

    found = minimize(loss, np.zeros(columns.shape[1] + 2), jac=True, method="L-BFGS-B").x
    stack = found[:-2] * scale
    return np.append(stack, found[-2] - mean @ stack)


def _stacked(
    left: list[DoubleArray], right: list[DoubleArray], stack: DoubleArray, taken: BoolArray
) -> tuple[DoubleArray, DoubleArray]:
    """Join the taken parts, those of one item matrix in the same columns: users [users, W] and items [items, W]."""
    users, items = dict[int, DoubleArray](), dict[int, DoubleArray]()
    for weight, own, shared, there in zip(stack[:-1], left, right, taken, strict=True):
        if there:
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
