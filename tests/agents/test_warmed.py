"""A recommender that is trained on simulated clicks beside the real ratings."""

from dataclasses import replace

import numpy as np
import pytest
from genre_worlds import genre_dataset
from small_data import ask_for

from recsim_llm.agents.warmed import Warmed, unrated_items
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.recommenders import open_recommender
from recsim_llm.testing import check_recommender, small_world


def clicks_on(user_id, item_id):
    rows = len(user_id)
    stars = np.full(rows, 4, np.float32)
    return Ratings(user_id=np.array(user_id), item_id=np.array(item_id), rating=stars, timestamp=np.full(rows, 10**6))


def written(folder, text):
    folder.mkdir()
    (folder / "interactions.csv").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("base", ["popularity", "mf", "item-knn", "softmax", "random"])
def test_it_keeps_the_contract(base):
    catalog, ratings = small_world()
    clicks = clicks_on(np.repeat(ratings.users[:9], 3), np.tile(catalog.item_id[-3:], 9))
    check_recommender(lambda: Warmed(Warmed.Settings(base=base), simulated=clicks), catalog=catalog, ratings=ratings)


def test_as_it_comes_it_keeps_the_contract():
    check_recommender(Warmed)


def test_an_item_that_nobody_rated_is_recommended_to_who_is_like_those_who_clicked_it():
    data = genre_dataset()
    cold = 500 + np.arange(4)
    ratings = data.ratings.take(~np.isin(data.ratings.item_id, cold))
    training = data.of_ratings(ratings)
    art = np.arange(10, 130, 4)
    warmed = Warmed(Warmed.Settings(base="mf"), simulated=clicks_on(art[:20], np.full(20, 500)))
    warmed.fit(training.catalog, ratings, 1)
    page = warmed.recommend(ask_for(art), 8).item_id
    # Whoever clicked it in the simulation was never shown it; and others of their genre get it too.
    assert (page[:20] == 500).any(axis=1).mean() > 0.6
    assert (page[20:] == 500).any(axis=1).mean() > 0.6
    plain = open_recommender("mf")
    plain.fit(training.catalog, ratings, 1)
    assert not (plain.recommend(ask_for(art), 8).item_id == 500).any()


def test_what_a_user_rated_or_was_shown_is_not_recommended_again():
    catalog, ratings = small_world()
    warmed = Warmed(Warmed.Settings(base="popularity"), simulated=clicks_on(ratings.users[:5], catalog.item_id[-5:]))
    warmed.fit(catalog, ratings, 1)
    user = ratings.users[:4]
    shown = np.tile(catalog.item_id[:3], (4, 1))
    page = warmed.recommend(ask_for(user, shown), 20).item_id
    for place, one in enumerate(user):
        assert not np.isin(page[place], [*ratings.item_id[ratings.user_id == one], *shown[place]]).any()


def test_without_unrated_items_it_is_its_base():
    catalog, ratings = small_world()
    rated = np.isin(catalog.item_id, ratings.item_id)
    assert rated.all()
    warmed, plain = Warmed(Warmed.Settings(base="mf")), open_recommender("mf")
    for one in (warmed, plain):
        one.fit(catalog, ratings, 3)
    requests = ask_for(ratings.users)
    assert np.array_equal(warmed.recommend(requests, 7).item_id, plain.recommend(requests, 7).item_id)


def test_unrated_items_are_those_on_sale_that_have_no_rating():
    catalog, ratings = small_world()
    kept = ratings.take(~np.isin(ratings.item_id, catalog.item_id[[4, 9]]))
    assert unrated_items(catalog, kept).tolist() == [4, 9]
    retired = np.zeros(len(catalog), np.bool_)
    retired[4] = True
    assert unrated_items(replace(catalog, retired=retired), kept).tolist() == [9]


def test_interactions_are_found_by_the_data_s_own_ids(tmp_path):
    catalog, ratings = small_world()
    keyed_catalog = replace(catalog, item_key=np.array([f"SKU-{item}" for item in catalog.item_id], object))
    keys = {user: f"u{user}" for user in ratings.users.tolist()}
    kept = ratings.take(ratings.item_id != 100)
    rows = "".join(f"u{user},SKU-100,1\n" for user in ratings.users)
    folder = written(tmp_path / "warm", f"user_id,item_id,timestamp\n{rows}nobody,SKU-100,1\nu10,SKU-9999,1\n")
    warmed = Warmed(Warmed.Settings(base="popularity", interactions=folder))
    warmed.name_users(keys)
    warmed.fit(keyed_catalog, kept, 1)
    assert (warmed.recommend(ask_for(ratings.users), 1).item_id == 100).all()


def test_interactions_of_other_data_are_refused(tmp_path):
    catalog, ratings = small_world()
    folder = written(tmp_path / "warm", "user_id,item_id,timestamp\n1,2,1\n")
    with pytest.raises(DataError, match="of no user and item of the data"):
        Warmed(Warmed.Settings(interactions=folder)).fit(catalog, ratings, 1)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"interactions": "nowhere"}, "got 'nowhere' without interactions.csv"),
        ({"base": "oracle"}, "knows the truth"),
        ({"base": "mf", "base_settings": {"factor": 3}}, "factor"),
        ({"clicks": 0}, "clicks"),
    ],
)
def test_what_it_cannot_take_is_refused(settings, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=reason):
        open_recommender("warmed", settings)
