"""Obedience: near 1 of a recommender that heeds what users refuse, near 0 of one that is deaf, whatever else it does."""

import numpy as np
import pytest

from recsim_llm.errors import DataError
from recsim_llm.metrics.obedience import judge_refusals, sum_refusals

GENRES, USERS, PAGES, SLOTS = 8, 60, 12, 6
ITEMS = 400


def table():
    """Every item has one genre."""
    return np.eye(GENRES, dtype=bool)[np.arange(ITEMS) % GENRES]


def world(obeys, seed=0, drift=0.0):
    """Users see items of random genres, refuse some of genre 0 to 2, and are heeded with a probability.

    With ``drift`` the first genres become rarer page by page, whoever refuses what.
    """
    rng = np.random.default_rng(seed)
    item = np.empty((USERS, PAGES, SLOTS), np.int64)
    refused, passed = np.zeros((2, USERS, PAGES, SLOTS), bool)
    for user in range(USERS):
        unwanted = np.zeros(GENRES, bool)
        for page in range(PAGES):
            weight = np.where(np.arange(GENRES) < 3, np.exp(-drift * page), 1.0) * np.where(unwanted, 1 - obeys, 1.0)
            genre = rng.choice(GENRES, SLOTS, p=weight / weight.sum())
            item[user, page] = genre + GENRES * rng.choice(ITEMS // GENRES, SLOTS, replace=False)
            refused[user, page] = (genre < 3) & (rng.random(SLOTS) < 0.15)
            passed[user, page] = ~refused[user, page]
            unwanted[genre[refused[user, page]]] = True
    flat = (USERS * PAGES, SLOTS)
    return {
        "user": np.repeat(np.arange(USERS), PAGES),
        "visit": np.tile(np.arange(PAGES) // 4, USERS),
        "item": item.reshape(flat),
        "refused": refused.reshape(flat),
        "passed": passed.reshape(flat),
        "recommended": np.ones(flat[0], bool),
        "genres": table(),
    }


def test_who_obeys_is_near_one_and_shows_nothing_similar_again():
    found = judge_refusals(sum_refusals(**world(1.0)))
    assert found.obedience.value == 1.0
    assert (found.visit.value, found.later.value) == (0.0, 0.0)
    assert found.before.value > 0.03


@pytest.mark.parametrize("seed", range(3))
def test_who_is_deaf_is_near_zero(seed):
    found = judge_refusals(sum_refusals(**world(0.0, seed))).obedience
    assert abs(found.value) < 0.15
    assert not found.excludes(0.0)


def test_who_obeys_by_half_is_in_between():
    found = judge_refusals(sum_refusals(**world(0.5))).obedience
    assert found.low > 0.1
    assert found.high < 0.7


def test_what_becomes_rarer_for_everyone_is_no_obedience():
    columns = world(0.0, seed=4, drift=0.15)
    # Everything that becomes rarer is passed over as well as refused.
    columns["passed"] &= columns["item"] % GENRES < 3
    found = judge_refusals(sum_refusals(**columns))
    assert 1 - (found.visit.value + found.later.value) / 2 / found.before.value > 0.2
    assert not found.obedience.excludes(0.0)


def by_hand(**changes):
    columns = {
        "user": [5, 5, 5],
        "visit": [0, 0, 1],
        "item": [[0, 8, 1], [16, 2, 3], [24, 32, 4]],
        "refused": [[True, False, False], [False] * 3, [False] * 3],
        "passed": [[False, False, True], [False] * 3, [False] * 3],
        "recommended": [True, True, True],
        "genres": table(),
    }
    return judge_refusals(sum_refusals(**columns | changes))


def test_shares_by_hand():
    found = by_hand()
    assert found.refusals == 1
    # Beside item 0: items 8 and 1, of which 8 is of the genre; then 16 of three; then 24 and 32 of three.
    assert found.before.value == pytest.approx(1 / 2)
    assert found.visit.value == pytest.approx(1 / 3)
    assert found.later.value == pytest.approx(2 / 3)
    # Item 1 was passed over: of item 8 alone, since item 0 was refused, and none of the pages after has its genre.
    assert (found.passed_before.value, found.passed_after.value) == (0.0, 0.0)


def test_pages_that_nobody_recommended_do_not_count():
    found = by_hand(recommended=[True, False, True])
    assert found.visit.value is None
    assert found.later.value == pytest.approx(2 / 3)


def test_nobody_who_refuses_leaves_nothing_to_tell():
    found = by_hand(refused=np.zeros((3, 3), bool))
    assert found.refusals == 0
    assert found.obedience.value is None


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="visit"):
        by_hand(visit=[0, 0])
