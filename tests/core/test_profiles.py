"""Profiles: what everyone may see of users, by field and as named columns."""

import numpy as np
import pytest
from small_data import ask_for

from recsim_llm.core.batches import stack_columns, take_columns
from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import ConfigError, DataError

PEOPLE = {"gender": np.array(["F", "M", "", "F"], object), "age": np.array(["25-34", "", "18-24", "25-34"], object)}


def test_columns_are_one_for_each_value_of_each_field_in_order():
    profile = make_profile(PEOPLE, 4)
    assert profile.fields == ("age", "gender")
    assert profile.names == ("age=18-24", "age=25-34", "gender=F", "gender=M")
    assert profile.columns.tolist() == [[0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 1, 0]]
    assert profile.columns.dtype == np.float32


@pytest.mark.parametrize("rows", [np.array([2, 0]), slice(1, 3), np.array([], np.int64), np.array([3, 3])])
def test_some_users_keep_the_columns_of_all(rows):
    profile = make_profile(PEOPLE, 4)
    some = profile[rows]
    assert some.names == profile.names
    assert some.columns.tolist() == profile.columns[rows].tolist()
    assert some.values("gender").tolist() == PEOPLE["gender"][rows].tolist()
    assert len(some) == len(some.columns)


def test_as_an_array_a_profile_is_its_columns():
    profile = make_profile(PEOPLE, 4)
    assert np.asarray(profile).tolist() == profile.columns.tolist()
    assert np.asarray(profile[1:3], np.float64).dtype == np.float64


def test_batches_of_profiles_are_taken_and_put_below_each_other():
    profile = make_profile(PEOPLE, 4)
    parts = [take_columns(profile, np.array([3])), take_columns(profile, np.array([1, 0]))]
    assert stack_columns(parts).values("age").tolist() == ["25-34", "", "25-34"]


def test_users_of_whom_nothing_is_known_have_no_columns():
    profile = make_profile({}, 3)
    assert (profile.fields, profile.names, profile.columns.shape) == ((), (), (3, 0))
    with pytest.raises(ConfigError, match="profile: got 'age', expected none, since the data say nothing about users"):
        profile.values("age")


def test_where_only_a_log_is_known_every_question_is_refused_in_one_line():
    requests = take_columns(ask_for([1, 2, 3]), np.array([0, 2]))
    assert requests.user_id.tolist() == [1, 3]
    for ask in (lambda p: p.columns, lambda p: p.names, lambda p: p.fields, lambda p: p.values("age"), lambda p: p[:1].columns):
        with pytest.raises(DataError, match=r"^profile: got requests that were rebuilt from a log.*expected those of a run"):
            ask(requests.profile)


def test_a_field_that_is_not_there_is_refused_by_name():
    with pytest.raises(ConfigError, match="profile: got 'sex', expected one of age, gender"):
        make_profile(PEOPLE, 4).values("sex")


def test_what_is_handed_out_is_the_receivers_own():
    profile = make_profile(PEOPLE, 4)
    profile.columns[:] = 7
    profile.values("age")[:] = "99"
    assert profile.columns.max() == 1
    assert profile.values("age")[0] == "25-34"
