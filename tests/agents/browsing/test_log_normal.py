"""Times as mixtures: planted ones are found with their intervals, dice give them back, odd times neither crash nor mislead."""

from __future__ import annotations

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.agents.browsing.log_normal import QUARTILES, draw_log_normal, fit_log_normal
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.errors import DataError
from recsim_llm.log import open_exposures

PLANTED = ((0.4, 1.0, 0.5), (0.6, 4.0, 1.0))


def times(count, parts=PLANTED, seed=1):
    return draw_log_normal(parts, np.random.default_rng(seed).random(count))


def fit(seconds, users=None):
    return fit_log_normal(seconds, np.arange(len(seconds)) if users is None else users, what="times", seed=1)


def quantiles(parts):
    return np.quantile(draw_log_normal(parts, (np.arange(20_000) + 0.5) / 20_000), QUARTILES)


def test_a_planted_mixture_comes_back_within_its_intervals():
    told = fit(times(8000))
    np.testing.assert_allclose(told.parts, PLANTED, atol=0.1)
    inside = (np.array(told.low) < PLANTED) & (np.array(told.high) > PLANTED)
    assert inside.sum() >= 5
    assert (np.array(told.high) - told.low < 0.25).all()
    np.testing.assert_allclose(quantiles(told.parts), told.quartiles, rtol=0.05)


def test_one_distribution_is_not_taken_for_two():
    told = fit(times(4000, ((1.0, 3.0, 1.0),)))
    assert len(told.parts) == 1
    np.testing.assert_allclose(told.parts[0], (1.0, 3.0, 1.0), atol=0.06)


def test_intervals_widen_where_users_differ_and_not_their_times():
    random = np.random.default_rng(2)
    alike = np.exp(3 + random.normal(size=3000))
    owner = np.repeat(np.arange(30), 100)
    apart = np.exp(3 + np.repeat(random.normal(size=30), 100))
    widths = [np.subtract(told.high, told.low)[0][1] for told in (fit(alike, owner), fit(apart, owner))]
    assert widths[1] > 3 * widths[0]


def test_one_user_has_no_interval():
    told = fit(times(200), np.zeros(200, int))
    assert told.low is told.high is None
    assert told.users == 1


def test_whole_seconds_and_zeros_are_told_too():
    told = fit(np.floor(times(5000)))
    assert np.isfinite(told.parts).all()
    np.testing.assert_allclose(quantiles(told.parts), told.quartiles, rtol=0.25, atol=1.0)


@pytest.mark.parametrize("second", [0.0, 7.0])
def test_equal_times_are_one_narrow_part(second):
    told = fit(np.full(100, second))
    assert len(told.parts) == 1
    assert told.parts[0][1] == pytest.approx(np.log(max(second, 0.5)))
    np.testing.assert_allclose(quantiles(told.parts), max(second, 0.5), rtol=0.05)


@pytest.mark.parametrize("count", [0, 1, 49])
def test_too_few_times_say_so(count):
    told = fit(times(count))
    assert isinstance(told, Untold)
    assert told.why == f"the log holds {count} times, too few of 50 or more"


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_what_is_no_time_is_refused_by_name(bad):
    seconds = times(100)
    seconds[3] = bad
    with pytest.raises(DataError, match="times: got"):
        fit(seconds)


def test_an_outlier_of_years_breaks_nothing():
    told = fit(np.append(times(2000), 1e12))
    assert np.isfinite(told.parts).all()
    np.testing.assert_allclose(quantiles(told.parts), quantiles(PLANTED), rtol=0.15)


def test_dice_at_the_ends_give_finite_times():
    drawn = draw_log_normal(PLANTED, np.array([0.0, 0.4, np.nextafter(1.0, 0.0)]))
    assert np.isfinite(drawn).all()
    assert (drawn > 0).all()


def test_the_same_times_give_the_same_fit():
    one, other = fit(times(500)), fit(times(500))
    assert (one.parts, one.low, one.high) == (other.parts, other.low, other.high)


def test_readers_left_out_stay_as_long_as_forecast():
    log = open_exposures(shared_folder("ebnerd-sample"))
    known = log.clicked & ~np.isnan(log.dwell)
    seconds, part = log.dwell[known], np.searchsorted(log.users, log.user_id[known]) % 5
    forecast = []
    for number in range(5):
        told = fit(seconds[part != number], log.user_id[known][part != number])
        here = int((part == number).sum())
        forecast.append(draw_log_normal(told.parts, (np.arange(50 * here) + 0.5) / (50 * here)))
    np.testing.assert_allclose(np.quantile(np.concatenate(forecast), QUARTILES), [6, 23, 65], rtol=0.15)
