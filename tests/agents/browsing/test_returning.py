"""Whether people come back and when: planted shares and gaps are found, and logs without times or returns say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.browsing.returning import Returning, fit_returning
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core.exposures import Exposures

HOURS = 3600.0


def visits(users, *, again=0.7, most=8, gap=(9.0, 0.8), pages=2, seed=1):
    """Return sessions of users who come back with a chance, after log-normal times; a page lasts ten seconds."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        when = 1e9 + random.random() * 1e5
        for _ in range(most):
            session = rows[-1][1] + 1 if rows else 0
            rows += [(user, session, page, when + 10.0 * page) for page in range(pages)]
            if random.random() > again:
                break
            when += 10.0 * (pages - 1) + np.exp(random.normal(*gap))
    user, session, page, when = np.array(rows).T
    return Exposures(
        name="planted",
        user_id=user.astype(int),
        session=session.astype(int),
        page=page.astype(int),
        position=np.zeros(len(rows), int),
        item_id=np.ones(len(rows), int),
        clicked=np.zeros(len(rows), bool),
        timestamp=when,
    )


def test_a_planted_share_and_gap_come_back_within_their_intervals():
    told = fit_returning(visits(2000), seed=1)
    assert told.share.low < 0.7 < told.share.high
    assert told.share.high - told.share.low < 0.05
    assert len(told.gap.parts) == 1
    np.testing.assert_allclose(told.gap.parts[0], (1.0, 9.0, 0.8), atol=0.05)
    assert told.gap.low[0][1] < 9.0 < told.gap.high[0][1]


def test_the_gap_runs_from_the_last_page_to_the_first_of_the_next_session():
    log = visits(60, again=1.0, gap=(np.log(1000.0), 0.0), pages=5)
    told = fit_returning(log, seed=1)
    np.testing.assert_allclose(told.gap.quartiles, 1000.0)


def test_the_last_session_of_those_with_the_most_says_nothing():
    told = fit_returning(visits(100, again=1.0, most=3), seed=1)
    assert told.share.value == 1.0
    assert told.sessions == 200


def test_sessions_follow_each_other_by_time_not_by_number():
    log = visits(200)
    turned = replace(log, session=log.session.max() - log.session)
    one, other = fit_returning(log, seed=1), fit_returning(turned, seed=1)
    assert one.share == other.share
    np.testing.assert_allclose(one.gap.parts, other.gap.parts, atol=1e-6)


def test_a_log_without_times_tells_the_share_alone():
    log = visits(200)
    for timestamp in (None, np.full(len(log), np.nan)):
        told = fit_returning(replace(log, timestamp=timestamp), seed=1)
        assert isinstance(told, Returning)
        assert told.gap == Untold("the log does not say when pages were shown")
        assert told.share == fit_returning(log, seed=1).share


def test_unknown_times_and_sessions_that_overlap_are_left_out_of_the_gap():
    log = visits(500)
    when = log.timestamp.copy()
    when[log.user_id % 2 == 0] = np.nan
    when[log.user_id % 4 == 1] = 5e8  # all at once: nothing lies between
    told = fit_returning(replace(log, timestamp=when), seed=1)
    assert told.gap.users <= 250
    assert np.isfinite(told.gap.parts).all()


def test_equal_times_give_a_gap_of_no_time():
    log = visits(200)
    told = fit_returning(replace(log, timestamp=np.full(len(log), 1e9)), seed=1)
    assert told.gap.quartiles == (0.0, 0.0, 0.0)
    assert np.isfinite(told.gap.parts).all()


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (visits(100, again=0.0), "no user of the log has two sessions"),
        (visits(1, again=0.0), "no user of the log has two sessions"),
        (visits(9, again=1.0), "the log holds 72 sessions of 9 users"),
        (visits(20, again=1.0, most=2), "the log holds 40 sessions of 20 users"),
    ],
)
def test_thin_logs_say_why_they_tell_nothing(log, why):
    told = fit_returning(log, seed=1)
    assert isinstance(told, Untold)
    assert why in told.why
