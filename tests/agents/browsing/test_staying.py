"""When people leave, how long they stay and when they come back: planted distributions are found, real ones forecast."""

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.agents.browsing.log_normal_mixtures import LogNormalMixture, fit_log_normal_mixture, quantile_intervals
from recsim_llm.agents.browsing.session_ends import exit_intervals, fit_exit_hazard, return_times
from recsim_llm.core import keyed
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log.run_exposures import open_exposures

HAZARD = np.array([0.5, 0.4, 0.3, 0.3, 0.3])
QUARTERS = (0.25, 0.5, 0.75)
PLANTED = LogNormalMixture(weight=np.array([0.4, 0.6]), mean=np.array([1.0, 4.0]), deviation=np.array([0.5, 1.0]), times=0)


def sessions(count, *, effect=0.0, most_pages=50, per_user=4, seed=1):
    """Return sessions that end by page and, with an effect, by whether the page's one item was clicked."""
    random = np.random.default_rng(seed)
    rows = []
    for session in range(count):
        for page in range(most_pages):
            click = random.random() < 0.3
            odds = np.log(HAZARD[min(page, 4)] / (1.0 - HAZARD[min(page, 4)])) + effect * (click - 0.3)
            rows.append((session // per_user, session, page, click, 5000.0 * session + 10.0 * page))
            if random.random() < 1.0 / (1.0 + np.exp(-odds)):
                break
    user, number, page, click, when = np.array(rows).T
    return Exposures(
        name="planted",
        user_id=user.astype(int),
        session=number.astype(int),
        page=page.astype(int),
        position=np.zeros(len(rows), int),
        item_id=np.ones(len(rows), int),
        clicked=click.astype(bool),
        timestamp=when,
    )


def test_a_planted_hazard_and_the_effect_of_a_click_come_back():
    log = sessions(6000, effect=-1.0)
    hazard = fit_exit_hazard(log, form="by page")
    np.testing.assert_allclose(hazard.chance(np.arange(5)), HAZARD, atol=0.03)
    assert hazard.click_effect == pytest.approx(-1.0, abs=0.15)
    clicked, not_clicked = hazard.chance(np.array([0, 0]), np.array([1.0, 0.0]))
    assert clicked < not_clicked - 0.15
    by_page, effect = exit_intervals(log, hazard, seed=1, resamples=20)
    assert effect.low < effect.value < effect.high < 0.0
    assert all(
        estimate.low < value < estimate.high for estimate, value in zip(by_page[:2], hazard.chance(np.arange(2)), strict=True)
    )


def test_the_form_is_chosen_and_later_pages_are_like_the_last():
    hazard = fit_exit_hazard(sessions(6000))
    assert hazard.form != "constant"
    assert fit_exit_hazard(sessions(6000), form="by page").chance(np.array([4, 9]))[1] == pytest.approx(0.3, abs=0.04)
    assert fit_exit_hazard(sessions(40), form="trend").chance(np.array([500]))[0] <= 1.0


def test_pages_at_which_a_log_cuts_sessions_off_are_no_ends():
    log = sessions(4000, most_pages=3)
    cut, whole = fit_exit_hazard(log, form="by page", most_pages=3), fit_exit_hazard(log, form="by page")
    np.testing.assert_allclose(cut.chance(np.arange(2)), HAZARD[:2], atol=0.03)
    assert whole.chance(np.array([2]))[0] > 0.95
    with pytest.raises(DataError, match="no page before the last allowed"):
        fit_exit_hazard(log, most_pages=1)
    with pytest.raises(ConfigError, match="form"):
        fit_exit_hazard(log, form="steep")


def test_clicks_that_hardly_vary_tell_nothing():
    log = sessions(200)
    clicked = np.ones(len(log), bool)
    clicked[:5] = False
    still = Exposures(
        **{name: getattr(log, name) for name in ("name", "user_id", "session", "page", "position", "item_id")}, clicked=clicked
    )
    hazard = fit_exit_hazard(still)
    assert np.isnan(hazard.click_effect)
    assert exit_intervals(still, hazard, seed=1, resamples=20)[1].value is None


def test_a_planted_mixture_comes_back_and_its_draws_are_keyed():
    words = keyed.words(3, "times", np.arange(8000))
    seconds = PLANTED.sample(words)
    found = fit_log_normal_mixture(seconds, np.arange(8000), 2)
    np.testing.assert_allclose(found.weight, PLANTED.weight, atol=0.03)
    np.testing.assert_allclose(found.mean, PLANTED.mean, atol=0.1)
    np.testing.assert_allclose(found.deviation, PLANTED.deviation, atol=0.1)
    np.testing.assert_allclose(found.quantile(np.array(QUARTERS)), np.quantile(seconds, QUARTERS), rtol=0.05)
    np.testing.assert_array_equal(PLANTED.sample(words[:5]), seconds[:5])


def test_quantiles_and_shares_are_inverse():
    shares = np.array([0.01, 0.3, 0.99])
    np.testing.assert_allclose(PLANTED.share_below(PLANTED.quantile(shares)), shares)


def test_the_number_of_components_is_chosen_by_users_left_out():
    random = np.random.default_rng(1)
    users = np.arange(3000) % 300
    assert len(fit_log_normal_mixture(np.exp(random.normal(3.0, 1.0, 3000)), users).weight) <= 2
    assert len(fit_log_normal_mixture(PLANTED.sample(keyed.words(1, "times", np.arange(3000))), users).weight) >= 2


def test_quantiles_have_intervals_that_hold_the_planted_ones():
    seconds = PLANTED.sample(keyed.words(5, "times", np.arange(1500)))
    found = quantile_intervals(seconds, np.arange(1500) // 5, QUARTERS, components=2, seed=1, resamples=40)
    truth = PLANTED.quantile(np.array(QUARTERS))
    assert all(estimate.low < value < estimate.high for estimate, value in zip(found, truth, strict=True))
    assert found[0].users == 300


def test_times_that_tell_nothing_are_refused():
    with pytest.raises(DataError, match="fewer than two different times"):
        fit_log_normal_mixture(np.array([0.0, 0.1]), np.array([1, 2]))
    with pytest.raises(DataError):
        fit_log_normal_mixture(np.array([1.0, np.nan]), np.array([1, 2]))
    with pytest.raises(ConfigError, match="components"):
        fit_log_normal_mixture(np.array([1.0, 2.0]), np.array([1, 2]), 0)


def test_return_times_run_from_the_last_page_to_the_next_session_of_the_user():
    log = sessions(8, per_user=4)
    seconds, users = return_times(log)
    last = log.pages.page[log.pages.last_of_session]
    wanted = 5000.0 - 10.0 * last
    np.testing.assert_allclose(seconds, [*wanted[:3], *wanted[4:7]])
    assert users.tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(DataError, match="no user with two sessions"):
        return_times(sessions(3, per_user=1))


def test_readers_left_out_leave_and_stay_as_forecast():
    log = open_exposures(shared_folder("ebnerd-sample"))
    half = np.arange(len(log.users)) % 2
    real = np.array([log.pages.last_of_session[log.pages.page == page].mean() for page in range(5)])
    left, pages, below, times = np.zeros(5), np.zeros(5), np.zeros(3), 0
    stayed = np.quantile(log.dwell[np.isfinite(log.dwell)], QUARTERS)
    ahead = np.linspace(1.0, 200.0, 2000)
    below = np.zeros(len(ahead))
    for part in (0, 1):
        others, readers = log.of_users(log.users[half != part]), log.of_users(log.users[half == part])
        count = np.bincount(np.minimum(readers.pages.page, 5), minlength=6)[:5]
        left += count * fit_exit_hazard(others).chance(np.arange(5))
        pages += count
        known, here = np.isfinite(others.dwell), int(np.isfinite(readers.dwell).sum())
        below += here * fit_log_normal_mixture(others.dwell[known], others.user_id[known]).share_below(ahead)
        times += here
    np.testing.assert_allclose(left / pages, real, atol=0.05)
    np.testing.assert_allclose(ahead[np.searchsorted(below / times, QUARTERS)], stayed, rtol=0.15)
