"""Effects, paired differences, lift and the bootstrap, on data whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recsim_llm.core import keyed
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics import (
    bootstrap,
    bootstrap_means,
    bootstrap_ratio_difference,
    bootstrap_ratio_differences,
    clustered_ratio_difference,
    mean_effect,
    mean_estimate,
    paired_effect,
    relative_lift,
)

ONE = np.array([3.0, 5.0, 4.0, 6.0, 5.0, 0.0, 2.0])
OTHER = np.array([1.0, 2.0, 3.0, 2.0, 3.0, 1.0, 0.0])
outcomes = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=30)


def samples(seed=1, users=200):
    random = np.random.default_rng(seed)
    rates = random.lognormal(1.0, 0.5, users)
    return random.poisson([1.2 * rates, rates]).astype(float)


def test_paired_effect_is_the_paired_t_test():
    effect = paired_effect(ONE, OTHER).effect
    expected = stats.ttest_rel(ONE, OTHER)
    interval = expected.confidence_interval(0.95)
    assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert effect.degrees == 6
    assert effect.users == 7


def test_variance_ratio_is_that_of_separate_samples_over_the_paired_one_and_lies_in_its_interval():
    one, other = samples()
    paired = paired_effect(one, other)
    ratio = paired.variance_ratio
    separate = one.var(ddof=1) + other.var(ddof=1)
    assert ratio.value == pytest.approx(separate / (one - other).var(ddof=1), rel=1e-12)
    assert ratio.low < ratio.value < ratio.high
    assert paired.users_saved.value == pytest.approx(1.0 - 1.0 / ratio.value)
    assert paired.users_saved.low == pytest.approx(1.0 - 1.0 / ratio.low)


def test_the_interval_of_the_variance_ratio_holds_the_true_one():
    random = np.random.default_rng(2)
    shared, own = random.exponential(1.0, (500, 400)), random.exponential(0.5, (2, 500, 400))
    # Each outcome has variance 1 + 0.25, the difference 0.5.
    found = [paired_effect(a, b).variance_ratio for a, b in zip(shared + own[0], shared + own[1], strict=True)]
    missed = sum(ratio.excludes(2.5 / 0.5) for ratio in found)
    assert missed <= stats.binom.ppf(0.9995, 500, 0.08)


@given(outcomes, st.floats(0.1, 10.0))
def test_paired_effect_follows_units_and_swaps(pairs, unit):
    one, other = np.array(pairs, dtype=float).T
    effect, swapped = paired_effect(one * unit, other * unit).effect, paired_effect(other, one).effect
    assert effect.value == pytest.approx(-swapped.value * unit, abs=1e-9)
    assert (effect.low is None) == (swapped.low is None)
    if swapped.low is not None:
        assert effect.low == pytest.approx(-swapped.high * unit, abs=1e-9)
        assert effect.p_value == pytest.approx(swapped.p_value, abs=1e-9)


@given(outcomes)
def test_an_effect_excludes_0_exactly_if_its_p_value_is_below_alpha(pairs):
    effect = paired_effect(*np.array(pairs, dtype=float).T).effect
    assert effect.excludes(0.0) == (effect.p_value is not None and effect.p_value < 0.05)


@pytest.mark.parametrize(("one", "other", "value"), [([], [], None), ([2.0], [1.0], 1.0), ([2.1, 3.1], [1.0, 2.0], 1.1)])
def test_no_interval_where_the_data_carry_none(one, other, value):
    paired = paired_effect(one, other)
    assert paired.effect.value == (value if value is None else pytest.approx(value))
    assert (paired.effect.low, paired.effect.high, paired.effect.p_value) == (None, None, None)
    assert (paired.variance_ratio.value, paired.users_saved.value) == (None, None)
    assert paired.effect.at(0.5).low is None


def test_identical_arms_are_told():
    assert paired_effect(ONE, ONE).identical
    assert not paired_effect(ONE, OTHER).identical


def test_an_effect_at_another_confidence_is_the_one_computed_there():
    assert paired_effect(ONE, OTHER).effect.at(0.9) == paired_effect(ONE, OTHER, confidence=0.9).effect


def test_a_bootstrap_interval_cannot_be_widened():
    (effect,) = bootstrap_means([ONE], seed=1)
    with pytest.raises(ConfigError, match="expected one by Student's t"):
        effect.at(0.9)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ([1.0, 2.0], [1.0], "2 and 1 users, expected the same users in each; align them"),
        ([1.0, np.nan], [1.0, 2.0], "nan at 1, expected finite numbers; leave such rows out"),
        ([[1.0]], [[1.0]], r"expected \[users\]"),
    ],
)
def test_outcomes_that_cannot_be_used_are_refused(one, other, words):
    with pytest.raises(DataError, match=words):
        paired_effect(one, other)


def test_fieller_holds_the_ratios_that_the_t_test_does_not_reject():
    one, other = samples()
    lift = relative_lift(one, other)
    assert lift.value == pytest.approx(one.sum() / other.sum() - 1.0)
    for end in (lift.low, lift.high):
        assert mean_effect(one - (1.0 + end) * other).p_value == pytest.approx(0.05, abs=1e-9)


def test_fieller_and_delta_agree_with_many_users():
    one, other = samples(users=20_000)
    fieller, delta = relative_lift(one, other), relative_lift(one, other, method="delta")
    assert (fieller.low, fieller.high) == pytest.approx((delta.low, delta.high), abs=1e-4)


def test_no_lift_interval_over_an_arm_that_may_have_nothing():
    one, other = np.array([1.0, 2.0, 0.0, 3.0]), np.array([0.0, 0.0, 0.0, 1.0])
    lift = relative_lift(one, other)
    assert (lift.value, lift.low, lift.high, lift.unbounded) == (pytest.approx(5.0), None, None, True)
    assert relative_lift(one, other * 0.0).value is None


def test_a_lift_beside_a_difference_holds_no_lift_exactly_where_the_difference_holds_zero():
    random = np.random.default_rng(5)
    seen = set()
    for _ in range(200):
        taste = random.gamma(2.0, 1.0, 30)
        one, other = random.poisson(taste * 1.3), random.poisson(taste)
        difference = paired_effect(one, other).effect.at(0.99)
        lift = relative_lift(one, other, difference=difference)
        seen.add(lift.excludes(0.0))
        assert lift.excludes(0.0) == difference.excludes(0.0)
        edge = (1.0 + lift.low) * other
        assert mean_effect(one - edge).p_value == pytest.approx(0.01, abs=1e-9)
    assert seen == {True, False}


def test_an_interval_is_cut_to_what_is_possible_and_holds_its_value():
    found = mean_effect(np.array([0.0, 1.0, 5.0])).within(-3.0, 3.0)
    assert (found.low, found.high) == (-3.0, 3.0)
    beyond = mean_estimate(np.array([4.9, 5.1, 5.2]), bounds=(0.0, 5.0))
    assert beyond.low < beyond.value == beyond.high


def test_a_lift_beside_a_difference_without_an_interval_has_none():
    one = np.array([2.0, 3.0, 4.0])
    lift = relative_lift(one, one - 1.0, difference=paired_effect(one, one - 1.0).effect)
    assert (lift.value, lift.low, lift.unbounded) == (pytest.approx(0.5), None, False)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_the_bootstrap_is_near_scipys(method):
    difference = np.subtract(*samples())
    (effect,) = bootstrap_means([difference], seed=3, method=method)
    name = {"bca": "BCa", "percentile": "percentile"}[method]
    other = stats.bootstrap((difference,), np.mean, n_resamples=9999, method=name, rng=np.random.default_rng(1))
    interval = other.confidence_interval
    tolerance = 0.05 * (interval.high - interval.low)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high), abs=tolerance)
    assert effect.standard_error == pytest.approx(other.standard_error, rel=0.05)


def test_bca_leans_towards_the_long_tail_as_far_as_scipys():
    skew = np.random.default_rng(4).lognormal(0.0, 1.2, 60)
    (bca,), (percentile,) = (
        bootstrap_means([skew], seed=3, method=method, resamples=20_000) for method in ("bca", "percentile")
    )
    expected = stats.bootstrap((skew,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    interval = expected.confidence_interval
    tolerance = 0.2 * (interval.high - percentile.high)
    assert tolerance > 0.0
    assert (bca.low, bca.high) == pytest.approx((interval.low, interval.high), abs=tolerance)


def test_bootstrap_draws_belong_to_the_seed():
    values = samples()
    first, again, other = (bootstrap_means(values, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert bootstrap_means(values[:1], seed=1) == first[:1]


def test_a_bootstrapped_difference_of_ratios_is_near_the_delta_methods():
    random = np.random.default_rng(5)
    pages = random.integers(1, 20, (2, 300)).astype(float)
    clicks = random.binomial(pages.astype(int), 0.3).astype(float)
    boot = bootstrap_ratio_difference(clicks, pages, seed=1)
    delta = clustered_ratio_difference(clicks, pages, correction="CR1")
    assert boot.value == pytest.approx(delta.value)
    assert boot.standard_error == pytest.approx(delta.standard_error, rel=0.05)


def test_many_differences_of_ratios_are_those_of_the_pairs_and_draw_users_once(monkeypatch):
    random = np.random.default_rng(5)
    pages = random.integers(1, 20, (4, 60)).astype(float)
    clicks = random.binomial(pages.astype(int), 0.3).astype(float)
    pairs = [(1, 0), (3, 2), (0, 3)]
    alone = [bootstrap_ratio_difference(clicks[[*pair]], pages[[*pair]], seed=1) for pair in pairs]
    draws = []
    monkeypatch.setattr(bootstrap, "uniform", lambda key: draws.append(1) or keyed.uniform(key))
    together = bootstrap_ratio_differences(clicks, pages, pairs, seed=1)
    assert len(draws) == 1
    for one, other in zip(alone, together, strict=True):
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), rel=1e-12)


def test_the_bootstrap_gives_no_interval_where_the_data_carry_none():
    alike, lone = bootstrap_means([[2.0, 2.0, 2.0]], seed=1)[0], bootstrap_means([[2.0]], seed=1)[0]
    assert (alike.value, alike.low, lone.low) == (2.0, None, None)
    assert bootstrap_means(np.empty((1, 0)), seed=1)[0].value is None
    assert bootstrap_ratio_difference([[1.0], [1.0]], [[1.0], [0.0]], seed=1).value is None


@pytest.mark.parametrize(
    ("settings", "words"), [({"method": "t"}, "'bca'"), ({"resamples": 10}, "100 or more"), ({"confidence": 95}, "below 1")]
)
def test_bootstrap_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        bootstrap_means([ONE], seed=1, **settings)


def test_the_bootstrap_asks_for_rows():
    with pytest.raises(DataError, match="wrap a single row"):
        bootstrap_means(ONE, seed=1)
    with pytest.raises(DataError, match=r"expected \[2, users\]"):
        bootstrap_ratio_difference([ONE], [OTHER], seed=1)
