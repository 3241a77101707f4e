"""Copies of users that browse on by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.noise import with_noise
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.core.visits import Visits
from recsim_llm.envs.rewards import Clicks

SLOTS, ROWS = 4, 6
RUN = seed_words([7])


def begun(world, max_pages=9):
    visits = Visits(
        users=world.users,
        user_id=world.population.user_id,
        catalog=world.catalog,
        reward=Clicks(),
        rows=ROWS,
        slate_size=SLOTS,
        max_pages=max_pages,
        repeats="allow",
        rated=None,
    )
    who, number = np.arange(ROWS), np.zeros(ROWS, np.int64)
    visits.begin(ALL_ROWS, who, number, visits.kernel.dice(who, number, RUN))
    return visits


def slates(page, rows):
    return (np.arange(SLOTS) + 3 * page) % 11 + np.zeros((rows, 1), np.int64)


def copies(world, visits, rows, seed, **settings):
    rows = np.asarray(rows)
    user_id = world.population.user_id[visits.kernel.user_index[rows]]
    settings = {"most_visits": 1} | settings
    return Rollouts(visits, rows, user_id=user_id, seed=np.broadcast_to(seed, rows.shape), **settings)


STEADY = {"leave_start": -50.0, "leave_tired": -50.0, "leave_relief": 0.0, "click_bias": 1.0}


@pytest.mark.parametrize("noise", [{}, {"random_clicks": 0.2, "missed_clicks": 0.1}], ids=["plain", "noisy"])
def test_a_copy_with_the_dice_of_its_original_goes_on_as_the_original_does(make_world, noise):
    world = with_noise(make_world(**STEADY), noise, 1) if noise else make_world(**STEADY)
    visits = begun(world)
    for page in range(3):
        visits.show(slates(page, ROWS))
    copied = copies(world, visits, [4, 1, 4], RUN)
    for page in range(3, 9):
        paid = copied.show(slates(page, 3))
        assert paid.tolist() == visits.show(slates(page, ROWS)).reward[[4, 1, 4]].tolist()


def test_what_copies_live_through_leaves_no_trace_in_their_originals(make_world):
    world = make_world(**STEADY)
    visits, untouched = begun(world), None
    visits.show(slates(0, ROWS))
    copied = copies(world, visits, [0, 0, 3], seed_words([99]))
    before = world.users.appeal(ALL_ROWS)
    for page in range(1, 4):
        copied.show(slates(page, len(copied.rows)))
    untouched = world.users.appeal(ALL_ROWS)
    assert np.array_equal(before, untouched)
    assert visits.kernel.page.tolist() == [1] * ROWS


def test_other_dice_bring_another_future(make_world):
    world = make_world(**STEADY)
    visits = begun(world)
    one, other = (copies(world, visits, np.arange(ROWS), seed_words([seed])) for seed in (1, 2))
    paid = [[copied.show(slates(page, ROWS)).tolist() for page in range(6)] for copied in (one, other)]
    assert paid[0] != paid[1]


def test_who_begins_afresh_is_the_user_before_the_first_page(make_world):
    world = make_world(**STEADY)
    visits = begun(world)
    fresh = world.users.appeal(ALL_ROWS)
    for page in range(4):
        visits.show(slates(page, ROWS))
    moved = world.users.appeal(ALL_ROWS)
    rows, items = np.arange(ROWS), np.tile(np.arange(20), (ROWS, 1))
    again = copies(world, visits, rows, seed_words([5]), afresh=rows)
    assert np.allclose(again.click_log_odds(items, rows), fresh[:, :20], atol=1e-5)
    assert not np.allclose(moved[:, :20], fresh[:, :20], atol=1e-2)


def test_expected_stars_are_the_mean_of_the_ratings_that_are_drawn(make_world):
    world = make_world(**STEADY)
    visits = begun(world)
    rows = np.zeros(4000, np.int64)
    items = np.tile(np.arange(SLOTS), (len(rows), 1))
    copied = copies(world, visits, rows, np.arange(len(rows), dtype=np.uint64) << np.uint64(20))
    expected = copied.expected_stars(items[:1], np.array([0]))[0]
    kernel = visits.copy_rows(rows, np.arange(len(rows), dtype=np.uint64) << np.uint64(20)).kernel
    stars = kernel.step(items).ratings()
    told = (~np.isnan(stars)).sum(axis=0)
    assert told.min() > 200
    assert np.all(np.abs(np.nanmean(stars, axis=0) - expected) < 4 * np.nanstd(stars, axis=0) / np.sqrt(told))


def test_copies_come_back_for_as_many_visits_as_there_are(make_world):
    world = make_world(**{**STEADY, "leave_start": 50.0, "return_base": 50.0, "leave_floor": 40.0})
    copied = copies(world, begun(world), np.arange(ROWS), seed_words([5]), most_visits=3)
    browsing = []
    while copied.rows.size and len(browsing) < 9:
        browsing.append(len(copied.rows))
        copied.show(slates(0, len(copied.rows)))
    assert browsing == [ROWS] * 3


def test_copies_leave_as_often_as_the_model_says(make_world):
    world = make_world(leave_start=0.0, leave_tired=0.0, leave_relief=0.0)
    rows = np.repeat(np.arange(ROWS), 500)
    copied = copies(world, begun(world), rows, np.arange(len(rows), dtype=np.uint64) << np.uint64(20))
    copied.show(slates(0, len(rows)))
    assert len(copied.rows) / len(rows) == pytest.approx(0.5, abs=0.04)
