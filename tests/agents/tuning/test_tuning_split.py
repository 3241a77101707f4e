"""Users kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.tuning.tuning_split import split_users, users_part
from recsim_llm.core.ratings import TRAIN_SHARE
from recsim_llm.errors import DataError


def test_nobody_is_in_two_parts_and_everybody_in_one(people):
    parts = split_users(people, 7)
    together = np.concatenate(parts)
    assert sorted(together.tolist()) == people.ratings.users.tolist()


def test_a_users_part_does_not_hang_on_who_else_is_there(people):
    whole = split_users(people, 7)
    half = people.of_ratings(people.ratings.take(people.ratings.user_index % 2 == 0))
    assert set(split_users(half, 7).test.tolist()) <= set(whole.test.tolist())


def test_what_is_learned_from_holds_no_other_user_and_no_later_rating(people):
    split = split_users(people, 7)
    part = users_part(people, split.training)
    early, _ = people.ratings.split_by_time(TRAIN_SHARE)
    known = set(zip(early.user_id.tolist(), early.item_id.tolist(), strict=True))
    rows = set(zip(part.ratings.user_id.tolist(), part.ratings.item_id.tolist(), strict=True))
    assert rows <= known
    assert set(part.ratings.users.tolist()) <= set(split.training.tolist())
    assert part.catalog.popularity.sum() == len(part.ratings)


def test_too_few_users_are_refused(people):
    few = people.of_ratings(people.ratings.take(people.ratings.user_index < 3))
    with pytest.raises(DataError, match="got 3 users"):
        split_users(few, 7)
