"""Exact top-k, and repeats on a page."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from recsim_llm.numerics.ranking import ProductRanking, mean_ranks, repeated_slots, top_k


def reference(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@settings(max_examples=300)
@given(
    users=st.integers(1, 4),
    items=st.integers(1, 1500),
    values=st.sampled_from([1, 2, 5, 40, 10**6]),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
    kind=st.sampled_from([np.float32, np.float64]),
)
@example(users=3, items=1000, values=1, share=0.01, seed=0, kind=np.float32)
@example(users=3, items=1000, values=2, share=0.02, seed=0, kind=np.float32)
@example(users=1, items=1, values=1, share=1.0, seed=0, kind=np.float32)
def test_top_k_is_the_start_of_a_stable_sort(users, items, values, share, seed, kind):
    # Few values make ties; small shares of many items take the path over groups.
    k = max(1, int(share * items)) if seed % 2 else max(1, min(items, int(share * 8)))
    scores = np.random.default_rng(seed).integers(0, values, (users, items)).astype(kind)
    np.testing.assert_array_equal(top_k(scores, k), reference(scores, k))


@given(
    scores=arrays(np.float32, (2, 200), elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-40, 1.0, np.inf])),
    k=st.integers(1, 200),
)
def test_top_k_orders_infinities_and_zeros(scores, k):
    np.testing.assert_array_equal(top_k(scores, k), reference(scores, k))


def test_top_k_leaves_the_scores_alone():
    scores = np.random.default_rng(0).normal(size=(2, 1000))
    before = scores.copy()
    top_k(scores, 3)
    np.testing.assert_array_equal(scores, before)


@settings(max_examples=60)
@given(users=st.integers(1, 5), items=st.integers(1, 900), k=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_best_products_are_exact(users, items, k, seed):
    random = np.random.default_rng(seed)  # whole numbers: the products are exact, and many are equal
    points = random.integers(-2, 3, (users, 3)).astype(np.float32)
    vectors = random.integers(-2, 3, (items, 3)).astype(np.float32)
    k = min(k, items)
    np.testing.assert_array_equal(ProductRanking(vectors).best(points, k), reference(points @ vectors.T, k))


@settings(max_examples=150)
@given(
    users=st.integers(1, 5),
    items=st.integers(1, 900),
    k=st.integers(1, 6),
    share=st.sampled_from([0, 0.01, 0.5, 0.99, 1]),
    seed=st.integers(0, 2**32),
)
def test_barred_items_come_after_all_others(users, items, k, share, seed):
    random = np.random.default_rng(seed)
    points = random.integers(-2, 3, (users, 3)).astype(np.float32)
    vectors = random.integers(-2, 3, (items, 3)).astype(np.float32)
    barred, k = random.random((users, items)) < share, min(k, items)
    bits = np.packbits(np.pad(barred, ((0, 0), (0, 20)), constant_values=True), axis=1, bitorder="little")
    expected = [np.lexsort((-(vectors @ point), no))[:k] for point, no in zip(points, barred, strict=True)]
    np.testing.assert_array_equal(ProductRanking(vectors).best(points, k, bits), expected)


@settings(max_examples=40)
@given(size=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_best_products_do_not_depend_on_the_number_of_users(size, seed):
    random = np.random.default_rng(seed)
    # Sums of the same numbers in another order: equal but for rounding, so that every rounding shows.
    base = random.normal(size=11).astype(np.float32)
    vectors = np.array([random.permutation(base) for _ in range(400)])
    points = (np.ones((30, 11)) * random.normal(size=(30, 1))).astype(np.float32)
    ranking = ProductRanking(vectors)
    np.testing.assert_array_equal(ranking.best(points[:size], 5), ranking.best(points, 5)[:size])


def test_equal_products_stand_by_position_even_when_they_round_differently():
    random = np.random.default_rng(0)
    base = random.integers(2**12, 2**13, 70).astype(np.float32)
    points = np.full((3, 70), 2**12 + 1, np.float32)  # exact in float64, not in float32
    for items in (9, 400):
        vectors = np.array([random.permutation(base) for _ in range(items)])
        assert len(np.unique(points @ vectors.T)) > 1
        np.testing.assert_array_equal(ProductRanking(vectors).best(points, 5), np.tile(np.arange(5), (3, 1)))


def test_best_products_in_chunks_are_those_of_all_users_at_once(monkeypatch):
    random = np.random.default_rng(0)
    ranking = ProductRanking(random.normal(size=(50, 3)).astype(np.float32))
    points = random.normal(size=(7, 3)).astype(np.float32)
    whole = ranking.best(points, 5)
    monkeypatch.setattr("recsim_llm.numerics.ranking._CHUNK", 100)
    np.testing.assert_array_equal(ranking.best(points, 5), whole)


@given(arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-1, 6)))
def test_repeated_slots_are_those_whose_item_stands_before_them(item_index):
    expected = np.array([[item >= 0 and item in row[:slot] for slot, item in enumerate(row)] for row in item_index.tolist()])
    repeated = repeated_slots(item_index)
    if expected.any():
        np.testing.assert_array_equal(repeated, expected)
    else:
        assert repeated is None
    # So many slots that they are sorted: the same answer, and none for the empty ones.
    wide = repeated_slots(np.pad(item_index, ((0, 0), (0, 64)), constant_values=-1))
    if expected.any():
        np.testing.assert_array_equal(wide, np.pad(expected, ((0, 0), (0, 64))))
    else:
        assert wide is None


@given(arrays(np.float64, st.integers(0, 30), elements=st.integers(-4, 4).map(lambda number: number / 2)))
def test_ranks_are_those_of_scipy(values):
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values))
