"""Language users that answer later: started pages are decided in whatever order they become ready."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scripted_users import FakeModel, build_users, pages

from recsim_llm.core.protocols import AnswersLater
from recsim_llm.errors import ContractError, ModelReplyError

SHOWN = np.arange(20).reshape(4, 5)


def rows_of(*rows):
    return pages(SHOWN[list(rows)], rows=np.array(rows), who=np.array(rows))


def test_language_users_answer_later():
    assert isinstance(build_users(), AnswersLater)


def test_starting_waits_for_nothing_and_asks_each_page_once():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1, 2, 3))
    users.start(rows_of(0, 1, 2, 3))
    assert len(model.asks) == 4


def test_pages_are_told_as_they_become_ready_each_once_and_ascending():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1, 2, 3))
    model.release([3, 1])
    assert users.collect().tolist() == [1, 3]
    model.release([2])
    assert users.collect().tolist() == [2]
    model.release([0])
    assert users.collect().tolist() == [0]
    with pytest.raises(ContractError, match=r"got collect with no page started, expected start"):
        users.collect()


def test_collecting_waits_for_the_first_answer():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1, 2, 3))
    got = []
    waiting = threading.Thread(target=lambda: got.append(users.collect().tolist()))
    waiting.start()
    assert waiting.is_alive()
    model.release([2])
    waiting.join()
    assert got == [[2]]


def test_a_collected_page_is_decided_without_asking_again():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1, 2, 3))
    model.release([2])
    ready = users.collect()
    decided = users.decide(rows_of(*ready))
    assert len(model.asks) == 4
    expected = build_users().decide(pages(SHOWN))
    assert np.array_equal(decided.click_log_odds, expected.click_log_odds[[2]])


def test_any_order_of_answers_gives_what_deciding_at_once_gives():
    at_once = build_users()
    expected = {}
    for page in range(3):
        shown = pages(SHOWN + page, page=page)
        odds = at_once.decide(shown).click_log_odds
        mood = at_once.update(shown, np.array([1, 12]), np.array([0, 2]), np.array([4, 2], np.float32))
        for row in range(4):
            expected[row, page] = [*odds[row], mood.satisfaction[row], mood.leave_log_odds[row]]
    model = FakeModel(hold=True)
    users, number = build_users(model), np.zeros(4, np.int64)

    def page_of(rows):
        from recsim_llm.core.pages import Pages

        return Pages(rows, rows, np.zeros_like(rows), number[rows], SHOWN[rows] + number[rows][:, None])

    users.start(page_of(np.arange(4)))
    got, draw = {}, np.random.default_rng(5)
    while len(got) < 12:
        open_asks = [place for place, future in enumerate(model.futures) if not future.done()]
        model.release([draw.choice(open_asks)])
        rows = users.collect()
        shown = page_of(rows)
        odds = users.decide(shown).click_log_odds
        taken = {0: (1, 4), 2: (2, 2)}
        at = np.array([place for place, row in enumerate(rows) if row in taken], np.int64)
        slot = np.array([5 * place + taken[rows[place]][0] for place in at], np.int64)
        stars = np.array([taken[rows[place]][1] for place in at], np.float32)
        mood = users.update(shown, slot, at, stars)
        for place, row in enumerate(rows.tolist()):
            got[row, int(number[row])] = [*odds[place], mood.satisfaction[place], mood.leave_log_odds[place]]
        number[rows] += 1
        going = rows[number[rows] < 3]
        if going.size:
            users.start(page_of(going))
    assert got.keys() == expected.keys()
    assert all(np.array_equal(got[key], expected[key]) for key in expected)


def test_an_error_waits_for_the_others_and_loses_none_of_them():
    model = FakeModel(hold=True, failing={1: ModelReplyError("unreadable")})
    users = build_users(model)
    users.start(rows_of(0, 1, 2, 3))
    model.release([1, 3])
    caught = []

    def collect():
        try:
            users.collect()
        except ModelReplyError as error:
            caught.append((str(error), [future.done() for future in model.futures]))

    waiting = threading.Thread(target=collect)
    waiting.start()
    assert waiting.is_alive()
    model.release([0, 2])
    waiting.join()
    assert caught == [("unreadable", [True] * 4)]
    ready = []
    while len(ready) < 3:
        ready += users.collect().tolist()
    assert sorted(ready) == [0, 2, 3]
    users.start(rows_of(1))
    model.release([4])
    assert users.collect().tolist() == [1]


def test_a_page_of_an_ended_visit_is_not_told():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1))
    users.begin(np.array([0]), np.array([0]), False)
    model.release([0, 1])
    assert users.collect().tolist() == [1]


def test_a_started_page_may_be_decided_without_collecting():
    model = FakeModel(hold=True)
    users = build_users(model)
    users.start(rows_of(0, 1))
    model.release([0, 1])
    assert users.decide(rows_of(1, 0)).click_log_odds.shape == (2, 5)
    assert len(model.asks) == 2
