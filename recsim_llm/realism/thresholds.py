"""What is learned on validation users: the threshold of a yes, and the line that turns scores into probabilities.

Users are dealt into folds by the seed; what is applied to a fold's users is learned on the users of the other folds.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["FOLDS", "assign_folds", "best_threshold", "fit_line", "probabilities", "yes"]


FOLDS = 5
"""Groups of users."""


def assign_folds(user_id: IntArray, seed: int) -> IntArray:
    """Return int64 [m]: the fold of each user, which depends on the user's id and the seed alone."""
    return (keyed.words(seed, "validation fold", user_id) % np.uint64(FOLDS)).astype(np.int64)


def yes(score: DoubleArray, taken: BoolArray, kept: BoolArray, fold: IntArray) -> BoolArray:
    """Return bool [m, n]: scores above the threshold that is most accurate, in the columns that count, for the other folds.

    Args:
        score: float64 [m, n], higher means likelier.
        taken: bool [m, n]: labels.
        kept: bool [m, n]: columns that count for the threshold; all columns are answered.
        fold: int64 [m].
    """
    answer = np.zeros(score.shape, np.bool_)
    for number in range(FOLDS):
        there, others = fold == number, fold != number
        threshold = best_threshold(score[others][kept[others]], taken[others][kept[others]])
        answer[there] = score[there] > threshold
    return answer


def probabilities(score: DoubleArray, taken: BoolArray, kept: BoolArray, fold: IntArray) -> tuple[DoubleArray, DoubleArray]:
    """Return float64 [m, n], calibrated chances, and float64 [m], the slope behind them, learned on the other folds' users."""
    chance, slope = np.zeros(score.shape), np.ones(len(score))
    for number in range(FOLDS):
        there, others = fold == number, fold != number
        slope[there], bias = fit_line(score[others][kept[others]], taken[others][kept[others]])
        chance[there] = expit(slope[there][:, None] * score[there] + bias)
    return chance, slope


def best_threshold(score: DoubleArray, taken: BoolArray) -> float:
    """Return the threshold with the most right answers, yes being above it: midway between two scores; of equals the lowest."""
    if not score.size:
        return 0.0
    order = np.argsort(score, kind="stable")
    value, label = score[order], taken[order]
    # Right answers when the first j of the sorted scores are a no.
    right = np.concatenate([[0], np.cumsum(~label)]) + np.concatenate([np.cumsum(label[::-1])[::-1], [0]])
    edges = np.concatenate([[-np.inf], 0.5 * (value[1:] + value[:-1]), [np.inf]])
    allowed = np.concatenate([[True], value[1:] > value[:-1], [True]])
    return float(edges[int(np.argmax(np.where(allowed, right, -1)))])


def fit_line(score: DoubleArray, taken: BoolArray) -> tuple[float, float]:
    """Return slope and bias of a logistic regression of the labels on one score, by Newton's method.

    Targets are pulled in from 0 and 1 as in Platt 1999, "Probabilistic outputs for support vector machines", equation 1's
    priors, so that separable scores keep a finite slope. A score that does not vary has slope 0.
    """
    above, below = int(taken.sum()), int((~taken).sum())
    if not above or not below:
        return 0.0, float(np.log((above + 1) / (below + 1)))
    centre, spread = float(score.mean()), float(score.std())
    target = np.where(taken, (above + 1) / (above + 2), 1 / (below + 2))
    unit = (score - centre) / spread if spread > 1e-12 else np.zeros(score.shape)
    weight = np.array([0.0, np.log(above / below)])
    design = np.column_stack([unit, np.ones(len(unit))])
    for _ in range(50):
        chance = expit(design @ weight)
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - chance))
        weight += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    slope = float(weight[0] / spread) if spread > 1e-12 else 0.0
    return slope, float(weight[1] - slope * centre)
