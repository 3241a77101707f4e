"""Examples of consumption: what is among them, and what they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.stacking_examples import draw_examples
from recsim_llm.numerics.time_order import last_share

USERS, ITEMS = 12, 50
SETTINGS = ConsumptionSettings(positives=3, uniform_negatives=9, matched_negatives=4, leads=5)


@pytest.fixture(scope="module")
def history():
    generator = np.random.default_rng(4)
    owned = [generator.permutation(ITEMS)[: 10 + 2 * number] for number in range(USERS)]
    user = np.repeat(np.arange(USERS), [len(items) for items in owned])
    return History(
        user_index=user, item_index=np.concatenate(owned), timestamp=np.arange(user.size, dtype=np.float64), n_users=USERS
    )


@pytest.fixture(scope="module")
def examples(history):
    return draw(history, SETTINGS)


def draw(history, settings):
    later = last_share(history.user_index, history.timestamp)
    generator = np.random.default_rng(2)
    leads = [(generator.normal(size=(USERS, 3)), generator.normal(size=(ITEMS, 3)))]
    return draw_examples(history, later, settings, leads=leads, seed=1)


def test_only_later_events_are_positives_and_no_event_is_a_negative(history, examples):
    later = last_share(history.user_index, history.timestamp)
    events = history.user_index * ITEMS + history.item_index
    pairs = examples.user * ITEMS + examples.item
    np.testing.assert_array_equal(np.isin(pairs, events[later]), examples.label == 1)
    assert not np.isin(pairs, events[~later]).any()
    assert np.bincount(examples.user[examples.label == 1]).max() == SETTINGS.positives


def test_both_classes_of_the_balanced_sample_weigh_the_same(examples):
    for label in (0, 1):
        assert examples.balanced[examples.label == label].sum() == pytest.approx(0.5)


def test_the_whole_sample_stands_for_every_pair_of_a_user(history, examples):
    later = last_share(history.user_index, history.timestamp)
    count = np.bincount(history.user_index[later], minlength=USERS)
    owned = np.bincount(history.user_index, minlength=USERS)
    stands = examples.whole * count.sum()
    positive = examples.label == 1
    np.testing.assert_allclose(np.bincount(examples.user[positive], stands[positive], USERS), count)
    np.testing.assert_allclose(np.bincount(examples.user[~positive], stands[~positive], USERS), ITEMS - owned)


def test_leading_items_count_once_and_no_uniform_one_stands_for_them(history, examples):
    pairs = examples.user * ITEMS + examples.item
    own = (examples.balanced == 0) & (examples.whole > 0)
    stands = examples.whole * np.count_nonzero(last_share(history.user_index, history.timestamp))
    np.testing.assert_allclose(stands[own], 1.0)
    again = np.isin(pairs, pairs[own]) & ~own
    assert again.any()
    assert not stands[again].any()


def test_only_some_users_leading_items_are_taken_where_there_are_many(history):
    few = draw(history, ConsumptionSettings(leads=5, lead_users=4))
    own = (few.balanced == 0) & (few.whole > 0)
    assert len(set(few.user[own].tolist())) == 4
