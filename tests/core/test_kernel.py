"""The page kernel: keyed, batched, calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.core.dice import DiceTable, seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel, choose_one
from recsim_llm.core.pages import probability
from recsim_llm.errors import ConfigError

SLOTS = 4


def start(world, user_index, *, seed=0, visit=0, max_pages=20, slate_size=SLOTS):
    """Return a kernel in which the given users begin a visit each."""
    users = np.asarray(user_index)
    kernel = Kernel(
        users=world.users, user_id=world.population.user_id, rows=len(users), slate_size=slate_size, max_pages=max_pages
    )
    visits = np.full(len(users), visit)
    kernel.begin(ALL_ROWS, users, visits, kernel.dice(users, visits, seed_words(seed)))
    return kernel


def slates(rows, pages, seed=0, items=60):
    """Return int64 [pages, rows, SLOTS] of random slates without repeats."""
    random = np.random.default_rng(seed)
    return random.permuted(np.broadcast_to(np.arange(items), (pages, rows, items)), axis=2)[:, :, :SLOTS].copy()


def outcome(feedback, row):
    """Return all that was drawn for one row, as plain numbers."""
    return (
        feedback.clicked[row].tolist(),
        feedback.examined[row].tolist(),
        feedback.ratings()[row].tobytes(),
        feedback.watched[feedback.row == row].tobytes(),
        feedback.decisions.click_log_odds[row].tobytes(),
        float(feedback.mood.satisfaction[row]),
        float(feedback.mood.leave_log_odds[row]),
        bool(feedback.left[row]),
    )


@settings(max_examples=25)
@given(order=st.permutations(range(12)), size=st.integers(1, 12), seed=st.integers(0, 2**63))
def test_batches_of_any_order_and_size_draw_the_same(make_world, order, size, seed):
    world = make_world()
    shown = slates(12, 5)
    kernel = start(world, range(12), seed=seed)
    whole = [kernel.step(page) for page in shown]
    expected = [[outcome(feedback, row) for row in range(12)] for feedback in whole]
    for at in range(0, 12, size):
        part = list(order[at : at + size])
        kernel = start(make_world(), part, seed=seed)
        for page, wanted in zip(shown, expected, strict=True):
            feedback = kernel.step(page[part])
            assert [outcome(feedback, row) for row in range(len(part))] == [wanted[user] for user in part]


def test_rows_served_by_turns_draw_the_same_as_all_at_once(make_world):
    shown = slates(6, 4)
    together, by_turns = start(make_world(), range(6)), start(make_world(), range(6))
    for page in shown:
        expected = together.step(page)
        for rows in (np.array([4, 1]), np.array([0]), np.array([5, 3, 2])):
            feedback = by_turns.step(page[rows], rows)
            assert [outcome(feedback, place) for place in range(len(rows))] == [outcome(expected, row) for row in rows]
    np.testing.assert_array_equal(together.page, by_turns.page)


def test_dice_are_the_same_whatever_is_shown(make_world):
    one, other = start(make_world(), range(6)), start(make_world(), range(6))
    for page, others in zip(slates(6, 10), slates(6, 10, seed=1), strict=True):
        np.testing.assert_array_equal(one.step(page).draws, other.step(others).draws)


def test_equal_slates_meet_equal_feedback_until_recommenders_differ(make_world):
    one, other = start(make_world(), range(30)), start(make_world(), range(30))
    pages, others = slates(30, 6), slates(30, 6)
    others[3:, 10:] = slates(30, 6, seed=1)[3:, 10:]
    for number, (page, page_of_other) in enumerate(zip(pages, others, strict=True)):
        feedback, feedback_of_other = one.step(page), other.step(page_of_other)
        same = [outcome(feedback, row) == outcome(feedback_of_other, row) for row in range(30)]
        assert all(same if number < 3 else same[:10])
    assert not any(same[10:])


def test_visits_and_seeds_bring_other_dice(make_world):
    draws = [start(make_world(), range(3), **key).step(slates(3, 1)[0]).draws for key in ({}, {"visit": 1}, {"seed": 1})]
    assert not any(np.array_equal(draws[one], draws[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("max_pages", [5, 8, 33, 70])
def test_long_visits_meet_the_dice_of_one_piece(make_world, rows, max_pages):
    world = make_world()
    kernel = start(world, np.arange(rows) % 40, max_pages=max_pages)
    table = DiceTable(world.population.user_id, SLOTS)
    users, visits = np.arange(rows) % 40, np.zeros(rows, np.int64)
    whole = table.lay_out(table.visit_words(seed_words(0), users, visits), world.users.examination(users), 0, max_pages)
    for number in range(max_pages):
        np.testing.assert_array_equal(kernel.step(slates(rows, 1)[0]).draws, whole[:, number])


def test_rows_that_began_later_keep_their_own_pages_of_dice(make_world):
    # Rows out of step with each other cross the borders between blocks at different times.
    world = make_world()
    kernel = start(world, np.arange(70) % 40, max_pages=40)
    late = np.arange(0, 70, 3)
    for _ in range(5):
        kernel.step(slates(70, 1)[0])
    visit = np.ones(len(late), np.int64)
    kernel.begin(late, kernel.user_index[late], visit, kernel.dice(kernel.user_index[late], visit, seed_words(0)))
    alone = start(make_world(), kernel.user_index[late], visit=1, max_pages=40)
    for _ in range(30):
        np.testing.assert_array_equal(kernel.step(slates(70, 1)[0]).draws[late], alone.step(slates(len(late), 1)[0]).draws)


def test_blank_slots_are_neither_examined_nor_clicked_and_leave_the_others_alone(make_world):
    page = slates(40, 1)[0]
    empty = np.zeros(page.shape, np.bool_)
    empty[:, 1] = True
    full = start(make_world(click_bias=3.0), range(40)).step(page)
    blank = start(make_world(click_bias=3.0), range(40)).step(np.where(empty, -1, page), empty=empty)
    assert full.clicked[:, 1].any()
    assert not blank.clicked[:, 1].any()
    assert not blank.examined[:, 1].any()
    others = [0, 2, 3]
    np.testing.assert_array_equal(blank.clicked[:, others], full.clicked[:, others])
    np.testing.assert_array_equal(blank.ratings()[:, others], full.ratings()[:, others])


def test_returning_users_keep_the_taste_they_formed(make_world):
    first = start(make_world(click_bias=3.0, drift=0.5), range(40))
    for page in slates(40, 5):
        first.step(page)
    again = start(make_world(click_bias=3.0, drift=0.5), range(40))
    page, visit = slates(40, 1, seed=3)[0], np.ones(40, np.int64)
    odds = []
    for kernel, returning in ((first, True), (again, False)):
        kernel.begin(ALL_ROWS, np.arange(40), visit, kernel.dice(np.arange(40), visit, seed_words(0)), returning=returning)
        odds.append(kernel.step(page).decisions.click_log_odds)
    assert np.abs(odds[0] - odds[1]).max() > 0.1


@pytest.fixture(scope="module")
def played(make_world):
    """Feedback of 30 pages for 2,000 users, each with the log-odds of the ratings it was drawn from."""
    world = make_world(items=200, users=2000, leave_start=-1.0, position_curve=(0.95, 0.7, 0.4, 0.05))
    kernel = start(world, range(2000), max_pages=40)
    pages = []
    for page in slates(2000, 30, items=200):
        feedback = kernel.step(page)
        pages.append((feedback, world.users.rating_log_odds(feedback.pages, feedback.slot, feedback.row)))
    return world, pages


def errors(happened, chance):
    """Return by how many standard errors what happened differs from what was predicted."""
    return abs(happened.sum() - chance.sum()) / np.sqrt((chance * (1 - chance)).sum())


def test_slots_are_examined_and_clicked_as_often_as_said(played):
    world, pages = played
    examine = world.users.examination(np.arange(2000)).astype(np.float64)
    examined = np.array([feedback.examined for feedback, _ in pages])
    clicked = np.array([feedback.clicked for feedback, _ in pages])
    odds = probability(np.array([feedback.decisions.click_log_odds for feedback, _ in pages])).astype(np.float64)
    for slot in range(SLOTS):
        assert errors(examined[..., slot], np.broadcast_to(examine[:, slot], examined[..., slot].shape)) < 4
        assert errors(clicked[..., slot], odds[..., slot] * examine[:, slot]) < 4
        seen = examined[..., slot]
        assert errors(clicked[..., slot][seen], odds[..., slot][seen]) < 4
    assert not (clicked & ~examined).any()


def test_clicks_are_as_frequent_as_said_at_every_level_of_probability(played):
    _, pages = played
    examined = np.array([feedback.examined for feedback, _ in pages])
    clicked = np.array([feedback.clicked for feedback, _ in pages])[examined]
    chance = probability(np.array([feedback.decisions.click_log_odds for feedback, _ in pages])).astype(np.float64)[examined]
    for part in np.array_split(np.argsort(chance), 10):
        assert errors(clicked[part], chance[part]) < 4


def test_users_leave_as_often_as_said(played):
    _, pages = played
    left = np.array([feedback.left for feedback, _ in pages])
    assert errors(left, probability(np.array([feedback.mood.leave_log_odds for feedback, _ in pages])).astype(np.float64)) < 4


def test_ratings_are_distributed_as_said(played):
    world, pages = played
    below = np.concatenate([probability(odds) for _, odds in pages], axis=1).astype(np.float64)
    rating = np.concatenate([feedback.rating for feedback, _ in pages])
    assert len(rating) > 20_000
    for level, stars in enumerate(world.users.levels[:-1]):
        # By what was said: taken together, users with opposite tastes would hide reversed ratings.
        for part in np.array_split(np.argsort(below[level]), 5):
            assert errors(rating[part] <= stars, below[level][part]) < 4
    assert set(rating.tolist()) == set(world.users.levels.tolist())


def test_ratings_do_not_depend_on_how_easily_the_item_was_clicked(played):
    # Given the predicted probabilities, the click's dice say nothing about the rating's.
    _, pages = played
    below = np.concatenate([probability(odds[4]) for _, odds in pages]).astype(np.float64)
    low = np.concatenate([feedback.rating for feedback, _ in pages]) <= 2.5
    bar = np.concatenate([feedback.draws[:, 0, :-1].reshape(-1)[feedback.slot] for feedback, _ in pages])
    for part in np.array_split(np.argsort(bar), 4):
        assert errors(low[part], below[part]) < 4


def test_share_watched_lies_between_nothing_and_all(played):
    _, pages = played
    watched = np.concatenate([feedback.watched for feedback, _ in pages])
    assert watched.min() >= 0
    assert watched.max() <= 1
    assert watched.std() > 0.05


@pytest.mark.parametrize("name", ["rows", "slate_size", "max_pages"])
def test_sizes_below_one_are_refused(world, name):
    sizes = {"rows": 2, "slate_size": 3, "max_pages": 4} | {name: 0}
    with pytest.raises(ConfigError, match=f"{name}: got 0, expected 1 or more"):
        Kernel(users=world.users, user_id=world.population.user_id, **sizes)


CHOICES = ([0.5, 0.2, 0.1], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.25, 0.25, 0.25])


@pytest.mark.parametrize("chances", CHOICES, ids=str)
def test_one_item_of_a_page_is_chosen_with_its_probability(chances):
    pages = 40_000
    near = np.clip(chances, 1e-13, 1 - 1e-13)
    log_odds = np.full((pages, 3), np.log(near / (1 - near)), np.float32)
    bar = np.random.default_rng(1).logistic(size=(pages, 3)).astype(np.float32)
    clicked = choose_one(log_odds, bar)
    assert clicked.sum(axis=1).max() == 1
    spread = np.sqrt(np.array(chances) * (1 - np.array(chances)) / pages)
    assert (np.abs(clicked.mean(axis=0) - chances) <= 4 * spread + 1e-4).all()


def test_what_is_not_to_be_seen_is_not_chosen_and_takes_nothing_from_others():
    bar = np.random.default_rng(2).logistic(size=(20_000, 3)).astype(np.float32)
    log_odds = np.zeros((20_000, 3), np.float32)
    log_odds[:, 0], bar[:, 0] = 1.0, np.inf
    clicked = choose_one(log_odds, bar)
    assert not clicked[:, 0].any()
    assert abs(clicked[:, 1].mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)
