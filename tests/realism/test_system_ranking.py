"""System ranking: recommenders, their pages, the truth about them, and how rankings are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau
from small_data import ask_for, make_catalog, make_ratings

from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.realism import CardSettings, choice_candidate, hold_out
from recsim_llm.realism.lines.cost import MeteredFactory
from recsim_llm.realism.lines.system_ranking import HALVES, kendall_tau, pairwise_accuracy, ranking_line
from recsim_llm.realism.policies import BAD, FAMILIES, GOOD, POLICIES, discounts, policy_pages, truth_of
from recsim_llm.realism.policy_trials import run_policy_trials
from recsim_llm.realism.trials import run_trials
from recsim_llm.realism.whole_card import CHOICE_FAMILIES, Subject
from recsim_llm.recommenders.classics import (
    BestRated,
    GenreProfile,
    Newest,
    NextItem,
    PairwiseFactors,
    PopularLately,
    RandomWalk,
    UserKNN,
)

SETTINGS = CardSettings(seeds=(1,), resamples=40, panel_items=20)
SMALL = [Newest, PopularLately, BestRated, GenreProfile, UserKNN, RandomWalk, NextItem, PairwiseFactors]


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


@pytest.fixture(scope="module")
def held(dataset):
    return hold_out(dataset)


@pytest.fixture(scope="module")
def pages(held):
    return policy_pages(held.training, np.unique(held.user_index), seed=1)


class Knowing:
    """Likes what is held out, or what is not."""

    def __init__(self, training, held, sign=1.0):
        self.levels = training.ratings.levels
        self._score = np.full((len(training.ratings.users), len(training.catalog)), -6.0 * sign)
        self._score[held.user_index, held.item_index] = 6.0 * sign

    def taste(self, user_index, item_index):
        return self._score[user_index[:, None], item_index]

    def stars(self, user_index, item_index):
        return np.full((*item_index.shape, len(self.levels)), 1 / len(self.levels))


def studies(dataset, factory, settings=SETTINGS):
    metered = MeteredFactory(factory, 20)
    trials = run_trials(dataset, "mine", metered, settings)
    return run_policy_trials(trials, {"mine": metered.built})


def line_of(dataset, factory, families=()):
    return ranking_line(studies(dataset, factory), SETTINGS, families=families)


@given(arrays(np.int64, (2, 7), elements=st.integers(0, 4)))
def test_tau_is_that_of_scipy(values):
    expected = kendalltau(*values).statistic
    found = kendall_tau(*(row[None].astype(np.float64) for row in values))[0]
    assert found == pytest.approx(expected, nan_ok=True)


def test_pairs_count_where_the_truth_differs_and_ties_count_half():
    truth = np.array([[1.0, 2.0, 2.0, 3.0]])
    assert pairwise_accuracy(truth, truth)[0] == 1
    assert pairwise_accuracy(-truth, truth)[0] == 0
    assert pairwise_accuracy(np.zeros((1, 4)), truth)[0] == 0.5
    assert np.isnan(pairwise_accuracy(truth, np.ones((1, 4)))[0])


def test_twelve_recommenders_are_left_without_the_families_of_choice_users():
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)
    assert sum(policy.family not in CHOICE_FAMILIES for policy in POLICIES) >= 12
    assert {GOOD, BAD} <= {policy.name for policy in POLICIES}
    assert set(CHOICE_FAMILIES) <= set(FAMILIES)


def test_users_who_know_the_held_out_part_rank_as_it_does_and_their_opposites_do_not(dataset, held):
    right = line_of(dataset, lambda training, seed: Knowing(training, held))
    wrong = line_of(dataset, lambda training, seed: Knowing(training, held, sign=-1.0))
    assert right.measures[0].candidate.estimate.value > 0.85
    assert wrong.measures[0].candidate.estimate.value < -0.85
    assert right.measures[0].row(HALVES).estimate.value > 0.6
    assert "by bootstrap over the 17 recommenders" in right.measures[0].candidate.note


def test_the_headline_leaves_out_the_families_that_users_were_built_from(dataset, held):
    line = line_of(dataset, lambda training, seed: Knowing(training, held), CHOICE_FAMILIES)
    names = [measure.name for measure in line.measures]
    assert names[:2] == ["Kendall tau, own family left out", "Kendall tau, all recommenders"]
    assert "by bootstrap over the 13 recommenders" in line.measures[0].candidate.note
    table = line.curves["recommenders"]
    assert [row["name"] for row in table] == [policy.name for policy in POLICIES]
    assert set(line.curves["left out"]) == set(FAMILIES)


def test_a_family_that_nobody_has_is_refused():
    with pytest.raises(ConfigError, match="family: got 'astrology'"):
        Subject(name="mine", factory=choice_candidate, families=("astrology",))


def test_pages_hold_nothing_that_was_rated_in_the_training_part_and_no_item_twice(held, pages):
    known = set(
        zip(
            held.training.ratings.user_index.tolist(),
            held.training.catalog.index_of(held.training.ratings.item_id).tolist(),
            strict=True,
        )
    )
    for user, of_user in zip(pages.user_index.tolist(), pages.item_index.tolist(), strict=True):
        for page in of_user:
            assert len(set(page)) == len(page)
            assert not known & {(user, item) for item in page}


def test_what_is_asked_once_is_found_again_on_every_page(pages):
    back = np.take_along_axis(pages.asked, pages.place.reshape(len(pages.asked), -1), axis=1)
    assert np.array_equal(back.reshape(pages.item_index.shape), pages.item_index)
    ones = pages.values(np.ones(pages.asked.shape))
    assert ones == pytest.approx(np.full(ones.shape, discounts(10).sum()))


def test_the_truth_is_one_for_a_page_of_held_out_items_alone(held, pages):
    perfect = pages.item_index.copy()
    for row, user in enumerate(pages.user_index):
        own = np.unique(held.item_index[held.user_index == user])[:10]
        perfect[row, 0, : len(own)] = own
        others = np.setdiff1d(np.arange(len(held.training.catalog)), held.item_index[held.user_index == user])
        perfect[row, 0, len(own) :] = others[: 10 - len(own)]
        perfect[row, 1] = others[:10]
    truth = truth_of(pages._replace(item_index=perfect), held)
    for name in ("NDCG", "recall"):
        assert truth[name][:, 0] == pytest.approx(np.ones(len(perfect)))
        assert not truth[name][:, 1].any()


def other_labels(dataset):
    """Return the data with other stars and other items in the held-out part, none of them rated before."""
    ratings, items = dataset.ratings, len(dataset.catalog)
    rows = replace(dataset, ratings=replace(ratings, rating=np.arange(len(ratings), dtype=np.float32)))
    late = hold_out(rows).rating.astype(np.int64)
    item = dataset.catalog.index_of(ratings.item_id)
    rated = {user: set(item[ratings.user_index == user].tolist()) for user in range(len(ratings.users))}
    stars, moved = ratings.rating.copy(), item.copy()
    for row in late.tolist():
        user = int(ratings.user_index[row])
        moved[row] = next(place for place in range((7 * row) % items, 2 * items) if place % items not in rated[user]) % items
        rated[user].add(int(moved[row]))
        stars[row] = 1 if stars[row] > 1 else 5
    return replace(dataset, ratings=replace(ratings, rating=stars, item_id=dataset.catalog.item_id[moved]))


def test_other_held_out_labels_change_no_page_and_no_score_of_the_candidate(dataset):
    few = replace(dataset, ratings=dataset.ratings.take(np.arange(1000)))
    (one,), (two,) = (studies(data, choice_candidate) for data in (few, other_labels(few)))
    assert one.held.training.fingerprint == two.held.training.fingerprint
    assert not np.array_equal(one.truth["NDCG"], two.truth["NDCG"])
    assert np.array_equal(one.pages.item_index, two.pages.item_index)
    assert np.array_equal(one.chance["mine"], two.chance["mine"])
    assert np.array_equal(one.stars["mine"], two.stars["mine"])


@pytest.mark.parametrize("kind", SMALL)
def test_a_small_recommender_gives_the_same_page_again_and_to_whoever_asks_beside(kind):
    random = np.random.default_rng(3)
    catalog, ratings = make_catalog(40), make_ratings(random.integers(1, 9, 120), 10 + random.integers(0, 40, 120))
    first, second = kind(), kind()
    for recommender in (first, second):
        recommender.fit(catalog, ratings, 5)
    page = first.recommend(ask_for([1, 4, 7, 999]), 6).item_id
    assert np.array_equal(page, second.recommend(ask_for([1, 4, 7, 999]), 6).item_id)
    assert np.array_equal(page[1:2], second.recommend(ask_for([4]), 6).item_id)
    assert all(len(set(row)) == 6 for row in page.tolist())


def test_neighbours_walkers_and_chains_follow_what_others_consumed():
    # Users 1 and 2 consumed items 10 and 11 in this order, user 3 only item 10; 12 and 13 belong to user 4 alone.
    ratings = make_ratings([1, 1, 2, 2, 3, 4, 4], [10, 11, 10, 11, 10, 12, 13])
    for kind in (UserKNN, RandomWalk, NextItem):
        recommender = kind()
        recommender.fit(make_catalog(6), ratings, 1)
        assert recommender.recommend(ask_for([3]), 1).item_id.tolist() == [[11]]


def test_factors_learned_from_pairs_tell_two_groups_apart():
    user = np.repeat(np.arange(1, 41), 6)
    random = np.random.default_rng(0)
    item = np.concatenate([random.choice(10, 6, replace=False) + 10 * (one % 2) for one in range(1, 41)])
    recommender = PairwiseFactors(4, epochs=400)
    recommender.fit(make_catalog(20), make_ratings(user, 10 + item), 1)
    page = recommender.recommend(ask_for(np.arange(1, 41)), 2).item_id - 10
    own = (page >= 10) == (np.arange(1, 41) % 2 == 1)[:, None]
    assert own.mean() > 0.9


def test_newest_best_rated_and_popular_lately_are_what_they_say():
    ratings = make_ratings([1, 1, 2, 3, 4, 5, 6, 7], [10, 10, 10, 10, 11, 12, 13, 13])
    ratings = replace(ratings, rating=np.array([3, 3, 3, 3, 5, 1, 3, 3], np.float32))
    catalog = make_catalog(4, year=[1999, -1, 2010, 2001])
    first = {}
    for name, recommender in (("new", Newest()), ("best", BestRated(1.0)), ("late", PopularLately(0.25))):
        recommender.fit(catalog, ratings, 1)
        first[name] = recommender.recommend(ask_for([99]), 4).item_id[0].tolist()
    assert first["new"] == [12, 13, 10, 11]
    assert first["best"][0] == 11
    assert first["best"][-1] == 12
    assert first["late"][0] == 13


def test_a_genre_profile_follows_genres(held):
    recommender = GenreProfile()
    recommender.fit(held.training.catalog, held.training.ratings, 1)
    shares = held.training.catalog.genres / held.training.catalog.genres.sum(axis=1, keepdims=True)
    users = held.training.ratings.users
    page = held.training.catalog.index_of(recommender.recommend(ask_for(users), 10).item_id)
    known = held.training.catalog.index_of(held.training.ratings.item_id)
    own = np.array([shares[known[held.training.ratings.user_index == user]].mean(axis=0) for user in range(len(users))])
    lift = own / shares[known].mean(axis=0)
    mine = np.mean([shares[row].mean(axis=0) @ lift[user] for user, row in enumerate(page)])
    other = np.mean([shares[row].mean(axis=0) @ lift[user - 1] for user, row in enumerate(page)])
    assert mine > 1.2 * other


@pytest.mark.parametrize(
    "build",
    [
        lambda: PopularLately(0),
        lambda: BestRated(0),
        lambda: UserKNN(0),
        lambda: NextItem(0),
        lambda: PairwiseFactors(0),
    ],
)
def test_settings_of_small_recommenders_that_cannot_work_are_refused(build):
    with pytest.raises(ConfigError, match="got 0"):
        build()
