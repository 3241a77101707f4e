"""User models before the pages of a log."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.worlds import choice_world
from recsim_llm.core.exposures import Exposures
from recsim_llm.data import fictional
from recsim_llm.errors import DataError
from recsim_llm.realism.behaviour.browsers import checked_browsing
from recsim_llm.realism.behaviour.world_browsers import WorldBrowsers

SLOTS = 6


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=40)


def log_of(dataset, *, sessions=3, pages=4, ordered=True):
    users = dataset.ratings.users
    user, session, page, slot = (axis.reshape(-1) for axis in np.indices((len(users), sessions, pages, SLOTS)))
    count = len(users) * sessions * pages
    items = np.random.default_rng(5).random((count, len(dataset.catalog))).argsort(axis=1)[:, :SLOTS].reshape(-1)
    return Exposures(
        name="shown",
        user_id=users[user],
        session=user * sessions + session,
        page=page,
        position=slot if ordered else np.full(len(slot), -1),
        item_id=dataset.catalog.item_id[items],
        clicked=np.zeros(len(slot), np.bool_),
    )


@pytest.fixture(scope="module")
def browsers(dataset):
    return WorldBrowsers(choice_world(dataset, seed=1, parameters={"position_decay": 0.5}))


def test_what_a_world_does_with_a_page_hangs_on_nothing_else_in_the_log(dataset, browsers):
    log = log_of(dataset)
    whole = checked_browsing(browsers, log, 3)
    some = np.isin(log.user_id, log.users[:7]) & (log.page < 2)
    part = checked_browsing(browsers, log.take(some), 3)
    assert np.array_equal(whole.clicked[some], part.clicked)
    first = np.isin(log.pages.user_id, log.users[:7]) & (log.pages.page < 2)
    assert np.array_equal(whole.leaves[first], part.leaves)
    assert part.clicked.any()
    assert whole.leaves.any()


def test_lower_positions_are_clicked_less_where_users_look_less(dataset, browsers):
    log = log_of(dataset, sessions=8)
    clicked = checked_browsing(browsers, log, 1).clicked
    rates = np.bincount(log.position, clicked) / np.bincount(log.position)
    assert rates[0] > 2 * rates[3]


def test_another_seed_gives_other_clicks(dataset, browsers):
    log = log_of(dataset)
    assert not np.array_equal(checked_browsing(browsers, log, 1).clicked, checked_browsing(browsers, log, 2).clicked)


def test_pages_without_order_are_shown_in_the_order_of_the_log(dataset, browsers):
    assert checked_browsing(browsers, log_of(dataset, ordered=False), 1).clicked.any()


def test_users_without_ratings_are_refused(dataset, browsers):
    log = log_of(dataset)
    strangers = Exposures(
        name="strange",
        user_id=log.user_id + 10_000,
        session=log.session,
        page=log.page,
        position=log.position,
        item_id=log.item_id,
        clicked=log.clicked,
    )
    with pytest.raises(DataError, match=r"strange: got pages of user 100.., expected users of the ratings"):
        browsers.browse(strangers, 1)
