"""Chats: who talks to whom about which item, and what it does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.dynamics.chats import Chats, opinion
from recsim_llm.dynamics.influence import Influence
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.friendships import Friendships
from tests.support.living import tiny_catalog

USER_ID = np.array([50, 10, 40, 20, 30])
PAIRS = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4)]
ITEMS = 6
EVERY_ITEM = np.tile(np.arange(ITEMS), (5, 1))
NOTHING = np.zeros(0, np.int64)


def make_chats(pairs=PAIRS, user_id=USER_ID, items=ITEMS, seed=3, **settings):
    graph = Friendships.from_pairs(len(user_id), [one for one, _ in pairs], [other for _, other in pairs])
    settings = {"share": 1.0, "strength": 1.0, "memory": 0.5, "limit": 1.5} | settings
    return Chats(graph, user_id=np.asarray(user_id), items=items, seed=seed, **settings)


def talk(chats, *consumed, step=0, days=1.0):
    """Let friends chat about rows of (user, item, stars); return what was said as tuples."""
    row, item = (np.array([one[place] for one in consumed], np.int64) for place in (0, 1))
    said = chats.talk(row, item, np.array([one[2] for one in consumed], np.float32), step=step, days=days)
    return list(zip(*(column.tolist() for column in said), strict=True))


def felt(chats):
    table = chats.shift(slice(None), EVERY_ITEM)
    return {(int(row), int(item)): round(float(table[row, item]), 6) for row, item in np.argwhere(table)}


def test_friends_of_who_consumed_something_hear_of_it_and_nobody_else_does():
    chats = make_chats()
    assert talk(chats, (0, 2, 5.0)) == [(1, 2, 0, 5.0), (2, 2, 0, 5.0), (3, 2, 0, 5.0)]
    assert felt(chats) == {(1, 2): 1.0, (2, 2): 1.0, (3, 2): 1.0}


def test_a_chat_is_about_one_item_of_one_of_the_two():
    chats = make_chats(pairs=[(0, 1)], user_id=np.array([1, 2]), items=6)
    for step in range(200):
        ((listener, item, speaker, stars),) = talk(chats, (0, 1, 4.0), (0, 2, 2.0), (1, 5, 3.0), step=step)
        assert (speaker, item, stars) in {(0, 1, 4.0), (0, 2, 2.0), (1, 5, 3.0)}
        assert {listener, speaker} == {0, 1}


def test_each_item_of_the_two_is_as_likely_as_the_others():
    users = 6000
    ring = [(one, one + 1) for one in range(0, users, 2)]
    chats = make_chats(pairs=ring, user_id=np.arange(users) + 9, items=3)
    consumed = [(one, item, 5.0) for one in range(0, users, 2) for item in (0, 1)] + [
        (one, 2, 5.0) for one in range(1, users, 2)
    ]
    items = np.array([item for _, item, _, _ in talk(chats, *consumed)])
    assert len(items) == users // 2
    # A standard error of a share is 0.0086.
    assert np.bincount(items) / len(items) == pytest.approx([1 / 3] * 3, abs=0.035)


def test_the_share_of_the_friendships_that_chat_is_the_one_asked_for():
    users = 8000
    chats = make_chats(pairs=[(one, one + 1) for one in range(0, users, 2)], user_id=np.arange(users), share=0.3)
    said = talk(chats, *[(one, 1, 5.0) for one in range(0, users, 2)])
    assert len(said) / (users // 2) == pytest.approx(0.3, abs=0.03)


def test_a_bad_opinion_talks_a_friend_out_of_an_item():
    chats = make_chats(strength=2.0)
    talk(chats, (4, 1, 1.5))
    assert felt(chats) == {(3, 1): -1.5}


def test_opinions_run_from_one_star_to_five_and_who_gives_none_speaks_well():
    assert opinion(np.array([0.5, 1.0, 3.0, 4.0, 5.0, np.nan])).tolist() == [-1.0, -1.0, 0.0, 0.5, 1.0, 1.0]


def test_what_was_said_fades_either_way_and_adds_up_to_the_limit():
    chats = make_chats(memory=0.5, limit=1.5)
    talk(chats, (4, 1, 5.0), (4, 2, 1.0), step=0)
    (first,) = felt(chats).values()
    talk(chats, step=1, days=1.0)
    assert list(felt(chats).values()) == [first / 2]
    for step in range(2, 8):
        talk(chats, (4, 1, 5.0), step=step, days=0.0)
    assert felt(chats)[3, 1] == 1.5
    talk(chats, step=9, days=30.0)
    assert (felt(chats), len(chats)) == ({}, 0)


def test_several_friends_add_up():
    chats = make_chats(strength=0.5)
    talk(chats, (1, 4, 5.0), (2, 4, 1.0), (3, 4, 4.0))
    said_to_the_first = 0.5 * (1.0 - 1.0 + 0.5)
    assert felt(chats).get((0, 4), 0.0) == pytest.approx(said_to_the_first)


def test_who_talks_to_whom_differs_from_step_to_step():
    chats = make_chats(share=0.5)
    steps = {tuple(talk(chats, (0, 2, 5.0), (1, 3, 5.0), step=step)) for step in range(12)}
    assert len(steps) > 4


@given(st.permutations(range(5)), st.permutations(range(4)))
def test_neither_the_order_of_users_nor_of_what_they_took_matters(order, rows):
    consumed = [(0, 2, 5.0), (1, 3, 2.0), (3, 0, 4.0), (4, 5, 1.0)]
    place = {old: new for new, old in enumerate(order)}
    pairs = [(place[one], place[other]) for one, other in PAIRS]
    chats = make_chats(pairs=pairs, user_id=USER_ID[list(order)], share=0.6)
    moved = [(place[consumed[row][0]], *consumed[row][1:]) for row in rows]
    said = {(USER_ID[order[a]], item, USER_ID[order[b]], stars) for a, item, b, stars in talk(chats, *moved)}
    plain = {(USER_ID[a], item, USER_ID[b], stars) for a, item, b, stars in talk(make_chats(share=0.6), *consumed)}
    assert said == plain


def test_what_is_consumed_twice_in_a_step_counts_once_with_the_better_opinion():
    chats = make_chats()
    assert talk(chats, (4, 1, 2.0), (4, 1, 5.0)) == [(3, 1, 4, 5.0)]


def test_chats_are_added_to_what_moves_users_beside_what_friends_liked():
    influence = Influence(tiny_catalog())
    influence.allocate(5)
    influence.chats = make_chats()
    talk(influence.chats, (4, 1, 1.0))
    assert influence.clicks(slice(None), EVERY_ITEM)[3, 1] == -1.0
    assert influence.appeal(slice(None))[3].tolist() == [0.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    assert influence.copy_rows(np.array([3])).clicks(slice(None), EVERY_ITEM[:1])[0, 1] == -1.0
    influence.in_words = True
    assert not influence.clicks(slice(None), EVERY_ITEM).any()


@pytest.mark.parametrize(("setting", "value"), [("share", 0.0), ("strength", 0.0), ("share", float("nan"))])
def test_settings_that_do_nothing_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"social, chats, {setting}: got"):
        make_chats(**{setting: value})


def test_users_who_do_not_exist_are_refused():
    with pytest.raises(DataError, match="row: got 5"):
        make_chats().talk(np.array([5]), np.array([0]), np.array([3.0]), step=0)
