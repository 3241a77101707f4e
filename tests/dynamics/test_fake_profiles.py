"""Fake users: what each recipe puts into a profile, and what it does not change."""

import numpy as np
import pytest

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE, ProfileAttack, fake_ratings, with_fakes
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError

ITEMS, USERS = 60, 40
GENRES = [["Drama"] if item % 2 else ["War"] for item in range(ITEMS)]
CATALOG = Catalog.from_columns(
    item_id=100 + np.arange(ITEMS), title=[str(item) for item in range(ITEMS)], genres=GENRES, popularity=np.zeros(ITEMS)
)
"""Item 100 + n is rated by the more users, and the better, the smaller n is."""
USER, ITEM = np.nonzero(np.arange(USERS)[:, None] >= np.arange(ITEMS)[None] * 0.7)
GENUINE = Ratings(
    user_id=USER, item_id=100 + ITEM, rating=np.clip(5 - ITEM // 8, 1, 5).astype(np.float32), timestamp=np.arange(len(USER))
)
TARGET = 153


def attacked(kind="bandwagon", seed=1, place=0, **more):
    attack = ProfileAttack(items=ItemSelection(items=more.pop("pushed", [TARGET])), kind=kind, **{"filler": 10, **more})
    return fake_ratings(attack, CATALOG, GENUINE, seed=seed, place=place)


def profiles(ratings):
    return [ratings.take(ratings.user_id == user) for user in ratings.users.tolist()]


@pytest.mark.parametrize("kind", ["random", "average", "bandwagon", "segment"])
def test_every_fake_user_gives_the_pushed_item_the_most_stars_among_others(kind):
    fakes = attacked(kind, share=0.1)
    assert len(fakes.users) == 4
    assert (fakes.users >= FIRST_FAKE).all()
    for one in profiles(fakes):
        assert len(np.unique(one.item_id)) == len(one) == 11
        assert one.rating[one.item_id == TARGET].tolist() == [5.0]
        assert np.isin(one.rating, GENUINE.levels).all()
        assert (one.timestamp == GENUINE.timestamp.max()).all()
    assert len({tuple(one.item_id) for one in profiles(fakes)}) == 4
    assert {np.flatnonzero(one.item_id == TARGET)[0] for one in profiles(attacked(kind, share=1.0))} > {0, 10}


def test_a_bandwagon_loves_what_most_have_rated_and_a_segment_what_is_like_the_pushed():
    for one in profiles(attacked("bandwagon")):
        assert set(one.item_id[one.rating == 5]) >= {100, 101, 102, 103, 104, TARGET}
    for one in profiles(attacked("segment")):  # 153 is a drama, as are all odd ones
        loved = one.item_id[one.rating == 5]
        assert set(loved) == {101, 103, 105, 107, 109, TARGET}
        assert set(one.rating[~np.isin(one.item_id, loved)]) == {1.0}
    assert [one.item_id.tolist() for one in profiles(attacked("plain"))] == [[TARGET]] * 2


def test_stars_lie_around_the_mean_of_all_or_of_each_item():
    def error(kind):
        fakes = attacked(kind, share=1.0)
        item = CATALOG.index_of(fakes.item_id)
        own = (fakes.item_id != TARGET) & (item < 50)
        return np.abs(fakes.rating - np.clip(5 - item // 8, 1, 5))[own].mean()

    assert error("average") < 0.1 < error("random")


def test_draws_hang_on_seed_place_and_number_alone():
    few, many, other, elsewhere = attacked(share=0.1), attacked(share=0.5), attacked(seed=2), attacked(place=1)
    assert (many.item_id[: len(few)] == few.item_id).all()
    assert (many.rating[: len(few)] == few.rating).all()
    assert not np.array_equal(other.item_id, attacked().item_id)
    assert not np.isin(elsewhere.users, many.users).any()
    each = attacked("plain", share=1.0, pushed=[150, 151, 153], each=1)
    assert (np.bincount(each.item_id - 150, minlength=4)[[0, 1, 3]] > 5).all()
    assert len(each) == USERS


def test_they_count_for_popularity_and_follow_the_genuine():
    attack = ProfileAttack(items=ItemSelection(items=[TARGET]), kind="plain", share=0.1)
    catalog, ratings = with_fakes(attack, CATALOG, GENUINE, seed=1)
    assert catalog.popularity.sum() == catalog.popularity[53] == 4
    assert (ratings.user_id[: len(GENUINE)] == GENUINE.user_id).all()


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ConfigError, match="attack, filler: got 70 of 60 items, expected at most 59"):
        attacked(filler=70)
    with pytest.raises(ConfigError, match="items: got 7, expected ids of the catalog"):
        attacked(pushed=[7])
    genuine = Ratings(user_id=[FIRST_FAKE], item_id=[100], rating=[3.0], timestamp=[0])
    with pytest.raises(ConfigError, match="got user_id 1099511627776 in the data, expected ids below"):
        fake_ratings(ProfileAttack(items=ItemSelection(items=[TARGET])), CATALOG, genuine, seed=1)
