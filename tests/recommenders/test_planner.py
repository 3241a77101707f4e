"""The planning oracle."""

from __future__ import annotations

import numpy as np
import pytest
from served_arms import NOTHING_RATED, served, start

from recsim_llm.core.pages import Requests
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import Oracle, Planner, Truth
from recsim_llm.recommenders.page_styles import BARRED, Foresight, Shortlist, Style
from recsim_llm.recommenders.planner import Rival
from recsim_llm.statistics.intervals import mean_estimate

BORED = {"boredom": 2.0, "boredom_limit": 8.0, "click_bias": 0.0}


def planner(**settings):
    return Planner(Planner.Settings(**{"tries": 400, "rollouts": 4, "pool": 80} | settings))


def more(world, reward="clicks", **settings):
    """Return what the planner is paid more than the oracle by the same users with the same dice, with its interval."""
    paid = [served(world, one, reward=reward, **settings).paid[reward] for one in (planner(), Oracle())]
    return mean_estimate(paid[0] - paid[1])


def request(users, page=0):
    nothing = np.full((len(users), 0), -1)
    number = np.zeros(len(users), np.int64)
    return Requests(users, number, number + page, nothing, nothing > 0, nothing.astype(np.float32))


def test_where_users_tire_of_genres_planning_beats_ranking(make_world):
    assert more(make_world(200, 150, **BORED)).low > 0.2


@pytest.mark.parametrize("reward", ["clicks", "satisfaction"])
@pytest.mark.parametrize("repeats", ["forbid", "allow"])
def test_it_is_not_worse_than_ranking_beyond_chance(make_world, reward, repeats):
    found = more(make_world(200, 150), reward, repeats=repeats)
    assert found.high > 0


def test_it_pays_for_what_the_scenario_rewards(make_world):
    world = make_world(200, 150)
    assert more(world, "rating").low > 0


def test_a_page_does_not_depend_on_who_asks_beside(make_world):
    world = make_world(120, 12, **BORED)
    session, _ = start(world, rivalling := planner(tries=60))
    next(iter(session.play()))
    rivalling._rivals = [rival_of(Style(focus=1.0)), rival_of(Style(stars=3.0))]
    users = world.population.user_id[:8]
    together = rivalling.recommend(request(users, 1), 5).item_id
    alone = np.concatenate([rivalling.recommend(request(users[[place]], 1), 5).item_id for place in range(8)])
    assert np.array_equal(together, alone)


def rival_of(style):
    return Rival(style, gain=0.0, between=1.0, within=1.0)


def test_who_knows_no_truth_or_cannot_copy_users_is_refused(make_world):
    world = make_world()
    with pytest.raises(ConfigError, match="reveal"):
        planner().fit(world.catalog, NOTHING_RATED, 0)
    blind = planner()
    blind.reveal(Truth(lambda users: np.zeros((len(users), 60), np.float32)))
    with pytest.raises(ConfigError, match=r"cannot be copied.*take the recommender oracle"):
        blind.fit(world.catalog, NOTHING_RATED, 0)


def test_where_every_item_was_shown_pages_are_filled_with_known_ones(make_world):
    sums = served(make_world(12, 10, leave_start=-50.0, leave_tired=-50.0), planner(tries=40), max_pages=4).sums
    assert sums.blank.sum() == 0
    assert sums.repeated.sum() == 10 * (4 * 5 - 12)


def test_a_style_that_counts_stars_puts_what_is_liked_first(make_world):
    stars = np.array([[1.0, 2.0, 5.0, 4.0, 3.0]], np.float32)
    list_ = Shortlist(np.arange(5)[None], np.zeros((1, 5), np.float32), stars)
    foresight = Foresight(make_world(5).catalog, slate_size=2, forbid=True, horizon=1)
    assert foresight.pick(np.zeros((1, 5), np.float32), list_, Style(stars=1.0)).tolist() == [[2, 3]]


@pytest.mark.parametrize(("focus", "alike"), [(4.0, True), (-4.0, False)])
def test_a_style_that_counts_genres_keeps_to_one_or_spreads(make_world, focus, alike):
    catalog = make_world(10).catalog
    list_ = Shortlist(np.arange(10)[None], np.zeros((1, 10), np.float32), np.zeros((1, 10), np.float32))
    foresight = Foresight(catalog, slate_size=2, forbid=True, horizon=1)
    first, second = foresight.pick(np.zeros((1, 10), np.float32), list_, Style(focus=focus))[0]
    assert bool((catalog.genres[first] & catalog.genres[second]).any()) is alike


def test_what_is_barred_comes_last(make_world):
    barred = np.array([[BARRED, 0, 0, 2 * BARRED, 0]], np.float32)
    list_ = Shortlist(np.arange(5)[None], barred, np.zeros((1, 5), np.float32))
    foresight = Foresight(make_world(5).catalog, slate_size=5, forbid=True, horizon=1)
    assert foresight.pick(np.zeros((1, 5), np.float32), list_, Style()).tolist() == [[1, 2, 4, 0, 3]]
