"""The page loop: budget, blank slots, reward, totals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.visits import Visits, VisitTotals, blank_slots

SLOTS = 4
PAGE = np.arange(SLOTS)


def clicks(feedback, _catalog):
    return feedback.clicked.sum(axis=1).astype(np.float64)


@pytest.fixture
def start():
    """Build visits that users 0, 1, ... of a world have begun."""

    def begin(world, rows, max_pages=3, reward=clicks):
        visits = Visits(
            users=world.users,
            user_id=world.population.user_id,
            catalog=world.catalog,
            reward=reward,
            rows=rows,
            slate_size=SLOTS,
            max_pages=max_pages,
            repeats="allow",
            rated=None,
        )
        who, number = np.arange(rows), np.zeros(rows, np.int64)
        visits.kernel.begin(ALL_ROWS, who, number, visits.kernel.dice(who, number, seed_words([7])))
        return visits

    return begin


def pages(rows):
    return np.tile(PAGE, (rows, 1))


def test_the_budget_is_used_up_on_its_last_page_and_not_before(make_world, start):
    visits = start(make_world(leave_start=-50.0, leave_tired=-50.0), 5)
    outcomes = [visits.show(pages(5)) for _ in range(3)]
    assert [outcome.out_of_pages.tolist() for outcome in outcomes] == [[False] * 5, [False] * 5, [True] * 5]
    assert [outcome.ended.all() for outcome in outcomes] == [False, False, True]


def test_a_user_who_leaves_ends_the_visit_within_the_budget(make_world, start):
    outcome = start(make_world(leave_start=50.0), 5).show(pages(5))
    assert not outcome.out_of_pages.any()
    assert outcome.ended.all()


def test_the_budget_of_each_row_counts_its_own_pages(make_world, start):
    visits = start(make_world(leave_start=-50.0, leave_tired=-50.0), 3, max_pages=2)
    visits.show(pages(2), np.array([0, 2]))
    assert visits.show(pages(3)).out_of_pages.tolist() == [True, False, True]


def test_the_reward_is_paid_for_the_rows_shown(make_world, start):
    visits = start(make_world(click_bias=3.0), 6)
    outcome = visits.show(pages(2), np.array([4, 1]))
    assert outcome.reward.tolist() == outcome.feedback.clicked.sum(axis=1).tolist()
    assert outcome.reward.sum() > 0
    assert outcome.feedback.pages.user_index.tolist() == [4, 1]


def test_blank_slots_hold_no_item_are_not_examined_and_are_counted(make_world, start):
    blank = np.zeros((3, SLOTS), np.bool_)
    blank[1, [0, 2]] = True
    outcome = start(make_world(click_bias=3.0), 3).show(pages(3), blank=blank)
    assert outcome.invalid.tolist() == [0, 2, 0]
    assert outcome.feedback.pages.item_index[1].tolist() == [-1, 1, -1, 3]
    assert not outcome.feedback.examined[1, [0, 2]].any()


@pytest.mark.parametrize("rows", [ALL_ROWS, np.array([2, 0])])
def test_a_whole_page_has_no_invalid_slot(world, start, rows):
    count = len(np.arange(3)[rows])
    assert start(world, 3).show(pages(count), rows).invalid.tolist() == [0] * count


class Recording:
    """Users of another model, and which rows were asked about a page."""

    def __init__(self, users):
        self.users, self.asked = users, []

    def __getattr__(self, name):
        return getattr(self.users, name)

    def decide(self, pages):
        self.asked.append(np.arange(3)[pages.rows].tolist())
        return self.users.decide(pages)


class RecordingLater(Recording):
    """The same, of users who take their time: each page is a call."""

    def start(self, pages):
        raise NotImplementedError

    def collect(self):
        raise NotImplementedError


@pytest.mark.parametrize(("kind", "asked"), [(Recording, [0, 1, 2]), (RecordingLater, [0, 2])])
def test_an_idle_row_is_asked_only_where_that_costs_no_call(make_world, start, kind, asked):
    world = make_world(click_bias=3.0)
    users = kind(world.users)
    start(world._replace(users=users), 3).show(pages(3), idle=np.array([1]))
    assert users.asked == [asked]


def test_all_rows_go_on_alike_whether_idle_ones_are_left_out_or_see_a_blank_page(make_world, start):
    outcomes = []
    for kind in (Recording, RecordingLater):
        world = make_world(click_bias=3.0)
        visits = start(world._replace(users=kind(world.users)), 3)
        visits.show(pages(3), idle=np.array([1]))
        outcomes.append(visits.show(pages(3) + SLOTS, idle=np.array([1])))
    for one, other in zip(outcomes[0].feedback.mood, outcomes[1].feedback.mood, strict=True):
        np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
    assert outcomes[0].feedback.slot.tolist() == outcomes[1].feedback.slot.tolist()
    assert outcomes[0].feedback.rating.tolist() == outcomes[1].feedback.rating.tolist()


@pytest.mark.parametrize("kind", [Recording, RecordingLater])
def test_an_idle_row_gets_a_blank_page_that_does_not_count(make_world, start, kind):
    world = make_world(click_bias=3.0)
    visits = start(world._replace(users=kind(world.users)), 3, max_pages=1)
    visits.show(pages(3))
    blank = np.zeros((3, SLOTS), np.bool_)
    blank[0, 1] = True
    outcome = visits.show(pages(3), blank=blank, idle=np.array([2, 1]))
    assert outcome.invalid.tolist() == [1, 0, 0]
    assert (outcome.feedback.pages.item_index[1:] == -1).all()
    assert not outcome.feedback.clicked[1:].any()
    assert blank.sum() == 1


@given(st.lists(st.lists(st.integers(-1, 7), min_size=SLOTS, max_size=SLOTS), min_size=1, max_size=4), st.booleans())
def test_slots_are_blank_without_an_item_and_for_retired_and_repeated_ones(slates, some_retired):
    retired = np.isin(np.arange(8), [0, 7]) if some_retired else None
    expected = [
        [item < 0 or item in slate[:place] or (some_retired and item in (0, 7)) for place, item in enumerate(slate)]
        for slate in slates
    ]
    blank = blank_slots(np.array(slates), retired)
    assert (blank is not None) == any(map(any, expected))
    assert blank is None or blank.tolist() == expected


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=6), st.integers(1, 5))
def test_totals_start_anew_with_page_0_however_the_pages_are_cut(visits, size):
    """Rows 0 and 1 show visits of the drawn numbers of pages, row 1 in the opposite order."""
    columns = [
        [(page, page + clicks, 2 * clicks) for count, clicks in row for page in range(count)] for row in (visits, visits[::-1])
    ]
    shown = np.array(columns).transpose(2, 1, 0)
    expected = np.zeros((2, *shown.shape[1:]))
    for row in range(2):
        for place in range(shown.shape[1]):
            before = expected[:, place - 1, row] if shown[0, place, row] else 0
            expected[:, place, row] = before + shown[1:, place, row]
    totals = VisitTotals(2)
    cut = [
        totals.add(shown[0, at : at + size], shown[1:, at : at + size].astype(np.float64))
        for at in range(0, shown.shape[1], size)
    ]
    np.testing.assert_array_equal(np.concatenate(cut, axis=1), expected)


def test_totals_of_other_rows_are_left_alone():
    totals = VisitTotals(3)
    totals.add(np.zeros((1, 3), np.int64), np.ones((2, 1, 3)))
    totals.add(np.ones((1, 1), np.int64), np.full((2, 1, 1), 5.0), np.array([1]))
    assert totals.add(np.full((1, 3), 2), np.zeros((2, 1, 3)))[:, 0].tolist() == [[1, 6, 1]] * 2
