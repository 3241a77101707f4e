"""Ranking against held-out truth: cases by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsim_llm.metrics import hit_rate, ndcg, precision, recall, reciprocal_rank

MEASURES = [ndcg, recall, precision, reciprocal_rank, hit_rate]
LISTS = np.array([[True, False, True], [False, False, False], [False, True, False], [False, False, False]])
TOTAL = np.array([4, 2, 1, 0])
"""Two of four relevant items found, none of two, the only one at rank 2, and a user with nothing relevant."""


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (ndcg, [(1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2), 0, 1 / np.log2(3), np.nan]),
        (recall, [2 / 4, 0, 1, np.nan]),
        (precision, [2 / 3, 0, 1 / 3, np.nan]),
        (reciprocal_rank, [1, 0, 1 / 2, np.nan]),
        (hit_rate, [1, 0, 1, np.nan]),
    ],
)
def test_lists_are_worth_what_they_are_worth_by_hand(measure, expected):
    assert measure(LISTS, TOTAL) == pytest.approx(expected, nan_ok=True)


@st.composite
def lists(draw):
    relevant = draw(arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 8))))
    more = draw(arrays(np.int64, len(relevant), elements=st.integers(0, 5)))
    return relevant, relevant.sum(axis=1) + more


@pytest.mark.parametrize("measure", MEASURES)
@given(drawn=lists())
def test_values_lie_within_0_and_1_and_are_undefined_only_without_truth(measure, drawn):
    relevant, total = drawn
    values = measure(relevant, total)
    assert np.array_equal(np.isnan(values), total == 0)
    assert ((values[total > 0] >= 0) & (values[total > 0] <= 1 + 1e-12)).all()


@pytest.mark.parametrize("measure", MEASURES)
@given(drawn=lists(), order=st.randoms(use_true_random=False))
def test_the_order_of_users_does_not_matter(measure, drawn, order):
    relevant, total = drawn
    rows = order.sample(range(len(total)), len(total))
    assert np.array_equal(measure(relevant[rows], total[rows]), measure(relevant, total)[rows], equal_nan=True)


@pytest.mark.parametrize("measure", [recall, precision, hit_rate])
@given(drawn=lists())
def test_what_counts_hits_does_not_see_their_order(measure, drawn):
    relevant, total = drawn
    assert np.array_equal(measure(relevant[:, ::-1], total), measure(relevant, total), equal_nan=True)


@given(drawn=lists())
def test_relevant_items_in_front_are_best_and_reach_1_where_all_are_found(drawn):
    relevant, _ = drawn
    total = relevant.sum(axis=1)
    front = np.sort(relevant, axis=1)[:, ::-1]
    known = total > 0
    assert ndcg(front, total)[known] == pytest.approx(1.0)
    assert (ndcg(relevant, total)[known] <= 1 + 1e-12).all()


@pytest.fixture(scope="module")
def their_ndcg():
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed").ndcg_score


@given(drawn=lists())
def test_ndcg_agrees_with_scikit_learn(their_ndcg, drawn):
    relevant, _ = drawn
    total = relevant.sum(axis=1)
    if relevant.shape[1] < 2 or not total.all():
        return
    ranks = np.arange(relevant.shape[1], 0, -1.0) * np.ones(relevant.shape)
    assert ndcg(relevant, total).mean() == pytest.approx(their_ndcg(relevant.astype(float), ranks))


@pytest.mark.parametrize("measure", MEASURES)
def test_lists_without_a_place_are_worth_nothing_known(measure):
    assert np.isnan(measure(np.zeros((2, 0), np.bool_), np.array([0, 0]))).all()
