"""Users who take in words: what is logged stays exact, nothing passes its bounds, copies and other users are left alone."""

import numpy as np
import pytest

from recsim_llm.agents.noise import with_noise
from recsim_llm.agents.presented_users import PresentedCopiedUsers, presented_on, with_presentation
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import Pages, Slates
from recsim_llm.core.protocols import declared_bounds
from recsim_llm.dynamics.presentation import PresentationSettings
from recsim_llm.testing import check_user_model

SLOTS = 5
EXTREME = {"lift": 6.0, "taste": 6.0, "gain": 1.0, "loss": 0.9, "disappointment": 2.0, "loyalty": 4.0, "broken": 4.0}


def presented(world, **settings):
    return with_presentation(world, PresentationSettings(**settings))


def pages_of(world, page=0):
    who = np.arange(len(world.population))
    items = (3 * who[:, None] + 11 * page + np.arange(SLOTS)) % len(world.catalog)
    return Pages(who, who, np.zeros_like(who), np.full_like(who, page), items)


def words(world, text="Because you like {}."):
    pages = pages_of(world)
    names = np.array([*world.catalog.genre_names, "Nothing"], object)
    said = [[text.format(names[(row + slot) % len(names)]) for slot in range(SLOTS)] for row in range(len(pages.rows))]
    return Slates(world.catalog.item_id[pages.item_index], explanation=np.array(said, object))


def test_the_contract_of_user_models_is_kept(world):
    world = presented(world)
    check_user_model(world.users, world.catalog, world.population)


def test_words_move_the_page_on_which_they_stand_and_no_other_users(world):
    shown, pages = presented(world), pages_of(world)
    shown.users.allocate(len(pages.rows), SLOTS)
    shown.users.begin(pages.rows, pages.user_index, False)
    before = shown.users.decide(pages).click_log_odds.copy()
    some = pages.rows[::2]
    slates = words(world)
    part = Slates(slates.item_id[some], explanation=slates.explanation[some])
    shown.users.show_words(some, some, pages.item_index[some], part)
    after = shown.users.decide(pages).click_log_odds
    assert (after[some] != before[some]).any()
    np.testing.assert_array_equal(after[1::2], before[1::2])
    with shown.users.without_words():
        np.testing.assert_array_equal(shown.users.decide(pages).click_log_odds, before)


@pytest.mark.parametrize("settings", [{}, EXTREME], ids=["usual", "extreme"])
def test_nothing_passes_the_bounds_that_are_declared(world, settings):
    shown = presented(world, **settings)
    users, who = shown.users, np.arange(len(world.population))
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=len(who), slate_size=SLOTS, max_pages=12)
    kernel.begin(ALL_ROWS, who, np.zeros_like(who), kernel.dice(who, np.zeros_like(who), seed_words([5])))
    bounds = declared_bounds(users)
    for page in range(12):
        items, slates = pages_of(world, page).item_index, words(world)
        users.show_words(who, who, items, slates._replace(item_id=world.catalog.item_id[items]))
        feedback = kernel.step(items)
        for reach, numbers in (
            (bounds.click_log_odds, feedback.decisions.click_log_odds),
            (bounds.satisfaction, feedback.mood.satisfaction),
            (bounds.leave_log_odds, feedback.mood.leave_log_odds),
            (bounds.return_log_odds, users.return_log_odds(who)),
        ):
            assert reach.holds(float(numbers.min()), float(numbers.max()))


def test_copies_know_nothing_of_words_that_are_still_to_be_read(world):
    shown, pages = presented(world), pages_of(world)
    assert isinstance(shown.users, PresentedCopiedUsers)
    shown.users.allocate(len(pages.rows), SLOTS)
    shown.users.begin(pages.rows, pages.user_index, False)
    plain = shown.users.decide(pages).click_log_odds.copy()
    shown.users.show_words(pages.rows, pages.user_index, pages.item_index, words(world))
    copies = shown.users.copy_rows(pages.rows)
    np.testing.assert_array_equal(copies.decide(pages).click_log_odds, plain)
    assert (shown.users.decide(pages).click_log_odds != plain).any()


def test_users_who_read_are_found_under_noise(world):
    shown = presented(world)
    assert presented_on(with_noise(shown, {"random_clicks": 0.1}, 3).users) is shown.users
    assert presented_on(world.users) is None
