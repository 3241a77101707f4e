"""Items that nobody has rated: the split, simulated clicks on them, and what these are worth to a recommender."""

from dataclasses import replace

import numpy as np
import pytest
from genre_worlds import blind_users, genre_dataset, genre_users

from recsim_llm.agents.warmed import Warmed
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism.cold.cold_items import hold_out_items, in_random_order
from recsim_llm.realism.cold.simulated_clicks import Asked, simulate_clicks
from recsim_llm.realism.cold.warming_measure import BESIDE, POOLS, USERS, WarmingSettings, measure_warming


@pytest.fixture(scope="module")
def data():
    return genre_dataset()


def cold_ids(cold):
    return set(cold.held.training.catalog.item_id[cold.item_index].tolist())


def test_nothing_that_was_done_with_a_cold_item_is_in_the_training_part(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    training = cold.held.training
    assert len(cold.item_index) == 16
    assert not np.isin(training.ratings.item_id, list(cold_ids(cold))).any()
    assert (training.catalog.popularity[cold.item_index] == 0).all()
    of_cold = np.isin(cold.held.item_index, cold.item_index)
    assert of_cold.sum() == np.isin(data.ratings.item_id, list(cold_ids(cold))).sum()
    assert len(training.ratings) + len(cold.held.item_index) == len(data.ratings)


def test_the_last_of_each_user_s_other_ratings_are_held_out_too(data):
    cold = hold_out_items(data, seed=1, share=0.2, train_share=0.5)
    training = cold.held.training.ratings
    late = ~np.isin(cold.held.item_index, cold.item_index)
    user = training.users[cold.held.user_index[late]]
    rows = {
        (one, item): time for one, item, time in zip(*(getattr(data.ratings, name).tolist() for name in COLUMNS), strict=True)
    }
    items = cold.held.training.catalog.item_id[cold.held.item_index[late]]
    latest = {one: training.timestamp[training.user_id == one].max() for one in training.users.tolist()}
    assert all(rows[one, item] > latest[one] for one, item in zip(user.tolist(), items.tolist(), strict=True))


COLUMNS = ("user_id", "item_id", "timestamp")


def test_draws_of_one_seed_share_no_item(data):
    draws = [cold_ids(hold_out_items(data, seed=5, draw=number, share=0.25)) for number in range(4)]
    assert len(set.union(*draws)) == 80
    with pytest.raises(ConfigError, match=r"got number 5 of 0\.25"):
        hold_out_items(data, seed=5, draw=4, share=0.25)


def test_the_order_of_the_catalog_is_drawn_and_odd_numbers_turn_it_round(data):
    first, second, third = (in_random_order(data.catalog, 1, number) for number in range(3))
    assert first.item_id.tolist() == second.item_id.tolist()[::-1]
    assert first.item_id.tolist() not in (data.catalog.item_id.tolist(), third.item_id.tolist())
    place = data.catalog.index_of(first.item_id)
    assert np.array_equal(first.genres, data.catalog.genres[place])
    assert first.title.tolist() == data.catalog.title[place].tolist()


@pytest.mark.parametrize("share", [0.0, 1.0, -1, float("nan")])
def test_a_share_that_is_none_is_refused(data, share):
    with pytest.raises(ConfigError, match="share of cold items: got"):
        hold_out_items(data, seed=1, share=share)


def clicks_of(data, cold, seed=1, **asked):
    training = cold.held.training
    return simulate_clicks(genre_users(training, 1), training, cold.item_index, seed=seed, asked=Asked(**asked))


def test_users_click_what_they_like_and_items_as_often_as_was_asked_for(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    training = cold.held.training
    clicks = clicks_of(data, cold, clicks=12)
    assert set(clicks.item_id.tolist()) <= cold_ids(cold)
    assert len(clicks) == pytest.approx(12 * 16, rel=0.2)
    liked = clicks.user_id % 4 == (clicks.item_id + 2) % 4
    assert liked.mean() > 0.7
    assert (clicks.timestamp > training.ratings.timestamp.max()).all()
    assert np.allclose(clicks.rating, training.ratings.rating.mean())


def test_without_a_number_items_get_as_many_clicks_as_others_have_ratings(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    ratings = cold.held.training.ratings
    usual = len(ratings) / 64
    assert len(clicks_of(data, cold)) == pytest.approx(16 * usual, rel=0.2)
    assert len(clicks_of(data, cold, users=30)) == pytest.approx(16 * usual / 4, rel=0.4)


def test_who_is_shown_little_clicks_a_fifth_of_it_at_most(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    clicks = clicks_of(data, cold, users=40, shown=2)
    assert len(np.unique(clicks.user_id)) <= 40
    assert np.unique(clicks.user_id, return_counts=True)[1].max() <= 2
    assert len(clicks) == pytest.approx(16, abs=12)


def test_no_held_out_rating_reaches_a_simulated_click(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    of_cold = np.isin(data.ratings.item_id, list(cold_ids(cold)))
    # Other people took the cold items, and gave other stars: a label that is seen would show.
    order = np.flatnonzero(of_cold)[::-1]
    user, stars = data.ratings.user_id.copy(), data.ratings.rating.copy()
    user[of_cold], stars[of_cold] = data.ratings.user_id[order], 0.5
    others = replace(data, ratings=replace(data.ratings, user_id=user, rating=stars))
    again = hold_out_items(others, seed=1, share=0.2)
    assert again.held.training.fingerprint == cold.held.training.fingerprint
    assert clicks_of(others, again).fingerprint == clicks_of(data, cold).fingerprint


def test_a_user_clicks_alike_whoever_else_is_asked(data):
    cold = hold_out_items(data, seed=1, share=0.2)
    # With the level held: a quarter of the users, a quarter of the clicks.
    few, all_of_them = (pairs_of(clicks_of(data, cold, users=users, clicks=clicks)) for users, clicks in ((30, 3), (None, 12)))
    assert len(few & all_of_them) > 0.8 * len(few)


def pairs_of(clicks):
    return set(zip(clicks.user_id.tolist(), clicks.item_id.tolist(), strict=True))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"clicks": 500}, "got 500 an item, each of which is shown 120 times"),
        ({"clicks": 0}, "clicks an item: got 0"),
        ({"clicks": float("nan")}, "clicks an item: got nan"),
        ({"shown": 0}, "shown: got 0"),
        ({"users": 0}, "users: got 0"),
    ],
)
def test_clicks_that_cannot_be_are_refused(data, asked, reason):
    with pytest.raises(ConfigError, match=reason):
        clicks_of(data, hold_out_items(data, seed=1, share=0.2), **asked)


def test_no_click_at_all_is_told(data):
    with pytest.raises(DataError, match="got none at"):
        clicks_of(data, hold_out_items(data, seed=1, share=0.2), clicks=1e-6)


def warm(name, clicks):
    return Warmed(Warmed.Settings(base=name), simulated=clicks)


def measured(data, users, **settings):
    plan = WarmingSettings(**({"seed": 1, "draws": (0, 1), "share": 0.2, "recommenders": ("mf",), "page_size": 4} | settings))
    return measure_warming(data, users, warm, plan)


def test_clicks_of_users_who_know_the_genres_warm_a_recommender(data):
    rows, facts = measured(data, genre_users)
    by_name = {(row.name, row.warmed): row for row in rows}
    gain = by_name["mf", True].gains["cold"]["recall"]
    assert gain.low > 0.2
    assert by_name["content", False].scores["cold"]["recall"].value > 0.6
    assert by_name[USERS, False].scores["cold"]["recall"].value > 0.6
    assert facts["cold_items"] == 16
    assert set(by_name) == {*((name, False) for name in (*BESIDE, USERS, "mf")), ("mf", True)}


def test_clicks_of_users_who_know_nothing_warm_nothing(data):
    rows, _ = measured(data, blind_users)
    gain = next(row for row in rows if row.warmed).gains["cold"]["recall"]
    assert abs(gain.value) < 0.15
    assert not gain.excludes(0.0)


def test_users_who_are_asked_are_scored_by_themselves_where_they_order_all_cold_items(data):
    rows, _ = measured(data, genre_users, asked=Asked(users=30, shown=16))
    own = next(row for row in rows if row.name == USERS).scores["cold"]["recall"]
    assert own.value > 0.6
    assert 0 < own.users <= 30
    rows, _ = measured(data, blind_users, asked=Asked(users=30))
    assert next(row for row in rows if row.name == USERS).scores["cold"]["recall"].value < 0.5
    rows, _ = measured(data, genre_users, draws=(0,), asked=Asked(shown=15))
    assert USERS not in {row.name for row in rows}


def test_what_is_told_is_plain(data):
    rows, _ = measured(data, genre_users, draws=(0,), asked=Asked(users=50))
    told = rows[-1].to_json()
    assert set(told["gains"]) == set(POOLS)
    assert set(told["gains"]["all"]["NDCG"]) == {"value", "low", "high", "users"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"draws": ()}, "draws: got"),
        ({"draws": (0, 5)}, r"got number 6 of 0\.2"),
        ({"recommenders": ()}, "recommenders: got"),
        ({"recommenders": ("content",)}, "got content, which stands beside"),
        ({"recommenders": ("nobody",)}, "nobody"),
        ({"page_size": 16}, "expected fewer than the 16 cold items"),
        ({"page_size": 0}, "page size: got 0"),
        ({"asked": Asked(clicks=500)}, "got 500 an item, each of which is shown 120 times"),
        ({"asked": Asked(shown=0)}, "shown: got 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anybody_is_fitted(data, settings, reason):
    def nobody(training, seed):
        raise AssertionError

    with pytest.raises(ConfigError, match=reason):
        measured(data, nobody, **settings)


def test_one_user_s_ratings_are_enough_for_nobody_to_crash(data):
    few = data.ratings.take(np.flatnonzero(data.ratings.user_id < 12))
    rows, facts = measured(data.of_ratings(few), genre_users, draws=(0,), page_size=2)
    assert facts["users"] == 2
    assert all(isinstance(row.scores["all"]["recall"].value, float) for row in rows if row.name != USERS)


def test_data_in_which_nothing_else_was_rated_are_told(data):
    one = Ratings(user_id=np.array([1]), item_id=np.array([500]), rating=np.array([4.0]), timestamp=np.array([0]))
    with pytest.raises(DataError, match="nothing else was rated"):
        hold_out_items(data.of_ratings(one), seed=1, share=0.9)
