"""Several comparisons at once: Holm and Benjamini-Hochberg."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics import adjust, judge_family, paired_effect

p_lists = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def family(seed=1, shifts=(0.0, 0.35, 1.0, 0.4), users=50):
    random = np.random.default_rng(seed)
    return [paired_effect(random.normal(shift, 1.0, users), np.zeros(users)).effect for shift in shifts]


def test_holm_by_hand():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 raised to the one before.
    found = adjust([0.01, 0.04, 0.03, 0.005])
    assert found.adjusted == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert found.rejected == (True, False, False, True)


def test_holm_stops_at_the_first_it_retains():
    assert adjust([0.001, 0.03, 0.04]).rejected == (True, False, False)


def test_bonferroni_by_hand():
    found = adjust([0.01, 0.04, None, 0.005], method="bonferroni")
    assert found.adjusted == pytest.approx((0.04, 0.16, None, 0.02))
    assert found.rejected == (True, False, False, True)


def test_no_p_values_are_adjusted_to_none():
    for method in ("holm", "bonferroni", "benjamini-hochberg"):
        assert adjust([], method=method).adjusted == ()


def test_benjamini_hochberg_by_the_table_of_the_paper():
    # Benjamini & Hochberg 1995, section 3.2: 15 p values, of which the procedure rejects 4 and Bonferroni 3.
    paper = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert sum(adjust(paper, method="benjamini-hochberg").rejected) == 4
    assert sum(p <= 0.05 / 15 for p in paper) == 3


@given(p_lists)
def test_benjamini_hochberg_is_scipys(p_values):
    assert adjust(p_values, method="benjamini-hochberg").adjusted == pytest.approx(tuple(false_discovery_control(p_values)))


@given(p_lists)
def test_holm_rejects_between_bonferroni_and_benjamini_hochberg(p_values):
    bonferroni = [p * len(p_values) <= 0.0499999 for p in p_values]
    holm, hochberg = adjust(p_values).rejected, adjust(p_values, method="benjamini-hochberg").rejected
    assert all(b <= h <= f for b, h, f in zip(bonferroni, holm, hochberg, strict=True))


@given(p_lists, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    adjusted = adjust(p_values).adjusted
    assert adjust([p_values[place] for place in order]).adjusted == pytest.approx(tuple(adjusted[place] for place in order))


def test_a_comparison_without_a_test_counts_and_is_not_rejected():
    found = adjust([0.02, None])
    assert found.adjusted == (0.04, None)
    assert found.rejected == (True, False)


@pytest.mark.parametrize("seed", range(20))
def test_an_interval_without_0_goes_with_a_rejection(seed):
    holm = judge_family(family(seed))
    assert holm.effects[0].confidence == pytest.approx(1.0 - 0.05 / 4)
    for effect, rejected in zip(holm.effects, holm.adjustment.rejected, strict=True):
        assert rejected or not effect.excludes(0.0)
    hochberg = judge_family(family(seed), method="benjamini-hochberg")
    assert tuple(effect.excludes(0.0) for effect in hochberg.effects) == hochberg.adjustment.rejected


def test_false_coverage_intervals_are_as_wide_as_the_share_rejected_asks():
    found = judge_family(family(1, (1.0, 1.0, 0.0, 0.0)), method="benjamini-hochberg")
    assert found.adjustment.rejected == (True, True, False, False)
    assert found.effects[0].confidence == pytest.approx(1.0 - 0.05 * 2 / 4)


def test_errors_of_a_family_stay_at_alpha():
    shifts = (0.0, 0.0, 0.0, 1.0)
    claims = missed = 0
    for seed in range(600):
        found = judge_family(family(seed, shifts, users=30))
        claims += any(found.adjustment.rejected[:3])
        missed += any(effect.excludes(shift) for effect, shift in zip(found.effects, shifts, strict=True))
    assert max(claims, missed) <= binom.ppf(0.9995, 600, 0.05)
    # Holm spends what the fourth, plainly not 0, does not need: 0.05 over the three nulls.
    assert claims >= binom.ppf(0.0005, 600, 0.05)


def test_nothing_to_adjust_is_nothing():
    assert adjust([]).adjusted == ()
    assert judge_family([]).effects == ()


def test_what_cannot_be_used_is_refused():
    with pytest.raises(DataError, match=r"got 1\.2"):
        adjust([1.2])
    with pytest.raises(ConfigError, match="'holm'"):
        adjust([0.1], method="sidak")
    with pytest.raises(ConfigError, match="alpha"):
        adjust([0.1], alpha=5)


@pytest.mark.parametrize("p_values", [0.1, None, "0.1"])
def test_p_values_that_are_no_list_are_refused(p_values):
    with pytest.raises(DataError, match="expected a list of them"):
        adjust(p_values)
