"""Evidence of consumption: what shares item columns is summed, and what was in season counts."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.fitting.consumption_model import _stacked
from recsim_llm.agents.fitting.consumption_parts import build_tables, item_parts, part_families, user_parts
from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History

USERS, ITEMS = 30, 12


@pytest.fixture(scope="module")
def history():
    """Users of the first half consume early, and only early items; the others late, and only late items."""
    generator = np.random.default_rng(8)
    user = np.repeat(np.arange(USERS), 5)
    late = user >= USERS // 2
    item = np.concatenate([generator.permutation(ITEMS // 2)[:5] for _ in range(USERS)]) + np.where(late, ITEMS // 2, 0)
    return History(user_index=user, item_index=item, timestamp=late * 1000.0 + generator.random(user.size), n_users=USERS)


@pytest.fixture(scope="module")
def tables(history):
    content = np.random.default_rng(9).normal(size=(ITEMS, 2))
    return build_tables(history, content, ConsumptionSettings(factors=3, axes=3), 1)


def test_user_and_item_parts_go_together(tables, history):
    left, right = user_parts(tables, history), item_parts(tables)
    assert [(len(part), part.shape[1]) for part in left] == [(USERS, part.shape[1]) for part in right]
    assert all(len(part) == ITEMS for part in right)
    assert len(part_families(tables)) == len(right)


def test_joined_parts_give_the_weighted_sum_of_all_parts(tables, history):
    left, right = user_parts(tables, history), item_parts(tables)
    weights = np.random.default_rng(2).normal(size=len(left) + 1)
    users, items = _stacked(left, right, weights, np.ones(len(left), np.bool_))
    expected = sum(weight * own @ shared.T for weight, own, shared in zip(weights[:-1], left, right, strict=True))
    assert np.allclose(users @ items.T, expected)
    assert users.shape[1] == sum(part.shape[1] for part in {id(part): part for part in right}.values())
    assert users.shape[1] < sum(part.shape[1] for part in left)


def test_items_of_a_users_own_time_are_in_season(tables, history):
    place = next(number for number, part in enumerate(item_parts(tables)) if part is tables.season)
    score = user_parts(tables, history)[place] @ tables.season.T
    early, late = slice(0, ITEMS // 2), slice(ITEMS // 2, ITEMS)
    assert (score[: USERS // 2, early].min(axis=1) > score[: USERS // 2, late].max(axis=1)).all()
    assert (score[USERS // 2 :, late].min(axis=1) > score[USERS // 2 :, early].max(axis=1)).all()


def test_without_times_no_item_is_in_season(history):
    timeless = History(
        user_index=history.user_index, item_index=history.item_index, timestamp=np.zeros(len(history.user_index)), n_users=USERS
    )
    tables = build_tables(timeless, np.zeros((ITEMS, 0)), ConsumptionSettings(factors=3, axes=3), 1)
    assert np.allclose(tables.season[:, tables.season.shape[1] // 2], 0, atol=1e-3)
