"""Factorizations against dense solutions."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("weighted", [False, True])
def test_correspondence_axes_match_a_dense_decomposition(weighted):
    user, item = np.nonzero(np.random.default_rng(1).random((12, 9)) < 0.5)
    liked = np.zeros((12, 9))
    liked[user, item] = 1.0
    rows, columns = liked.sum(axis=1) + 5.0, liked.sum(axis=0) + 5.0
    _, strength, inner = np.linalg.svd(liked / np.sqrt(rows[:, None] * columns))
    axes = correspondence_axes(user, item, n_users=12, n_items=9, axes=3, weighted=weighted, seed=0)
    weight = strength[:3, None] if weighted else 1.0
    expected = (inner[:3].T @ (weight * inner[:3])) / np.sqrt(columns[:, None] * columns)
    np.testing.assert_allclose(axes @ axes.T, expected, atol=1e-6)
