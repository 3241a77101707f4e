"""Factorizations against dense solutions."""

from __future__ import annotations

import numpy as np

from recsim_llm.numerics.factorization import correspondence_axes, implicit_als


def test_implicit_als_solves_the_normal_equations():
    user, item = np.nonzero(np.random.default_rng(1).random((7, 9)) < 0.5)
    left, right = implicit_als(
        user, item, n_users=7, n_items=9, factors=3, regularization=0.5, weight=4.0, iterations=3, seed=0
    )
    liked = np.zeros((7, 9))
    liked[user, item] = 1.0
    for row in range(9):
        weight = 1.0 + 4.0 * liked[:, row]
        gram = left.T @ (weight[:, None] * left) + 0.5 * np.eye(3)
        np.testing.assert_allclose(gram @ right[row], left.T @ (weight * liked[:, row]), atol=1e-8)


def test_correspondence_axes_match_a_dense_decomposition():
    user, item = np.nonzero(np.random.default_rng(1).random((12, 9)) < 0.5)
    liked = np.zeros((12, 9))
    liked[user, item] = 1.0
    rows, columns = liked.sum(axis=1) + 5.0, liked.sum(axis=0) + 5.0
    _, _, inner = np.linalg.svd(liked / np.sqrt(rows[:, None] * columns))
    axes = correspondence_axes(user, item, n_users=12, n_items=9, axes=3, seed=0)
    expected = (inner[:3].T @ inner[:3]) / np.sqrt(columns[:, None] * columns)
    np.testing.assert_allclose(axes @ axes.T, expected, atol=1e-6)
