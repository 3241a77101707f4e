from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Decisions, Mood, Slates
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.recommenders import Popularity, RandomRecommender, deterministic
from recsim_llm.testing import check_recommender, check_user_model, small_world


class Repeats(Popularity):
    def recommend(self, requests, k):
        return deterministic(np.repeat(super().recommend(requests, k).item_id[:, :1], k, axis=1))


class UnknownItem(Popularity):
    def recommend(self, requests, k):
        return deterministic(super().recommend(requests, k).item_id + 1)


class WrongShape(Popularity):
    def recommend(self, requests, k):
        return deterministic(super().recommend(requests, k).item_id[:, :-1])


class BareArray(Popularity):
    def recommend(self, requests, k):
        return super().recommend(requests, k).item_id


class OrderDependent(RandomRecommender):
    def recommend(self, requests, k):
        rows = np.arange(len(requests.user_id))
        return super().recommend(type(requests)(rows, *requests[1:]), k)


class CompanyDependent(RandomRecommender):
    def recommend(self, requests, k):
        return super().recommend(type(requests)(requests.user_id, requests.visit + requests.user_id.max(), *requests[2:]), k)


class GlobalRandom(RandomRecommender):
    calls = 0

    def recommend(self, requests, k):
        type(self).calls += 1
        return super().recommend(type(requests)(requests.user_id, requests.visit + type(self).calls, *requests[2:]), k)


class OwnSeed(RandomRecommender):
    made = 0

    def fit(self, catalog, ratings, seed):
        type(self).made += 1
        super().fit(catalog, ratings, type(self).made)


class MutatesRequests(Popularity):
    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        requests.history_item[:] = -1
        return slates


class MutatesFeedback(Popularity):
    def observe(self, requests, slates, clicked, rating):
        rating[:] = 0


class ZeroPropensity(Popularity):
    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        return Slates(slates.item_id, np.zeros(slates.item_id.shape, np.float32))


class SlateTooLikely(RandomRecommender):
    def recommend(self, requests, k):
        item, slot, prefix, slate, *_ = super().recommend(requests, k)
        return Slates(item, slot, prefix, np.ones_like(slate))


class MarginalIsNotPrefix(RandomRecommender):
    def recommend(self, requests, k):
        item, slot, prefix, *_ = super().recommend(requests, k)
        return Slates(item, slot / 2, prefix)


class IntegerPropensity(Popularity):
    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        return Slates(slates.item_id, np.ones(slates.item_id.shape, np.int64))


class KnownUsersOnly(Popularity):
    def recommend(self, requests, k):
        if not np.isin(requests.user_id, self._known.users).all():
            raise KeyError("who is this?")
        return super().recommend(requests, k)


class NeedsClicks(Popularity):
    def observe(self, requests, slates, clicked, rating):
        np.flatnonzero(clicked)[0]


class LastUserCounts(RandomRecommender):
    """Remembers only the last row of the feedback."""

    last = 0

    def observe(self, requests, slates, clicked, rating):
        self.last = int(requests.user_id[-1])

    def recommend(self, requests, k):
        return super().recommend(type(requests)(requests.user_id, requests.visit + self.last, *requests[2:]), k)


class ShowsRetired(Popularity):
    def fit(self, catalog, ratings, seed):
        super().fit(replace(catalog, retired=None), ratings, seed)


class KeepsItsStock(Popularity):
    def restock(self, catalog):
        pass


class NeverFills(Popularity):
    """Runs out of items that the user has not seen."""

    def recommend(self, requests, k):
        item = super().recommend(requests, k).item_id
        index = self._known.catalog.index_of(item)
        return deterministic(np.where(np.take_along_axis(self._known.seen(requests), index, axis=1), -1, item))


class Deaf(Popularity):
    class Settings(FrozenSettings):
        depth: int = 1


class SamePage(Popularity):
    def play_by(self, repeats):
        super().play_by("allow")


BREACHES = {
    Deaf: "refuses its own Settings",
    Repeats: "repeated",
    UnknownItem: "unknown",
    WrongShape: "of shape",
    BareArray: "expected Slates",
    OrderDependent: "another order",
    CompanyDependent: "half of the users",
    GlobalRandom: "asked the same again",
    OwnSeed: "second instance",
    MutatesRequests: "changed by recommend",
    MutatesFeedback: "changed by observe",
    ZeroPropensity: "above 0",
    SlateTooLikely: "more probable than one of its prefixes",
    MarginalIsNotPrefix: "position 0",
    IntegerPropensity: "expected floats",
    KnownUsersOnly: "KeyError",
    NeedsClicks: "IndexError",
    LastUserCounts: "same feedback",
    ShowsRetired: "retired",
    KeepsItsStock: "retired",
    NeverFills: "unknown item -1",
    SamePage: "was shown or rated before",
}


@pytest.mark.parametrize("broken", BREACHES, ids=lambda broken: broken.__name__)
def test_a_broken_recommender_is_caught(broken):
    with pytest.raises(ContractError, match=BREACHES[broken]) as caught:
        check_recommender(broken)
    assert broken.__name__ in str(caught.value)


def test_a_recommender_is_checked_on_the_given_world(make_world):
    catalog = make_world(items=30, retired=4).catalog
    _, ratings = small_world()
    check_recommender(Popularity, catalog=catalog, ratings=ratings)


def test_a_catalog_without_ratings_is_refused():
    with pytest.raises(ConfigError, match="both or none"):
        check_recommender(Popularity, catalog=small_world()[0])


# User models.


class Broken:
    """A sound user model in which one thing is broken."""

    def __init__(self, users):
        self._users = users
        self.levels = users.levels

    def __getattr__(self, name):
        return getattr(self._users, name)


class FallingLevels(Broken):
    def __init__(self, users):
        super().__init__(users)
        self.levels = users.levels[::-1]


class ExaminesTooMuch(Broken):
    def examination(self, user_index):
        return self._users.examination(user_index) + np.float32(1)


class DecidesWide(Broken):
    def decide(self, pages):
        return Decisions(self._users.decide(pages).click_log_odds.astype(float))


class DecidesNan(Broken):
    def decide(self, pages):
        return Decisions(self._users.decide(pages).click_log_odds * np.float32(np.nan))


class DecidesBare(Broken):
    def decide(self, pages):
        return self._users.decide(pages).click_log_odds


class DecidesByRow(Broken):
    def decide(self, pages):
        odds = self._users.decide(pages).click_log_odds
        return Decisions(odds + np.arange(len(odds), dtype=np.float32)[:, None])


class DecidesByCompany(Broken):
    def decide(self, pages):
        odds = self._users.decide(pages).click_log_odds
        return Decisions(odds - odds.mean())


class FallingCuts(Broken):
    def rating_log_odds(self, pages, slot, row):
        return self._users.rating_log_odds(pages, slot, row)[::-1]


class Unforgetting(Broken):
    visits = np.float32(0)

    def begin(self, rows, user_index, returning):
        self.visits += np.float32(1)
        self._users.begin(rows, user_index, returning)

    def return_log_odds(self, rows):
        return self._users.return_log_odds(rows) + self.visits


class MutatesPages(Broken):
    def update(self, pages, slot, row, rating):
        mood = self._users.update(pages, slot, row, rating)
        rating[:] = 0
        return mood


class MoodOfOneColumn(Broken):
    def update(self, pages, slot, row, rating):
        mood = self._users.update(pages, slot, row, rating)
        return Mood(mood.satisfaction, mood.leave_log_odds[:1])


class FailsOnBlanks(Broken):
    def decide(self, pages):
        if (pages.item_index < 0).any():
            raise IndexError("no such item")
        return self._users.decide(pages)


USER_BREACHES = {
    FallingLevels: "levels",
    ExaminesTooMuch: "probabilities from 0 to 1",
    DecidesWide: "float64",
    DecidesNan: "finite",
    DecidesBare: "expected Decisions",
    DecidesByRow: "another order",
    DecidesByCompany: "same user in every row|another order",
    FallingCuts: "ascending along axis 0",
    Unforgetting: "second first visit",
    MutatesPages: "changed by update",
    MoodOfOneColumn: "leave_log_odds",
    FailsOnBlanks: "no such item",
}


def test_sound_users_pass(world):
    check_user_model(world.users, world.catalog, world.population)


def test_a_single_user_can_be_checked(make_world):
    world = make_world(users=1)
    check_user_model(world.users, world.catalog, world.population)


@pytest.mark.parametrize("broken", USER_BREACHES, ids=lambda broken: broken.__name__)
def test_a_broken_user_model_is_caught(broken, world):
    with pytest.raises(ContractError, match=USER_BREACHES[broken]) as caught:
        check_user_model(broken(world.users), world.catalog, world.population)
    assert broken.__name__ in str(caught.value)


def test_the_small_world_is_the_same_every_time():
    first, second = small_world(), small_world()
    assert first[0].fingerprint == second[0].fingerprint
    assert first[1].fingerprint == second[1].fingerprint
