"""Users who read a page from the top: examination hangs on the clicks above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import probability
from recsim_llm.core.reading_order import at_first, read_in_order

SLOTS, USERS = 4, 4000
CASCADE = tuple(tuple(1.0 if last == 0 else 0.0 for last in range(SLOTS + 1)) for _ in range(SLOTS))
BROWSING = tuple(tuple(0.9 - 0.1 * position - 0.05 * last for last in range(SLOTS + 1)) for position in range(SLOTS))


def _step(world, *, rows=60, **parameters):
    """Return the feedback on one page of a user each."""
    users = ChoiceUsers(world.catalog, world.population, world.users.model, replace(world.users.parameters, **parameters))
    who = np.arange(rows) % len(world.population)
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=rows, slate_size=SLOTS, max_pages=3)
    visit = np.arange(rows) // len(world.population)
    kernel.begin(ALL_ROWS, who, visit, kernel.dice(who, visit, seed_words(5)))
    return kernel.step(np.tile(np.arange(SLOTS), (rows, 1)))


def test_nobody_looks_past_a_click_in_the_cascade(make_world):
    feedback = _step(make_world(), rows=USERS, examination_table=CASCADE, click_bias=4.0)
    assert feedback.clicked.any(axis=1).mean() > 0.3
    assert feedback.clicked.sum(axis=1).max() == 1
    after = np.cumsum(feedback.clicked, axis=1) - feedback.clicked > 0
    assert not feedback.examined[after].any()
    assert feedback.examined[~after].all()


def test_a_table_of_equal_columns_is_the_curve(make_world):
    curve = (1.0, 0.7, 0.5, 0.2)
    by_curve = _step(make_world(), rows=600, position_curve=curve)
    by_table = _step(make_world(), rows=600, examination_table=tuple((chance,) * (SLOTS + 1) for chance in curve))
    assert np.array_equal(by_curve.clicked, by_table.clicked)
    assert np.array_equal(by_curve.examined, by_table.examined)
    assert np.array_equal(by_curve.examine, by_table.examine)
    assert np.array_equal(by_curve.rating, by_table.rating)


def test_logged_chances_are_those_that_were_drawn_from(make_world):
    feedback = _step(make_world(), rows=USERS, examination_table=BROWSING, click_bias=3.0)
    chance = feedback.examine * probability(feedback.decisions.click_log_odds)
    off = (feedback.clicked - chance).sum(axis=0) / np.sqrt((chance * (1 - chance)).sum(axis=0))
    assert np.abs(off).max() < 3.5
    looked = (feedback.examined - feedback.examine).sum(axis=0) / np.sqrt(
        (feedback.examine * (1 - feedback.examine)).sum(axis=0)
    )
    assert np.abs(looked).max() < 3.5
    assert len(np.unique(feedback.examine[:, 3])) > 1


def test_blank_slots_are_passed_over():
    draws = np.zeros((1, 3, 3), np.float32)
    draws[:, 0, 0] = np.inf
    clicked, chance = read_in_order(np.full((1, 2), 9.0, np.float32), draws, np.full((1, 2, 3), 0.5, np.float32))
    assert clicked.tolist() == [[False, True]]
    assert chance.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
def test_chances_before_any_click_have_one_shape(shape):
    examine = np.random.default_rng(0).random(shape).astype(np.float32)
    first = at_first(examine)
    assert first.shape == (2, 3)
    assert np.array_equal(first, examine if len(shape) == 2 else examine[:, :, 0])
