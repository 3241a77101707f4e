"""What words did, measured on numbers made by hand: persuasion, faithfulness, obedience."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.catalog import Catalog
from recsim_llm.dynamics.reasons import ReasonReader
from recsim_llm.metrics.faithfulness import Explained, Past, judge_faithfulness, sum_faithfulness
from recsim_llm.metrics.persuasion import judge_persuasion, sum_persuasion
from recsim_llm.metrics.spoken_obedience import SpokenPages, judge_requests, sum_requests

CATALOG = Catalog.from_columns(
    item_id=[0, 1, 2, 3],
    title=["Quiet Hill", "Red Sea", "Old Songs", "Blue Moon"],
    genres=[["Drama"], ["Horror"], ["Drama"], ["Comedy"]],
    year=[1990, 2000, 2010, 2020],
)
NAN = float("nan")


def persuasion(**columns):
    given = {"user": [0, 0, 1, 1], "worded": [True] * 4, "clicked": [True, True, False, True], "users": 2}
    given |= {"click_prob": [0.4, 0.2, 0.4, 0.5], "plain_click_prob": [0.2, 0.2, 0.1, 0.25], "rating": [2.0, 5.0, NAN, 3.0]}
    user, worded, *rest = (given | columns).items()
    return judge_persuasion(sum_persuasion(user[1], worded[1], **dict(rest)))


def test_persuasion_is_the_difference_of_the_two_probabilities():
    found = persuasion()
    assert (found.slots, found.unknown) == (4, 0)
    assert found.lift.value == pytest.approx((0.2 + 0.0 + 0.3 + 0.25) / 4)


def test_clicks_are_divided_by_the_probability_that_the_words_caused_them():
    found = persuasion()
    assert found.caused.value == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert found.rating_caused.value == pytest.approx((2.0 * 0.5 + 3.0 * 0.5) / 1.0)
    assert found.rating_anyway.value == pytest.approx((2.0 * 0.5 + 5.0 + 3.0 * 0.5) / 2.0)
    assert found.regret.value == pytest.approx(found.rating_anyway.value - found.rating_caused.value)


def test_slots_without_words_and_of_users_who_were_not_asked_do_not_count():
    found = persuasion(worded=[True, False, True, True], plain_click_prob=[0.2, 0.2, NAN, NAN])
    assert (found.slots, found.unknown) == (1, 2)
    assert found.lift.value == pytest.approx(0.2)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=30))
def test_shares_are_shares_whatever_words_do(chances):
    chance, plain = np.array(chances).T
    ones = np.ones(len(chance), bool)
    found = judge_persuasion(
        sum_persuasion(
            np.arange(len(chance)),
            ones,
            click_prob=chance,
            plain_click_prob=plain,
            clicked=ones,
            rating=np.full(len(chance), 3.0),
            users=len(chance),
        )
    )
    assert 0 <= found.caused.value <= 1
    assert -1 <= found.lift.value <= 1
    assert found.regret.value in (None, pytest.approx(0.0))


def test_the_share_of_caused_clicks_is_what_drawing_both_with_one_die_comes_to():
    rng = np.random.default_rng(5)
    plain = rng.uniform(0.05, 0.4, 200_000)
    chance = np.minimum(plain * rng.uniform(1, 2, 200_000), 1)
    die = rng.uniform(size=200_000)
    found = judge_persuasion(
        sum_persuasion(
            np.arange(200_000) % 500,
            np.ones(200_000, bool),
            click_prob=chance,
            plain_click_prob=plain,
            clicked=die < chance,
            rating=np.full(200_000, 3.0),
            users=500,
        )
    )
    assert found.caused.value == pytest.approx(((die < chance) & (die >= plain)).sum() / (die < chance).sum(), abs=0.005)


def faithful(*slots, past=()):
    user, order, item, text = (np.array(column) for column in zip(*slots, strict=True))
    who, when, what, stars = (np.array(column) for column in zip(*past, strict=True)) if past else np.empty((4, 0))
    explained = Explained(user=user, order=order, item=item, text=text.astype(object), friend=None)
    known = Past(user=who.astype(int), order=when.astype(int), item=what.astype(int), rating=stars.astype(float))
    reader = ReasonReader.of_catalog(CATALOG)
    return judge_faithfulness(sum_faithfulness(reader, explained, known, genres=CATALOG.genres, users=2))


def test_reasons_are_held_against_the_catalog_and_against_what_the_user_had_consumed_before_the_page():
    drama, horror = "Because you like Drama.", "Because you like Horror."
    past = [(0, -1, 2, 3.0), (1, 4, 2, 3.0)]
    found = faithful((0, 0, 0, drama), (0, 1, 0, horror), (1, 3, 0, drama), (1, 5, 0, drama), past=past)
    assert found.in_catalog.value == 3 / 4
    assert found.of_user.value == 2 / 4
    assert found.faithful.value == 2 / 4
    assert found.kinds == {"genre": 4}


def test_whoever_is_said_to_have_liked_something_must_have_liked_it_and_in_free_text_have_taken_it():
    liked, took = 'Because you liked "Old Songs".', 'Drama, as in "Old Songs", which you took.'
    past = [(0, -1, 2, 3.0), (1, -1, 2, 4.0)]
    found = faithful((0, 0, 0, liked), (0, 1, 0, took), (1, 0, 0, liked), (1, 1, 0, took), past=past)
    assert found.in_catalog.value == 1.0
    assert found.of_user.value == 3 / 4


def test_what_names_nothing_is_unreadable_and_neither_true_nor_false():
    found = faithful((0, 0, 0, "You will love it"), (0, 1, 0, "Because you like Drama."), past=[(0, -1, 2, 3.0)])
    assert found.explanations == 2
    assert found.readable.value == 1 / 2
    assert found.faithful.value == 1.0


def test_the_same_item_is_explained_consistently_where_the_same_is_named_as_the_time_before():
    year, drama = "Released in 1990.", "Because you like Drama."
    slots = [(0, 0, 0, year), (0, 1, 0, year), (0, 2, 0, drama), (0, 3, 2, drama), (1, 0, 0, drama)]
    found = faithful(*slots)
    assert found.repeated == 2
    assert found.consistent.value == 1 / 2


def test_reasons_in_another_order_are_the_same_reasons():
    found = faithful((0, 0, 0, "Drama, released in 1990"), (0, 1, 0, "From 1990, a drama"))
    assert (found.repeated, found.consistent.value) == (1, 1.0)


def obedience(pages, texts, visit=None):
    item = np.array(pages)
    return judge_requests(
        sum_requests(
            SpokenPages(
                user=np.zeros(len(item), int),
                visit=np.zeros(len(item), int) if visit is None else np.array(visit),
                item=item,
                passed=item >= 0,
                text=np.array(texts, object),
            ),
            genre_names=CATALOG.genre_names,
            genres=CATALOG.genres,
            year=CATALOG.year,
            violent=np.array([name == "Horror" for name in CATALOG.genre_names]),
            users=1,
        )
    )


def test_a_request_is_obeyed_where_the_next_page_shows_nothing_of_the_kind():
    found = obedience(
        [[0, 1], [3, 1], [2, 0]], [["Less Drama, please.", None], [None, "Nothing violent, please."], [None, None]]
    )
    assert found.requests == 2
    assert found.obeyed.value == 1.0
    assert (found.before.value, found.after.value, found.obedience.value) == (0.5, 0.0, 1.0)


def test_who_goes_on_as_before_obeys_nothing():
    found = obedience([[0, 1], [0, 1]], [["Less Drama, please.", None], [None, None]])
    assert found.obeyed.value == 0.0
    assert found.obedience.value == pytest.approx(0.0)


def test_requests_at_the_end_of_a_visit_and_for_more_are_not_judged():
    texts = [["Less Drama, please.", "More Horror like this, please."], [None, None]]
    assert obedience([[0, 1], [0, 1]], texts, visit=[0, 1]).requests == 0
    assert obedience([[0, 1], [0, 1]], [[None, texts[0][1]], [None, None]]).requests == 0


def test_what_is_too_old_is_asked_for_by_its_year():
    found = obedience([[1, 3], [2, 3]], [["Something newer than 2000, please.", None], [None, None]])
    assert (found.requests, found.obeyed.value) == (1, 1.0)
