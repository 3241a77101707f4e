"""When sessions end: a planted hazard is found, readers left out leave as forecast, and thin logs say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.agents.browsing.leaving import Leaving, fit_leaving
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core.exposures import Exposures
from recsim_llm.log import open_exposures

BY_PAGE = np.array([0.5, 0.2, 0.6, 0.3, 0.3])


def sessions(count, hazard, *, effect=0.0, most_pages=15, per_user=4, clicks=0.3, seed=1):
    """Return sessions that end by page and, with an effect, by whether the page's one item was clicked."""
    random = np.random.default_rng(seed)
    page = np.tile(np.arange(most_pages), (count, 1))
    click = random.random(page.shape) < clicks
    chance = np.array(hazard)[np.minimum(page, len(hazard) - 1)]
    odds = np.log(chance / (1 - chance)) + effect * click
    ends = random.random(page.shape) < 1 / (1 + np.exp(-odds))
    there = np.cumsum(ends, axis=1) - ends == 0
    session = np.broadcast_to(np.arange(count)[:, None], page.shape)[there]
    return Exposures(
        name="planted",
        user_id=session // per_user,
        session=session,
        page=page[there],
        position=np.zeros(len(session), int),
        item_id=np.ones(len(session), int),
        clicked=click[there],
    )


def chance(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def test_a_hazard_of_its_own_at_each_page_comes_back_within_its_interval():
    told = fit_leaving(sessions(6000, BY_PAGE), seed=1)
    np.testing.assert_allclose(chance(told.by_page[:4]), BY_PAGE[:4], atol=0.03)
    inside = (chance(told.ends[0, :4]) < BY_PAGE[:4]) & (BY_PAGE[:4] < chance(told.ends[1, :4]))
    assert inside.sum() >= 3
    assert (chance(told.ends[1, :4]) - chance(told.ends[0, :4]) < 0.15).all()


def test_pages_that_few_reached_are_told_better_than_by_their_own_shares():
    told = [fit_leaving(sessions(250, [0.45], seed=seed), seed=1) for seed in range(30)]
    drawn = np.array([chance(one.by_page[2:4]) - 0.45 for one in told])
    raw = np.array([[hazard.value - 0.45 for hazard in one.hazard[2:4]] for one in told])
    assert np.square(drawn).mean() < 0.6 * np.square(raw).mean()
    inside = [(chance(one.ends[0, :3]) < 0.45) & (chance(one.ends[1, :3]) > 0.45) for one in told]
    assert np.mean(inside) > 0.85


@pytest.mark.parametrize("effect", [-1.2, 0.8])
def test_what_a_click_takes_from_leaving_comes_back(effect):
    told = fit_leaving(sessions(6000, [0.4], effect=effect), seed=1)
    assert told.relief.low < -effect < told.relief.high
    assert abs(told.told_relief + effect) < 0.3
    assert told.memory <= 0.25


def test_clicks_that_change_nothing_take_nothing():
    told = fit_leaving(sessions(2000, BY_PAGE), seed=1)
    assert told.relief.low < 0 < told.relief.high
    assert told.told_relief == 0.0
    assert not told.relieved.any()


def test_clicks_that_hardly_vary_are_not_taken_for_the_pages_number():
    log = sessions(1500, [0.6, 0.5, 0.4, 0.3, 0.2], clicks=1.0)
    clicked = log.clicked.copy()
    clicked[:5] = False
    told = fit_leaving(replace(log, clicked=clicked), seed=1)
    assert told.relief.value is None
    assert told.told_relief == 0.0
    assert chance(told.by_page[0]) - chance(told.by_page[4]) > 0.2


def test_pages_at_which_a_log_cuts_sessions_off_are_no_ends():
    told = fit_leaving(sessions(3000, [0.4], most_pages=3), seed=1)
    assert chance(told.by_page[-1]) < 0.5
    assert len(told.by_page) == 2


def test_chances_of_a_log_follow_its_pages_and_its_clicks():
    told = fit_leaving(sessions(3000, [0.4], effect=-1.2), seed=1)
    log = sessions(200, [0.3], seed=9)
    none, all_of_it = (told.chances(log, np.full(len(log), flag)) for flag in (False, True))
    assert none.shape == log.pages.page.shape
    np.testing.assert_allclose(none, chance(told.by_page[np.minimum(log.pages.page, len(told.by_page) - 1)]))
    assert (all_of_it < none - 0.1).all()
    assert all_of_it.min() > 0.0


def test_the_same_log_in_another_order_with_the_same_seed_gives_the_same_fit():
    log = sessions(400, BY_PAGE)
    one, other = fit_leaving(log, seed=3), fit_leaving(log.take(np.full(len(log), True)), seed=3)
    np.testing.assert_array_equal(one.by_page, other.by_page)
    np.testing.assert_array_equal(one.ends, other.ends)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (sessions(200, [0.4], most_pages=1), "every session of the log has one page"),
        (sessions(1, [0.01]), "the log holds 1 sessions of 1 users"),
        (sessions(49, [0.4], per_user=1), "the log holds 49 sessions of 49 users"),
        (sessions(60, [0.4], per_user=60), "the log holds 60 sessions of 1 users"),
    ],
)
def test_thin_logs_say_why_they_tell_nothing(log, why):
    told = fit_leaving(log, seed=1)
    assert isinstance(told, Untold)
    assert why in told.why


@pytest.mark.parametrize("clicks", [0.0, 1.0])
def test_a_log_without_any_click_or_without_any_pass_is_told_from_its_pages(clicks):
    told = fit_leaving(sessions(300, [0.4], clicks=clicks), seed=1)
    assert isinstance(told, Leaving)
    assert told.told_relief == 0.0
    assert np.isfinite(told.by_page).all()
    assert np.isfinite(told.ends).all()


def test_a_page_after_which_everybody_leaves_has_finite_log_odds():
    told = fit_leaving(sessions(300, [0.3, 0.3, 1 - 1e-12, 0.5], seed=4), seed=1)
    assert np.isfinite(told.by_page).all()


def test_two_users_are_enough_to_choose_by():
    assert isinstance(fit_leaving(sessions(60, [0.4], per_user=30), seed=1), Leaving)


def test_readers_left_out_leave_as_forecast():
    log = open_exposures(shared_folder("ebnerd-sample"))
    part, forecast, count = np.arange(len(log.users)) % 5, np.zeros(5), np.zeros(5)
    for number in range(5):
        told = fit_leaving(log.of_users(log.users[part != number]), seed=0)
        pages = log.of_users(log.users[part == number]).pages.page
        here = np.bincount(pages[pages < 5], minlength=5)
        forecast += here * chance(told.by_page[:5])
        count += here
    np.testing.assert_allclose(forecast / count, [0.49, 0.48, 0.45, 0.41, 0.44], atol=0.05)
