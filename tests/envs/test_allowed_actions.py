"""What candidates and embeddings show under the rule on repetition: what the rule allows, and exactly the best of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import KnownItems, RatedItems
from recsim_llm.envs.actions import CandidateAction

STAYING = {"leave_start": -50.0, "leave_tired": -50.0}


def rated(world, items):
    """Return that each user rated so many of the first items."""
    users = np.repeat(world.population.user_id, items)
    item = np.tile(world.catalog.item_id[:items], len(world.population))
    stars = np.full(len(users), 4.0, np.float32)
    known = Ratings(user_id=users, item_id=item, rating=stars, timestamp=np.zeros(len(users), np.int64))
    return RatedItems.of(known, world.population.user_id, world.catalog)


@pytest.mark.parametrize("rows", [1, 5])
def test_embeddings_show_the_best_new_items_and_known_ones_only_where_too_few_are_left(make_world, make_rows, rows):
    world = make_world(items=40, retired=6, **STAYING)
    world = world._replace(rated=rated(world, 15))
    envs = make_rows(world, rows, action="embedding", max_pages=12, invalid="error")
    envs.reset(seed=2)
    catalog, random = world.catalog, np.random.default_rng(0)
    fresh = np.tile(catalog.on_sale & (np.arange(40) >= 15), (rows, 1))
    for _ in range(12):
        point = random.uniform(-1, 1, (rows, catalog.features.shape[1])).astype(np.float32)
        observation, *_, info = envs.step(point)
        score = catalog.features.astype(np.float64) @ point.astype(np.float64).T
        for row in range(rows):
            keys = (-score[:, row], ~fresh[row], ~catalog.on_sale)
            expected = np.lexsort(keys)[:4]
            np.testing.assert_array_equal(observation["history_item"][row], expected)
            fresh[row, expected] = False
    assert not fresh.any()
    assert not info["invalid_slots"].any()


def test_candidates_are_allowed_ones_as_long_as_there_are_enough(make_world, make_rows):
    world = make_world(items=60, retired=6, **STAYING)
    world = world._replace(rated=rated(world, 20))
    envs = make_rows(world, 7, action="candidates", candidates=10, max_pages=12)
    observation, _ = envs.reset(seed=2)
    for page in range(12):
        allowed, offered = envs.unwrapped.allowed(), observation["candidate_item"]
        assert world.catalog.on_sale[offered].all()
        assert all(len(set(row)) == 10 for row in offered.tolist())
        left = 40 - 4 * page
        for row in range(7):
            new = np.isin(offered[row], np.flatnonzero(allowed[row])) if left >= 4 else np.zeros(10)
            assert new.sum() == (min(left, 10) if left >= 4 else 0)
            # New ones stand first where known ones fill the set.
            assert (np.sort(new)[::-1] == new).all()
        observation, *_, info = envs.step(np.tile(np.arange(4), (7, 1)))
        assert not info["invalid_slots"].any()


@pytest.mark.parametrize(("items", "candidates", "known"), [(60, 5, 20), (30, 12, 10)])
def test_each_allowed_item_is_offered_equally_often_in_each_place(make_world, make_rows, items, candidates, known):
    world = make_world(items=items)
    world = world._replace(rated=rated(world, known))
    envs = make_rows(world, 3000, action="candidates", candidates=candidates)
    offered = envs.reset(seed=1)[0]["candidate_item"]
    for place in (0, candidates - 1):
        counts = np.bincount(offered[:, place], minlength=items)
        assert not counts[:known].any()
        expected = 3000 / (items - known)
        # Chi-squared with items - known - 1 degrees of freedom, five standard deviations.
        chi = ((counts[known:] - expected) ** 2 / expected).sum()
        freedom = items - known - 1
        assert abs(chi - freedom) < 5 * np.sqrt(2 * freedom)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 5))
def test_candidates_do_not_depend_on_other_rows(make_world, seed, rows):
    world = make_world(items=30)
    action = CandidateAction(world.catalog, world.population.user_id, None, rows=5, slate_size=4, candidates=12)
    known = KnownItems(world.catalog, rows=5, slate_size=4, rated=rated(world, 9))
    known.begin(slice(None), np.arange(5))
    word = np.random.default_rng(seed).integers(0, 2**63, 5).astype(np.uint64)
    whole = action._draw_new(word, np.arange(5), known)
    part = np.random.default_rng(seed).permutation(5)[:rows]
    np.testing.assert_array_equal(action._draw_new(word[part], part, known), whole[part])
