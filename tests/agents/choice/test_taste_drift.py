"""What is measured of drift: planted drift is found, and what only looks like it is not."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.choice import taste_drift as drift_module
from recsim_llm.agents.choice.choice_fit import FittedUsers
from recsim_llm.agents.choice.choice_state import StateLayout
from recsim_llm.agents.choice.taste_drift import fit_drift
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import DataError

ITEMS, USERS, SITTINGS, EACH, WIDTH = 300, 90, 12, 4, 3
RATE = 0.2


@pytest.fixture
def measured(catalog, population, model, monkeypatch):
    """Return a function that plants drift and measures it; the static vectors are given, less what they are said to miss."""

    def measure(reach, *, missed=0.0, clustered=0.0, seed=3):
        items, people, fitted = catalog(ITEMS), population(USERS), model(ITEMS)
        random = np.random.default_rng(seed)
        layout = StateLayout.of(items, fitted)
        z = layout.items[:, layout.taste].astype(np.float64) / layout.typical
        step = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1)
        rows = []
        for user in range(USERS):
            always = people.vectors["click"][user] @ fitted.click_items.T + z @ random.normal(size=WIDTH) * missed
            mean, free = np.zeros(WIDTH), np.ones(ITEMS, np.bool_)
            for sitting in range(SITTINGS):
                listed = z @ random.normal(size=WIDTH) * clustered
                for place in range(EACH):
                    wish = always + listed + reach * z @ mean + random.gumbel(size=ITEMS)
                    item = int(np.argmax(np.where(free, wish, -np.inf)))
                    free[item] = False
                    mean = (1 - RATE) * mean + RATE * step[item]
                    rows.append((people.user_id[user], items.item_id[item], 3.0, 10_000 * (sitting + 1) + place))
        user_id, item_id, stars, time = (np.array(column) for column in zip(*rows, strict=True))
        ratings = Ratings(user_id=user_id, item_id=item_id, rating=stars.astype(np.float32), timestamp=time)
        monkeypatch.setattr(drift_module, "fit_choice", lambda training, seed: FittedUsers(fitted, people, None))
        monkeypatch.setattr(drift_module, "_RATES", (RATE,))
        return fit_drift(Dataset(name="planted", catalog=items, ratings=ratings), seed=1)

    return measure


def test_planted_drift_is_found(measured):
    found = measured(6.0).at[0]
    assert found.rate == RATE
    assert found.reach.low > 0.5
    assert found.reach.low < found.reach.value < found.reach.high
    assert found.ceiling.value > found.reach.value


def test_what_the_static_vectors_miss_is_not_called_drift(measured):
    found = measured(0.0, missed=2.0).at[0]
    assert found.reach.low < 0 < found.reach.high
    assert found.ceiling.low > 1


def test_lists_that_are_rated_in_one_sitting_are_not_called_drift(measured):
    found = measured(0.0, clustered=2.0).at[0]
    assert found.reach.low < 0 < found.reach.high
    assert found.in_entry_order.low > 1


def test_the_estimate_says_whom_it_hangs_on(measured):
    found = measured(0.0)
    assert found.users == USERS
    assert found.events == USERS * SITTINGS * EACH // 2


def test_ratings_without_sittings_are_refused(measured, monkeypatch):
    monkeypatch.setattr(drift_module, "_PAUSE", 1e9)
    with pytest.raises(DataError, match=r"drift: got 0 users .* expected 10 or more; take data"):
        measured(0.0)
