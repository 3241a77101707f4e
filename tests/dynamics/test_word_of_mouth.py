"""Word of mouth: what friends tell, how it adds up and fades, and who told first."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.dynamics.word_of_mouth import FORGOTTEN, WordOfMouth
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.friendships import Friendships

USER_ID = np.array([50, 10, 40, 20, 30])
PAIRS = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4)]
ITEMS = 6
EVERY_ITEM = np.tile(np.arange(ITEMS), (5, 1))


def make_talk(pairs=PAIRS, user_id=USER_ID, items=ITEMS, seed=3, **settings):
    pairs = list(pairs)
    graph = Friendships.from_pairs(len(user_id), [one for one, _ in pairs], [other for _, other in pairs])
    settings = {"strength": 0.5, "memory": 0.8, "limit": 1.2} | settings
    return WordOfMouth(graph, user_id=user_id, items=items, seed=seed, **settings)


def tell(talk, *likes, days=1.0):
    return talk.exchange(
        np.array([row for row, _ in likes], np.int64), np.array([item for _, item in likes], np.int64), days=days
    )


def heard(talk):
    return talk.shift(slice(None), EVERY_ITEM)


def nonzero(table):
    return {(int(row), int(item)): round(float(table[row, item]), 6) for row, item in np.argwhere(table)}


def test_a_liked_item_raises_the_interest_of_friends_and_of_nobody_else():
    talk = make_talk()
    tell(talk, (0, 2))
    assert nonzero(heard(talk)) == {(1, 2): 0.5, (2, 2): 0.5, (3, 2): 0.5}


def test_friends_add_up_to_the_limit():
    talk = make_talk()
    tell(talk, (0, 2), (1, 2))
    assert heard(talk)[2, 2] == pytest.approx(1.0)
    tell(talk, (0, 2), (1, 2))
    assert heard(talk)[2, 2] == pytest.approx(1.2)


def test_what_was_heard_fades_by_the_day_and_is_forgotten_in_the_end():
    talk = make_talk()
    tell(talk, (4, 1))
    tell(talk, days=2.0)
    assert heard(talk)[3, 1] == pytest.approx(0.5 * 0.8**2)
    tell(talk, days=15.0)
    assert heard(talk)[3, 1] == pytest.approx(0.5 * 0.8**17)
    tell(talk, days=1.0)
    assert FORGOTTEN > 0.5 * 0.8**18
    assert (len(talk), heard(talk).any()) == (0, False)


def test_what_is_told_again_adds_to_what_is_left():
    talk = make_talk()
    tell(talk, (4, 1))
    tell(talk, (4, 1), days=1.0)
    assert heard(talk)[3, 1] == pytest.approx(0.5 * 0.8 + 0.5)


def test_liking_twice_in_a_step_is_told_once():
    talk = make_talk()
    news = tell(talk, (4, 1), (4, 1))
    assert [column.tolist() for column in news] == [[3], [1], [4]]
    assert nonzero(heard(talk)) == {(3, 1): 0.5}


def test_the_news_of_a_step_say_who_was_told_of_what_by_whom():
    news = tell(make_talk(), (1, 5), (0, 5), (0, 2))
    told = list(zip(*(column.tolist() for column in news), strict=True))
    assert told == sorted(told)
    assert set(told) == {(0, 5, 1), (2, 5, 1), (1, 2, 0), (1, 5, 0), (2, 2, 0), (2, 5, 0), (3, 2, 0), (3, 5, 0)}


def test_the_source_is_the_id_of_the_friend_who_told_first():
    talk = make_talk()
    tell(talk, (1, 5))
    tell(talk, (0, 5))
    found = talk.sources(np.array([2, 3, 4]), np.array([[5, 1, -1]] * 3))
    assert found.tolist() == [[10, -1, -1], [50, -1, -1], [-1, -1, -1]]


def test_dice_say_who_of_several_in_a_step_told_first():
    friends = np.arange(1, 101)
    talk = make_talk([(0, int(friend)) for friend in friends], user_id=np.arange(101), items=200)
    talk.exchange(np.repeat(friends, 200), np.tile(np.arange(200), 100))
    first = talk.sources(np.array([0]), np.arange(200)[None])[0]
    assert set(first.tolist()) <= set(friends.tolist())
    assert len(set(first.tolist())) > 60
    assert 35 < first.mean() < 65


def test_the_order_of_rows_and_of_users_does_not_matter():
    dice = np.random.default_rng(1)
    one, other = dice.integers(40, size=(2, 200))
    row, item = dice.integers(40, size=120), dice.integers(ITEMS, size=120)
    turn = dice.permutation(40)
    place = np.argsort(turn)
    tables = []
    for index, ids in ((np.arange(40), np.arange(40)), (place, turn)):
        talk = make_talk(zip(index[one].tolist(), index[other].tolist(), strict=True), user_id=ids)
        for day in range(4):
            part = dice.permutation(np.arange(day, 120, 4))
            talk.exchange(index[row[part]], item[part])
        slots = np.tile(np.arange(ITEMS), (40, 1))
        tables.append((talk.shift(index, slots), talk.sources(index, slots)))
    assert tables[0][0].tobytes() == tables[1][0].tobytes()
    assert tables[0][1].tobytes() == tables[1][1].tobytes()


def test_reading_some_rows_gives_what_reading_all_gives():
    talk = make_talk()
    tell(talk, (0, 2), (1, 2), (4, 0))
    rows = np.array([4, 2, 2])
    assert talk.shift(rows, EVERY_ITEM[:3]).tobytes() == heard(talk)[rows].tobytes()
    assert talk.appeal_shift(rows).tobytes() == heard(talk)[rows].tobytes()
    assert talk.appeal_shift(slice(None)).tobytes() == heard(talk).tobytes()


def test_blank_slots_hear_nothing():
    talk = make_talk()
    tell(talk, (0, 5))
    assert talk.shift(np.array([2]), np.array([[-1, 5]])).tolist() == [[0.0, 0.5]]


def test_copies_keep_what_was_heard_and_hear_nothing_further():
    talk = make_talk()
    tell(talk, (0, 2), (4, 0))
    rows = np.array([3, 0, 3])
    copies, before = talk.copy_rows(rows), heard(talk)[rows]
    tell(talk, (0, 1))
    assert copies.shift(slice(None), EVERY_ITEM[:3]).tobytes() == before.tobytes()
    assert copies.sources(np.array([0, 2]), np.array([[0, 2]] * 2)).tolist() == [[30, 50], [30, 50]]


def test_everything_is_forgotten_on_demand():
    talk = make_talk()
    tell(talk, (0, 2))
    talk.forget()
    assert (len(talk), heard(talk).any()) == (0, False)


def test_users_without_friends_tell_nobody():
    news = tell(make_talk([]), (0, 2))
    assert [column.tolist() for column in news] == [[], [], []]


def test_memory_is_bounded_however_long_a_run_goes_on():
    talk, sizes = make_talk(items=200), []
    dice = np.random.default_rng(2)
    for _ in range(120):
        talk.exchange(dice.integers(5, size=4), dice.integers(200, size=4))
        sizes.append(len(talk))
    assert max(sizes[60:]) <= 1.3 * max(sizes[20:60])


@pytest.mark.parametrize(("name", "value"), [("strength", 0.001), ("memory", 1.0), ("memory", -0.1), ("limit", 0.0)])
def test_settings_that_cannot_work_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"social, {name}: got {value}"):
        make_talk(**{name: value})


def test_likes_of_nobody_are_refused():
    with pytest.raises(DataError, match="liked_row: got 5 at 0, expected positions below 5"):
        tell(make_talk(), (5, 0))
