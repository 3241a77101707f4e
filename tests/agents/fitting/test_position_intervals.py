"""Intervals of a learned position curve, and logs that cannot carry one."""

import numpy as np
import pytest

from recsim_llm.agents.fitting.position_intervals import measure_position_curve
from recsim_llm.errors import DataError
from recsim_llm.offpolicy import LoggedSlates

CURVE = np.array([1.0, 0.8, 0.6, 0.4])


def click_log(seed, *, users=400, items=60, pages=2):
    """Return a log whose pages are ordered by attraction and noise, and whose clicks follow the planted curve."""
    random = np.random.default_rng(seed)
    attraction = random.beta(1, 4, items)
    user = np.repeat(np.arange(users), pages)
    pool = np.argsort(random.random((len(user), items)), axis=1)[:, :20]
    order = np.argsort(-3.0 * attraction[pool] + random.normal(size=pool.shape), axis=1)[:, : len(CURVE)]
    shown = np.take_along_axis(pool, order, axis=1)
    clicked = random.random(shown.shape) < CURVE * attraction[shown]
    return LoggedSlates.from_columns(user_id=user, item_id=shown, reward=clicked.astype(float))


def test_intervals_hold_a_planted_curve_as_often_as_they_say():
    held = []
    for seed in range(12):
        learned = measure_position_curve(click_log(seed)).learned
        held += [not one.excludes(true) for one, true in zip(learned[1:], CURVE[1:], strict=True)]
    assert np.mean(held) >= 0.85
    assert all(one.low < one.high < one.low + 0.6 for one in learned[1:])


def test_the_first_position_is_one_by_definition_and_has_no_interval():
    found = measure_position_curve(click_log(1))
    assert (found.learned[0].value, found.learned[0].low) == (1.0, None)
    assert found.truth is None
    assert found.moving == 1.0


def test_few_users_get_a_curve_without_intervals():
    found = measure_position_curve(click_log(2, users=15, items=8 + 12, pages=20))
    assert all(one.low is None for one in found.learned)


def test_items_that_keep_their_place_tell_nothing():
    log = click_log(3)
    still = LoggedSlates.from_columns(
        user_id=log.user_id, item_id=np.broadcast_to(np.arange(4), log.item_id.shape), reward=log.reward
    )
    with pytest.raises(DataError, match="every item kept its position"):
        measure_position_curve(still)


def test_a_log_with_fewer_clicks_than_half_its_items_is_refused():
    with pytest.raises(DataError, match=r"got \d+ clicks on \d+ items"):
        measure_position_curve(click_log(4, users=60, items=400, pages=1))
