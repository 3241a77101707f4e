"""Shares by user: Wilson's interval, also where all trials end alike, as wide as users whose trials go together want."""

import numpy as np
import pytest

from recsim_llm.errors import DataError
from recsim_llm.statistics import ratio_estimate, share_estimate


@pytest.mark.parametrize("likely", [0.02, 0.3, 0.97])
@pytest.mark.parametrize("alike", [0.0, 0.8])
def test_nineteen_of_twenty_intervals_hold_the_share(likely, alike):
    random, held = np.random.default_rng(1), 0
    for _ in range(1000):
        trials = random.integers(1, 6, 40)
        own = random.binomial(1, likely, 40)  # a user's trials end alike with this chance, else each for itself
        yes = np.where(random.random(40) < alike, own * trials, random.binomial(trials, likely))
        found = share_estimate(yes.astype(float), trials.astype(float))
        held += found.low <= likely <= found.high
    assert held >= 935


def test_an_interval_is_given_where_all_end_alike_and_counts_users_not_trials():
    none, many = share_estimate(np.zeros(10)), share_estimate(np.full(10, 7.0), np.full(10, 7.0))
    assert (none.value, none.low, none.users) == (0.0, 0.0, 10)
    assert none.high == pytest.approx(0.338, abs=0.001)  # of 10 trials with Student's quantile 2.262
    assert (many.value, many.high) == (1.0, 1.0)
    assert many.low == pytest.approx(1 - none.high)


def test_one_trial_each_is_wilsons_interval():
    found = share_estimate(np.array([1.0] * 30 + [0.0] * 70))
    number, quantile = 99, 1.9842  # one user less, by the delta method; Student's on 99 degrees of freedom
    ends = np.roots([1 + quantile**2 / number, -(0.6 + quantile**2 / number), 0.09])
    assert [found.low, found.high] == pytest.approx(sorted(ends), abs=1e-4)
    plain = ratio_estimate(np.array([1.0] * 30 + [0.0] * 70), np.ones(100))
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=0.05)


def test_users_without_a_trial_do_not_count_and_one_user_carries_no_interval():
    assert share_estimate(np.zeros(3), np.zeros(3)).value is None
    assert share_estimate(np.zeros(0)).users == 0
    one = share_estimate(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    assert (one.value, one.low, one.high, one.users) == (0.5, 0.0, 1.0, 1)


def test_more_yes_than_trials_are_refused():
    with pytest.raises(DataError, match="yes: got 3 of 2 trials at 0, expected 0 to as many as trials"):
        share_estimate(np.array([3.0, 1.0]), np.array([2.0, 2.0]))
