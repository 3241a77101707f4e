"""The history in a recommender's requests, against plain Python lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.core.histories import Histories
from recsim_llm.core.page_numbers import PageNumbers, with_room

ROWS, SLOTS = 4, 3


def padded(lists, blank):
    longest = max(map(len, lists))
    return [[*one, *[blank] * (longest - len(one))] for one in lists]


@given(steps=st.lists(st.tuples(st.integers(0, 2**32), st.sets(st.integers(0, ROWS - 1), min_size=1)), max_size=40))
@settings(max_examples=60)
def test_histories_are_those_of_lists(steps):
    histories = Histories(ROWS, SLOTS, actions=True)
    items, clicks, stars, actions = ([[] for _ in range(ROWS)] for _ in range(4))
    for seed, who in steps:
        random, rows = np.random.default_rng(seed), np.array(sorted(who))
        if seed % 7 == 0:
            histories.forget(rows)
            for column in (items, clicks, stars, actions):
                for row in rows:
                    column[row] = []
        item, clicked = random.integers(-1, 50, (len(rows), SLOTS)), random.random((len(rows), SLOTS)) < 0.5
        rating = np.where(clicked, 4, 0).astype(np.float32)
        did = random.integers(0, 4, (len(rows), SLOTS), np.uint8)
        histories.add(rows, item, clicked, rating)
        if seed % 2:
            histories.note(rows, did)
        for place, row in enumerate(rows):
            items[row] += item[place].tolist()
            clicks[row] += clicked[place].tolist()
            stars[row] += rating[place].tolist()
            actions[row] += did[place].tolist() if seed % 2 else [0] * SLOTS
        got = histories.of(rows)
        assert got[0].tolist() == padded([items[row] for row in rows], -1)
        assert got[1].tolist() == padded([clicks[row] for row in rows], False)
        assert np.nan_to_num(got[2], nan=-1).tolist() == padded([stars[row] for row in rows], -1)
        assert histories.actions(rows).tolist() == padded([actions[row] for row in rows], 0)
        assert histories.length(rows).tolist() == [len(items[row]) for row in rows]


def test_nobody_has_a_history_before_the_first_page():
    item, clicked, rating = Histories(ROWS, SLOTS).of(np.arange(2))
    assert item.shape == clicked.shape == rating.shape == (2, 0)


def test_a_page_of_every_life_has_the_same_number():
    numbers = PageNumbers(2)
    assert numbers.number(np.array([0, 1]), np.array([0, 0])).tolist() == [1, 2]
    assert numbers.number(np.array([1]), np.array([1])).tolist() == [3]
    assert numbers.number(np.array([1, 0]), np.array([0, 20])).tolist() == [2, 4]
    assert numbers.count == 5


def test_behind_the_last_page_of_a_row_is_nobodys():
    numbers = PageNumbers.of_all(2, 3)
    assert numbers.first(np.array([1, 0]), np.array([3, 1])).tolist() == [[4, 5, 6], [1, 0, 0]]


def test_room_that_is_added_is_empty_and_keeps_what_is_there():
    column = with_room(np.array([[7, 8]]), 4)
    assert column.tolist() == [[7, 8], [0, 0], [0, 0], [0, 0]]
    assert with_room(column, 3) is column
