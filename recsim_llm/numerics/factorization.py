"""Implicit-feedback matrix factorisation: alternating least squares, and axes of the matrix of lifts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsim_llm.numerics.threads import one_thread

__all__ = ["correspondence_axes", "implicit_als", "leading_vectors"]

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK = 4096


@one_thread
def implicit_als(
    user_index: IntArray,
    item_index: IntArray,
    *,
    n_users: int,
    n_items: int,
    factors: int = 16,
    regularization: float = 0.1,
    weight: float = 10.0,
    iterations: int = 10,
    seed: int,
) -> tuple[DoubleArray, DoubleArray]:
    """Factorise who consumed what.

    Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit feedback datasets": minimises
    sum_ui c_ui (p_ui - x_u . y_i)^2 + regularization (sum |x_u|^2 + sum |y_i|^2), with p = 1 and c = 1 + weight per
    event where u consumed i, p = 0 and c = 1 elsewhere; eqs. 4 and 5 of the paper are solved in turn.

    Args:
        user_index: user of each event, shape [N].
        item_index: item of each event, shape [N].
        n_users: number of users.
        n_items: number of items.
        factors: dimensions.
        regularization: ridge penalty on both sides, positive.
        weight: extra confidence of an event (alpha of the paper).
        iterations: alternations.
        seed: seed of the items' starting factors.

    Returns:
        User factors, shape [n_users, factors], and item factors, shape [n_items, factors]; zeros without events.
    """
    ones = np.ones(np.asarray(user_index).size)
    by_user = sp.csr_array((ones, (user_index, item_index)), shape=(n_users, n_items))
    by_item = by_user.T.tocsr()
    item_factors = np.random.default_rng(seed).normal(scale=0.1, size=(n_items, factors))
    item_factors[np.diff(by_item.indptr) == 0] = 0.0
    user_factors = np.zeros((n_users, factors))
    for _ in range(iterations):
        user_factors = _solve(by_user, item_factors, regularization, weight)
        item_factors = _solve(by_item, user_factors, regularization, weight)
    return user_factors, item_factors


def _solve(events: sp.csr_array, other: DoubleArray, regularization: float, weight: float) -> DoubleArray:
    """Solve one side given the other, eq. 4: (Y'Y + Y'(C - I)Y + reg I) x = Y'C p, in blocks of rows."""
    factors = other.shape[1]
    shared = other.T @ other + regularization * np.eye(factors)
    outer = (other[:, :, None] * other[:, None, :]).reshape(other.shape[0], -1)
    solved = np.zeros((events.shape[0], factors))
    for start in range(0, events.shape[0], _BLOCK):
        rows = events[start : start + _BLOCK]
        grams = shared + weight * np.asarray(rows @ outer).reshape(-1, factors, factors)
        positive = rows.copy()
        positive.data = 1.0 + weight * rows.data
        signal = np.asarray(positive @ other)
        solved[start : start + _BLOCK] = np.linalg.solve(grams, signal[:, :, None])[:, :, 0]
    return solved


def correspondence_axes(
    user_index: IntArray,
    item_index: IntArray,
    *,
    n_users: int,
    n_items: int,
    axes: int = 16,
    smoothing: float = 5.0,
    iterations: int = 8,
    weighted: bool = False,
    seed: int,
) -> DoubleArray:
    """Return item coordinates whose dot product is a smoothed lift of two items' co-consumption.

    The leading right singular vectors of (d_u + s)^-1/2 R (d_i + s)^-1/2, divided by (d_i + s)^1/2: correspondence
    analysis (Benzécri 1973) with smoothed margins. Unlike least squares on R, popular items do not dominate. The
    vectors come from ``leading_vectors``.

    Args:
        user_index: user of each event, shape [N].
        item_index: item of each event, shape [N].
        n_users: number of users.
        n_items: number of items.
        axes: most dimensions; fewer users or items give fewer.
        smoothing: events added to each margin.
        iterations: rounds of the subspace iteration.
        weighted: multiply each axis by the root of its singular value: axes that are little more than chance say little.
        seed: seed of the starting subspace.

    Returns:
        Coordinates, shape [n_items, min(axes, n_users, n_items)].
    """
    ones = np.ones(np.asarray(user_index).size)
    events = sp.csr_array((ones, (user_index, item_index)), shape=(n_users, n_items))
    user_margin = 1.0 / np.sqrt(np.asarray(events.sum(axis=1)) + smoothing)
    item_margin = 1.0 / np.sqrt(np.asarray(events.sum(axis=0)) + smoothing)
    scaled = (sp.diags_array(user_margin) @ events @ sp.diags_array(item_margin)).tocsr()
    _, strength, vectors = leading_vectors(scaled, axes, seed=seed, iterations=iterations)
    vectors = vectors * (np.sqrt(strength) if weighted else 1.0)
    return np.asarray(vectors * item_margin[:, None], dtype=np.float64)


def leading_vectors(
    matrix: sp.csr_array, rank: int, *, seed: int, iterations: int = 8
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Return the leading singular vectors and values of a sparse matrix.

    A randomised subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4) on eight more dimensions than asked for.

    Args:
        matrix: shape [rows, columns].
        rank: most vectors; a smaller matrix has fewer.
        seed: seed of the starting subspace.
        iterations: rounds.

    Returns:
        Left vectors, shape [rows, k], singular values, descending, shape [k], and right vectors, shape [columns, k].
    """
    rows, columns = matrix.shape
    wide = min(rank + 8, rows, columns)
    basis = np.random.default_rng(seed).normal(size=(columns, wide))
    for _ in range(iterations):
        basis = np.linalg.qr(matrix.T @ np.linalg.qr(matrix @ basis)[0])[0]
    outer, strength, inner = np.linalg.svd(matrix @ basis, full_matrices=False)
    return outer[:, :rank], strength[:rank], basis @ inner[:rank].T
