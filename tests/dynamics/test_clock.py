"""Simulated time: who comes when, as a function of seed, user and visit alone."""

import numpy as np
import pytest
from scipy.stats import chisquare

from recsim_llm.dynamics.clock import HOURS, NEVER, USUAL_HOURS
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.clock_settings import ClockSettings

USERS = np.arange(20_000) * 7 + 3


def make_clock(user_id=USERS, **settings):
    return ClockSettings(**({"days": 30} | settings)).clock(user_id, 5)


def test_first_visits_fall_evenly_into_the_days_of_arrival():
    day = make_clock(arrive_days=5).due // HOURS
    assert chisquare(np.bincount(day)).pvalue > 1e-3
    assert day.max() == 4


def test_hours_follow_the_profile_of_the_day():
    hour = make_clock().due % HOURS
    weights = np.array(USUAL_HOURS)
    assert chisquare(np.bincount(hour, minlength=HOURS), weights / weights.sum() * len(USERS)).pvalue > 1e-3


@pytest.mark.parametrize("gap", [1.0, 2.0, 5.0])
def test_days_between_visits_have_the_mean_asked_for_and_are_geometric(gap):
    clock = make_clock(gap_days=gap, arrive_days=1)
    clock.come_again(np.arange(len(USERS)), np.ones(len(USERS), np.int64))
    days = clock.due // HOURS
    assert days.min() == 1
    assert days.mean() == pytest.approx(gap, abs=4 * gap / np.sqrt(len(USERS)))
    assert np.mean(days == 1) == pytest.approx(1 / gap, abs=0.02)


def test_what_comes_depends_on_nobody_else():
    everyone, some = make_clock(), make_clock(USERS[5:9])
    assert np.array_equal(everyone.due[5:9], some.due)
    everyone.come_again(np.arange(4, 10), np.full(6, 3))
    some.come_again(np.array([0, 3]), np.array([3, 3]))
    assert np.array_equal(everyone.due[[5, 8]], some.due[[0, 3]])


def test_steps_of_an_hour_and_of_a_day_see_the_same_users_come():
    by_day, by_hour = make_clock(days=3), make_clock(days=3, step="hour")
    assert (len(by_day.moments()), len(by_hour.moments())) == (3, 72)
    coming = {day: [] for day in range(3)}
    for moment in by_hour.moments():
        coming[moment.day] += (rows := by_hour.coming(moment)).tolist()
        by_hour.stay_away(rows)
    for moment in by_day.moments():
        rows = by_day.coming(moment)
        assert rows.tolist() == sorted(coming[moment.day])
        by_day.stay_away(rows)


def test_who_is_overdue_comes_at_the_next_step():
    clock = make_clock()
    moments, late = clock.moments(), clock.coming(clock.moments()[0])
    assert np.isin(late, clock.coming(moments[1])).all()


def test_who_stays_away_does_not_come():
    clock = make_clock()
    clock.stay_away(np.array([4]))
    assert clock.due[4] == NEVER
    assert not any(4 in clock.coming(moment) for moment in clock.moments())


@pytest.mark.parametrize(("name", "value"), [("days", 0), ("gap_days", 0.5), ("hours", [1, 2, 3]), ("hours", [0] * 24)])
def test_a_clock_that_cannot_go_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        ClockSettings(**{"days": 3, name: value})
