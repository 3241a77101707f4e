"""Filter bubbles, groups of users, funnel and position: cases by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsim_llm.metrics import (
    entropy,
    group_gap,
    overlap_by_user,
    position_exponent,
    terciles,
    trend,
)

SETS = arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 9)))


def test_entropy_by_hand():
    assert entropy([[1, 1, 0], [4, 0, 0], [1, 1, 2], [0, 0, 0]]) == pytest.approx([1, 0, 1.5, np.nan], nan_ok=True)


@given(arrays(np.float64, (3, 6), elements=st.integers(0, 9).map(float)), st.permutations(range(6)))
def test_entropy_is_bounded_by_the_number_of_genres_and_blind_to_their_order(weights, order):
    bits = entropy(weights)
    known = bits[~np.isnan(bits)]
    assert ((known >= 0) & (known <= np.log2(6) + 1e-12)).all()
    assert entropy(weights[:, order]) == pytest.approx(bits, nan_ok=True)
    assert entropy(weights * 7) == pytest.approx(bits, nan_ok=True)


def test_a_trend_is_the_slope_of_the_least_squares_line():
    values = np.array([[1.0, 3, 5], [2, 2, 2], [0, 3, 0], [1, np.nan, 2]])
    assert trend(values) == pytest.approx([2, 0, 0, np.nan], nan_ok=True)
    wild = np.array([0.3, 2.0, -1.0, 5.0])
    assert trend(wild[None]) == pytest.approx([np.polyfit(range(4), wild, 1)[0]])


def test_overlap_by_hand():
    # {a, b}, {b, c}, {a, b, c}, nothing: Jaccard 1/3, 2/3, 2/3.
    sets = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]], np.bool_)
    assert overlap_by_user(sets) == pytest.approx([1 / 2, 1 / 2, 2 / 3, np.nan], nan_ok=True)


@given(SETS, st.randoms(use_true_random=False))
def test_overlap_is_that_of_python_sets_and_follows_its_users(sets, order):
    chosen = [set(np.flatnonzero(row)) for row in sets]
    expected = []
    for user, own in enumerate(chosen):
        others = [other for place, other in enumerate(chosen) if place != user and other]
        expected.append(np.mean([len(own & o) / len(own | o) for o in others]) if own and others else np.nan)
    assert overlap_by_user(sets) == pytest.approx(expected, nan_ok=True)
    rows = order.sample(range(len(sets)), len(sets))
    assert overlap_by_user(sets[rows]) == pytest.approx(np.array(expected)[rows], nan_ok=True)


def test_terciles_cut_in_three_and_keep_equals_together():
    assert terciles([5, 1, 3, 2, 6, 4]).tolist() == ["high", "low", "middle", "low", "high", "middle"]
    assert terciles([1, 1, 1, 2]).tolist() == ["middle", "middle", "middle", "high"]
    assert terciles([2, 2]).tolist() == [None, None]


@given(arrays(np.float64, st.integers(1, 20), elements=st.integers(0, 6).map(float)))
def test_terciles_rise_with_the_value(values):
    rank = {"low": 0, "middle": 1, "high": 2, None: 3}
    labels = [rank[label] for label in terciles(values)]
    ordered = [labels[place] for place in np.argsort(values, kind="stable")]
    assert ordered == sorted(ordered)


def test_the_gap_is_that_of_the_extreme_groups_with_welchs_interval():
    one, other, third = np.array([1.0, 2, 3, 4]), np.array([8.0, 10, 12]), np.array([5.0, 5.5, 6])
    values = np.concatenate([one, other, third, [99, np.nan]])
    groups = np.array(["a"] * 4 + ["b"] * 3 + ["c"] * 3 + [None, "a"], object)
    gap = group_gap(values, groups, least_users=3)
    # Three pairs, so each interval is at 1 - .05 / 3.
    welch = stats.ttest_ind(other, one, equal_var=False).confidence_interval(1 - 0.05 / 3)
    assert gap.gap.value == pytest.approx(7.5)
    assert (gap.gap.low, gap.gap.high) == pytest.approx((welch.low, welch.high))
    assert (gap.highest, gap.lowest, gap.left_out) == ("b", "a", 1)
    assert {name: mean.value for name, mean in gap.means.items()} == pytest.approx({"a": 2.5, "b": 10, "c": 5.5})


def test_small_groups_are_left_out_and_counted():
    values, groups = np.arange(25.0), np.array(["big"] * 12 + ["other"] * 10 + ["tiny"] * 3, object)
    gap = group_gap(values, groups)
    assert set(gap.means) == {"big", "other"}
    assert gap.left_out == 3
    alone = group_gap(values[:12], groups[:12])
    assert alone.gap.value is None
    assert alone.lowest is None


def test_equal_groups_are_told_apart_no_more_often_than_stated():
    random = np.random.default_rng(5)
    groups = np.repeat(np.array(["a", "b", "c", "d"], object), 15)
    found = sum(group_gap(random.normal(size=60), groups).gap.excludes(0.0) for _ in range(400))
    # Bonferroni holds 5% over all pairs together; 400 runs with 5% give more than 33 once in a thousand times.
    assert found <= 33


def test_rates_that_fall_as_a_power_of_position_give_its_exponent():
    chances = np.array([[400.0, 200, 100, 50], [100, 100, 100, 100]])
    for exponent in (0.0, 0.7, 1.0, -0.5):
        events = chances * 0.2 * np.arange(1.0, 5) ** -exponent
        assert position_exponent(events, chances).value == pytest.approx(exponent, abs=1e-9)


def test_the_exponent_and_its_interval_are_those_of_a_clustered_poisson_regression():
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    random = np.random.default_rng(2)
    chances = random.integers(0, 30, (40, 6)).astype(float)
    rate = 0.5 * np.arange(1.0, 7) ** -0.8 * random.gamma(2, 0.5, (40, 1)).clip(0, 2)
    events = random.binomial(chances.astype(int), np.minimum(rate, 1)).astype(float)
    found = position_exponent(events, chances)
    user, place = np.nonzero(chances)
    design = models.add_constant(np.log(place + 1.0))
    model = models.GLM(events[user, place], design, family=models.families.Poisson(), exposure=chances[user, place])
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": user, "use_correction": False})
    assert found.value == pytest.approx(-fit.params[1], abs=1e-6)
    users = len(np.unique(user))
    reach = stats.t.ppf(0.975, users - 1) * fit.bse[1] * np.sqrt(users / (users - 1))
    assert found.high - found.low == pytest.approx(2 * reach, rel=1e-5)


def test_an_exponent_needs_events_at_two_positions():
    assert position_exponent(np.array([[3.0, 0, 0]]), np.array([[9.0, 9, 9]])).value is None
    assert position_exponent(np.zeros((2, 3)), np.zeros((2, 3))).value is None
    assert position_exponent(np.array([[3.0, 1, 0]]), np.array([[9.0, 9, 9]])).value > 0


@given(st.integers(1, 9), st.permutations(range(4)))
def test_the_exponent_does_not_depend_on_scale_or_order_of_users(times, order):
    chances = np.array([[9.0, 8, 7], [5, 5, 5], [2, 0, 1], [6, 6, 0]])
    events = np.array([[3.0, 1, 1], [2, 2, 0], [1, 0, 0], [2, 3, 0]])
    base = position_exponent(events, chances)
    other = position_exponent(events[order] * times, chances[order] * times)
    assert other.value == pytest.approx(base.value)
    assert (other.low, other.high) == pytest.approx((base.low, base.high))
