"""Which users are taken."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.population import UserSource, choose_users, measured_users, write_population


@pytest.fixture(scope="module")
def source():
    return measured_users(fictional.load(n_users=30))


@pytest.fixture
def untouched():
    """A source that must not be asked."""

    def refuse():
        raise AssertionError("the source was asked")

    return UserSource(refuse, refuse)


def test_all_users_are_taken_where_nothing_is_asked_for(source):
    assert choose_users(None, source, seed=1) is source.everyone()


def test_users_are_measured_once(source):
    assert source.everyone() is source.everyone()


def test_a_smaller_draw_is_part_of_a_larger_and_in_the_order_of_the_source(source):
    few, more = (choose_users(count, source, seed=5).user_id for count in (7, 20))
    assert set(few) < set(more)
    assert (np.diff(more) > 0).all()


def test_no_distribution_is_fitted_where_users_are_enough(source):
    few = choose_users(30, source._replace(joint=None), seed=5)
    np.testing.assert_array_equal(few.user_id, source.everyone().user_id)


def test_more_users_than_there_are_come_with_new_ids(source):
    users = choose_users(31, source, seed=5)
    assert len(users) == 31
    assert users.user_id.min() == source.everyone().user_id.max() + 1


def test_given_users_and_users_of_a_file_need_no_source(source, untouched, tmp_path):
    some = source.everyone().take(np.arange(3))
    write_population(some, tmp_path / "users.parquet")
    assert choose_users(some, untouched, seed=1) is some
    read = choose_users(tmp_path / "users.parquet", untouched, seed=1)
    np.testing.assert_array_equal(read.traits, some.traits)


@pytest.mark.parametrize("count", [0, -1, True])
def test_fewer_than_one_user_are_refused(untouched, count):
    with pytest.raises(ConfigError, match=rf"number of users: got {count}, expected 1 or more"):
        choose_users(count, untouched, seed=1)
