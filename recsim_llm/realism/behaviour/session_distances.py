"""How far apart two sets of sessions are, from counts that add up over users: definitions as in SimEval-IR.

SimEval-IR (arXiv 2604.27878) publishes a test of user simulators for search; where it defines a measure, this is its
definition, so that figures can be put side by side. All functions take sums over users, a row a draw of the bootstrap.
"""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = [
    "ACTION_FEATURES",
    "action_features",
    "chained_lengths",
    "frechet",
    "jensen_shannon_distance",
    "moments",
    "quantile_of_counts",
    "wasserstein_of_counts",
]

ACTION_FEATURES = (
    "share of queries",
    "share of result pages",
    "share of click events",
    "query, then result page",
    "result page, then click",
    "result page, then query",
    "click, then query",
)
"""What SimEval-IR's action embedding holds of a session that is made of queries, result pages and click events; its other
entries are 0 for all of them."""


def jensen_shannon_distance(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    """Return float64 [b]: the square root of the Jensen-Shannon divergence in nats of counts, float64 [b, l].

    Endres & Schindelin 2003, "A new metric for probability distributions", as ``scipy.spatial.distance.jensenshannon``;
    SimEval-IR calls it JSD. At most 0.833, the root of ln 2. NaN where one side has no counts.
    """
    one, other = _shares(left), _shares(right)
    middle = 0.5 * (one + other)
    divergence = 0.5 * (_relative_entropy(one, middle) + _relative_entropy(other, middle))
    distance: DoubleArray = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def wasserstein_of_counts(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    """Return float64 [b]: Wasserstein-1 of counts by whole number, float64 [b, l] (Vallender 1974); NaN without counts."""
    gap: DoubleArray = np.abs(np.cumsum(_shares(left) - _shares(right), axis=1))[:, :-1].sum(axis=1)
    return gap


def chained_lengths(counts: DoubleArray) -> DoubleArray:
    """Return float64 [b, p]: the distribution of pages a session that follows from leaving rates page by page.

    Args:
        counts: float64 [b, 2 p]: pages that were reached, then pages at which users left, by number of the page.
    """
    half = counts.shape[1] // 2
    reached, left = counts[:, :half], counts[:, half:]
    hazard = np.where(reached > 0, left / np.where(reached > 0, reached, 1.0), 1.0)
    hazard[:, -1] = 1.0  # No page of the log comes after it.
    staying = np.cumprod(1.0 - hazard, axis=1)
    shares: DoubleArray = hazard * np.hstack([np.ones((len(counts), 1)), staying[:, :-1]])
    return shares


def quantile_of_counts(counts: DoubleArray, values: DoubleArray, share: float) -> DoubleArray:
    """Return float64 [b]: the smallest value, of float64 [l] ascending, at or below which a share of counts lies."""
    total = counts.sum(axis=1, keepdims=True)
    # Sums of counts are whole numbers but for rounding, which must not move a quantile.
    reached = np.cumsum(counts, axis=1) >= share * total - 1e-9 * total
    found: DoubleArray = np.where(total[:, 0] > 0, values[reached.argmax(axis=1)], np.nan)
    return found


def action_features(pages: IntArray, clicked: IntArray, last_clicked: BoolArray) -> DoubleArray:
    """Return float64 [s, 7]: ``ACTION_FEATURES`` of sessions.

    A page is a query and a result page, and a click event where something on it was clicked.

    Args:
        pages: int64 [s]: pages of each session.
        clicked: int64 [s]: those with a click.
        last_clicked: bool [s]: whether the last page has one.
    """
    events = 2.0 * pages + clicked
    passed = pages - clicked - ~last_clicked  # Pages without a click that a query follows.
    followed = np.maximum(clicked + passed, 1)
    after_click = (clicked - last_clicked) > 0
    columns = (pages / events, pages / events, clicked / events, np.ones(len(pages)))
    return np.column_stack([*columns, clicked / followed, passed / followed, after_click])


def moments(features: DoubleArray) -> DoubleArray:
    """Return float64 [s, 1 + d + d d]: one, the features and their products, of which ``frechet`` takes sums."""
    products = features[:, :, None] * features[:, None, :]
    return np.hstack([np.ones((len(features), 1)), features, products.reshape(len(features), -1)])


def frechet(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    """Return float64 [b]: Fréchet distance between normal distributions with the means and covariances of two sets of features.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` (Dowson & Landau 1982; for sets of features Heusel et al. 2017), as in
    SimEval-IR. NaN with fewer than two sessions on a side.

    Args:
        left: float64 [b, 1 + d + d d]: sums of ``moments``.
        right: the same of the other set.
    """
    one, other = _mean_and_covariance(left), _mean_and_covariance(right)
    known = (left[:, 0] > 1) & (right[:, 0] > 1)
    values, vectors = np.linalg.eigh(one[1])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    # The product has the eigenvalues of root @ S2 @ root, which is symmetric.
    between = np.linalg.eigvalsh(root @ other[1] @ root)
    traces = np.trace(one[1], axis1=1, axis2=2) + np.trace(other[1], axis1=1, axis2=2)
    distance = ((one[0] - other[0]) ** 2).sum(axis=1) + traces - 2.0 * np.sqrt(np.maximum(between, 0.0)).sum(axis=1)
    return np.where(known, np.maximum(distance, 0.0), np.nan)


def _mean_and_covariance(sums: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    size = round((np.sqrt(4 * sums.shape[1] - 3) - 1) / 2)
    count = np.maximum(sums[:, 0], 2.0)
    mean = sums[:, 1 : 1 + size] / count[:, None]
    second = sums[:, 1 + size :].reshape(-1, size, size)
    covariance = (second - count[:, None, None] * mean[:, :, None] * mean[:, None, :]) / (count - 1.0)[:, None, None]
    return mean, covariance


def _shares(counts: DoubleArray) -> DoubleArray:
    total = counts.sum(axis=1, keepdims=True)
    shares: DoubleArray = np.where(total > 0, counts / np.where(total > 0, total, 1.0), np.nan)
    return shares


def _relative_entropy(shares: DoubleArray, middle: DoubleArray) -> DoubleArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log(shares / middle), 0.0)
    # Without counts every share is NaN, and so is the distance.
    entropy: DoubleArray = np.where(np.isnan(shares).any(axis=1), np.nan, terms.sum(axis=1))
    return entropy
