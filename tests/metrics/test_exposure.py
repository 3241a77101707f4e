"""Coverage, Gini, the long tail, popularity lift, exposure against merit: cases by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsim_llm.metrics import (
    catalog_coverage,
    exposure_by_group,
    exposure_merit_gap,
    gini,
    long_tail,
    popularity_lift,
    worst_exposure_ratio,
)
from recsim_llm.metrics.bubbles import top_share
from recsim_llm.metrics.exposure import head_exposure

COUNTS = arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 50))
GROUPS = arrays(np.float64, 5, elements=st.integers(0, 50).map(float))


def test_coverage_is_the_share_of_items_shown():
    assert catalog_coverage([0, 3, 1, 0]) == 0.5
    assert catalog_coverage([]) is None


def test_gini_of_equal_of_unequal_and_of_no_exposures():
    assert gini([2, 2, 2]) == pytest.approx(0)
    # Mean absolute difference over twice the mean: pairs of 0, 0, 4 differ by 16 in sum over 9 pairs, mean 4/3.
    assert gini([4, 0, 0]) == pytest.approx(16 / 9 / (2 * 4 / 3))
    assert gini([0, 0]) is None


@given(COUNTS, st.randoms(use_true_random=False))
def test_gini_agrees_with_the_mean_difference_and_does_not_see_the_order(counts, order):
    value = gini(counts)
    if not counts.any():
        assert value is None
        return
    difference = np.abs(counts[:, None] - counts).mean()
    assert value == pytest.approx(difference / (2 * counts.mean()), abs=1e-12)
    assert gini(np.array(order.sample(counts.tolist(), len(counts)))) == pytest.approx(value, abs=1e-12)


def test_the_tail_begins_where_the_head_holds_its_share():
    # In order 60, 20, 15, 5: the first two hold 80 of 100.
    assert long_tail([5, 60, 15, 20]).tolist() == [True, False, True, False]
    assert long_tail([5, 60, 15, 20], 0.81).tolist() == [True, False, False, False]
    assert long_tail([0, 0]).tolist() == [True, True]


@given(COUNTS)
def test_the_head_is_the_smallest_set_that_holds_its_share(popularity):
    head = ~long_tail(popularity)
    if not popularity.any():
        return
    held = popularity[head]
    assert held.sum() >= 0.8 * popularity.sum()
    assert held.sum() - held.min() < 0.8 * popularity.sum()
    assert held.min() >= popularity[~head].max(initial=0)


def test_popularity_lift_is_the_excess_over_the_history():
    lift = popularity_lift(np.array([30.0, 50, np.nan, 9]), np.array([20.0, 20, 5, np.nan]))
    assert lift.value == pytest.approx(80 / 40 - 1)
    assert lift.users == 2
    assert lift.low < lift.value < lift.high
    assert popularity_lift(np.array([np.nan]), np.array([1.0])).value is None


def test_a_list_like_the_history_has_no_lift():
    assert popularity_lift(np.array([3.0, 4]), np.array([3.0, 4])).value == pytest.approx(0)


def test_exposure_is_shared_by_weight():
    item, group = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    assert exposure_by_group([10, 4, 1], item, group, np.array([0.5, 0.5, 1, 1])).tolist() == [6, 9]


def test_exposure_against_merit_by_hand():
    exposure, merit = np.array([60.0, 30, 10]), np.array([2.0, 2, 4])
    # Shares .6 .3 .1 against .25 .25 .5.
    assert exposure_merit_gap(exposure, merit) == pytest.approx((0.35 + 0.05 + 0.4) / 2)
    assert worst_exposure_ratio(exposure, merit) == (pytest.approx(0.1 / 0.5), 2)


def test_a_group_of_hardly_any_merit_is_not_called_the_worst():
    exposure, merit = np.array([99.0, 0, 1]), np.array([900.0, 1, 99])
    assert worst_exposure_ratio(exposure, merit)[1] == 2
    assert worst_exposure_ratio(exposure, merit, least_merit=0)[1] == 1


@given(GROUPS, GROUPS, st.permutations(range(5)))
def test_exposure_gap_is_a_share_and_zero_only_in_proportion(exposure, merit, order):
    gap = exposure_merit_gap(exposure, merit)
    if not exposure.any() or not merit.any():
        assert gap is None
        assert worst_exposure_ratio(exposure, merit) is None
        return
    assert 0 <= gap <= 1 + 1e-12
    assert exposure_merit_gap(exposure[order], merit[order]) == pytest.approx(gap, abs=1e-12)
    assert exposure_merit_gap(3 * merit, merit) == pytest.approx(0, abs=1e-12)
    assert worst_exposure_ratio(exposure, merit, 0)[0] <= 1 + 1e-12


def test_the_exposure_of_the_most_shown_tenth_is_counted_by_hand():
    assert head_exposure([0, 5, 1, 0, 0, 0, 0, 2, 1, 1]) == pytest.approx(0.5)
    assert head_exposure([1] * 20) == pytest.approx(0.1)
    assert head_exposure([3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]) == pytest.approx(4 / 13)  # a tenth of eleven items counts as two
    assert head_exposure([0, 0]) is None


def test_the_largest_share_is_one_for_a_single_genre_and_unknown_without_any():
    np.testing.assert_allclose(top_share([[2.0, 0.0], [1.0, 3.0], [0.0, 0.0]]), [1.0, 0.75, np.nan])
