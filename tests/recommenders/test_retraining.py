"""Recommenders that are fitted anew in the middle of a run: on what, when, and what they are told then."""

import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core.pages import Slates
from recsim_llm.recommenders import MatrixFactorization, Popularity, Recommender, Retrained, deterministic
from recsim_llm.testing import check_recommender


class Diary(Recommender):
    """Notes what it is fitted on and asked."""

    def __init__(self):
        self.fits, self.asked = [], []

    def fit(self, catalog, ratings, seed):
        self.catalog = catalog
        rows = zip(ratings.user_id, ratings.item_id, ratings.rating, ratings.timestamp, strict=True)
        self.fits.append(([tuple(map(float, row)) for row in rows], seed))

    def recommend(self, requests, k):
        self.asked.append(requests)
        return deterministic(np.tile(self.catalog.item_id[:k], (len(requests.user_id), 1)))

    def observe(self, requests, slates, clicked, rating):
        pass


def play(recommender, pages, users=(7, 8), clicked=((True, False), (False, True)), visits=1):
    """Show every user some pages of two slots in each visit; user 7 gives 5 stars, user 8 none."""
    users, history = np.array(users), np.full((len(users), 0), -1)
    known = np.zeros(history.shape, np.bool_)
    for number in range(visits * pages):
        requests = ask_for(users, history, known, visit=number // pages, page=number % pages)
        slates = recommender.recommend(requests, 2)
        click = np.array(clicked)
        rating = np.where(click & (users == 7)[:, None], np.float32(5), np.float32(np.nan))
        recommender.observe(requests, Slates(slates.item_id), click, rating)
        history, known = np.concatenate([history, slates.item_id], axis=1), np.concatenate([known, click], axis=1)


WORLD = make_catalog(4), make_ratings([1, 2], [12, 13])


@pytest.mark.parametrize("every", ["visit", 1, 2])
def test_it_keeps_the_contract(every):
    check_recommender(lambda: Retrained(MatrixFactorization(MatrixFactorization.Settings(factors=4)), every))


def test_clicks_are_added_as_later_ratings_in_order_of_pages_and_users():
    diary = Diary()
    play(fitted(Retrained(diary, 2), WORLD), pages=3)
    first, again = diary.fits
    assert again[1] == first[1] == 3
    assert first[0] == [(1, 12, 4, 0), (2, 13, 4, 1)]
    assert again[0] == [*first[0], (7, 10, 5, 2), (8, 11, 4, 2), (7, 10, 5, 3), (8, 11, 4, 3)]


@pytest.mark.parametrize(("every", "fits"), [(1, 6), (2, 3), (4, 2), (9, 1), ("visit", 2)])
def test_fits_come_at_the_barriers_that_were_named(every, fits):
    diary = Diary()
    play(fitted(Retrained(diary, every), WORLD), pages=3, visits=2)
    assert len(diary.fits) == fits


def test_by_day_it_is_fitted_before_the_first_page_of_a_day_once_somebody_came():
    diary = Diary()
    recommender = fitted(Retrained(diary, "day"), WORLD)
    recommender.begin_day()
    recommender.begin_day()
    play(recommender, pages=2)
    assert len(diary.fits) == 1
    recommender.begin_day()
    recommender.begin_day()
    play(recommender, pages=2)
    assert len(diary.fits) == 2


def test_clicks_of_an_earlier_day_come_before_those_of_a_lower_visit():
    diary = Diary()
    recommender = fitted(Retrained(diary, "day"), WORLD)
    for visit, user in ((3, 9), (0, 7), (0, 8)):
        recommender.begin_day()
        request = ask_for([user], np.full((1, 0), -1), np.zeros((1, 0), np.bool_), visit=visit, page=0)
        slates = recommender.recommend(request, 2)
        recommender.observe(request, slates, np.array([[True, False]]), np.full((1, 2), np.nan, np.float32))
    assert [row[0] for row in diary.fits[-1][0]] == [1, 2, 9, 7]


def test_a_click_that_was_trained_on_is_shown_but_no_click_any_more():
    diary = Diary()
    play(fitted(Retrained(diary, 2), WORLD), pages=4)
    assert [requests.history_clicked.sum() for requests in diary.asked] == [0, 2, 0, 2]
    assert [requests.history_item.shape[1] for requests in diary.asked] == [0, 2, 4, 6]
    assert np.isnan(diary.asked[2].history_rating).all()


def test_a_new_fit_of_the_first_ratings_forgets_the_run():
    diary = Diary()
    recommender = fitted(Retrained(diary, 1), WORLD)
    play(recommender, pages=2)
    fitted(recommender, WORLD)
    recommender.recommend(ask_for([7]), 2)
    assert diary.fits[-1] == diary.fits[0]


def test_what_people_click_becomes_popular():
    catalog, ratings = make_catalog(6), make_ratings([1, 2, 3, 1, 2], [15, 15, 15, 14, 14])
    recommender = fitted(Retrained(Popularity(), 1), (catalog, ratings))
    users = np.arange(100, 105)
    shown = Slates(np.tile([[10, 15]], (5, 1)))
    recommender.observe(ask_for(users), shown, np.tile([[True, False]], (5, 1)), np.full((5, 2), np.nan, np.float32))
    assert recommender.recommend(ask_for([900], page=1), 3).item_id.tolist() == [[10, 15, 14]]
