"""The section ``social``: what is accepted, what is refused, and what it makes."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from recsim_llm.core.configuration import config_error
from recsim_llm.errors import DataError
from recsim_llm.population.friendships import LeftOut
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.scenarios.social_settings import FriendSettings, SocialSettings, make_friendships, make_word_of_mouth


@pytest.fixture(scope="module")
def population():
    taste = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    traits = np.ones((80, len(TRAITS)), np.float32)
    return Population(user_id=np.arange(80) * 3, traits=traits, genre_names=tuple("abcde"), taste=taste)


def refusal(settings):
    with pytest.raises(ValidationError) as caught:
        SocialSettings.model_validate(settings)
    return str(config_error(caught.value, SocialSettings, "social"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"strengths": 1},
            "got unknown key 'strengths', expected one of friends, strength, memory, limit, chats; did you mean",
        ),
        ({"memory": 1.0}, "memory: got 1.0, expected a number of at least 0 and below 1"),
        ({"strength": 0.0}, "strength: got 0.0, expected a number from 0.02 to 6.0"),
        ({"limit": True}, "limit: got True, expected a number from 0.02 to 6.0"),
        ({"friends": {"degree": 0}}, "friends.degree: got 0, expected a number above 0 and of at most 200"),
        ({"friends": {"homophily": 1.2}}, "friends.homophily: got 1.2, expected a number from 0 to 1"),
        ({"friends": {"clustering": 1}}, "friends.clustering: got 1, expected a number of at least 0 and below 1"),
        ({"friends": {"file": "a.csv", "degree": 4}}, "friends: got a file and degree, expected one of both; leave"),
        ({"friends": 7}, "friends: got 7, expected settings by name: file, degree, homophily, clustering"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_key_and_bound(settings, words):
    assert words in refusal(settings)


def test_friends_may_be_written_as_a_file_alone_and_come_back_from_a_manifest():
    settings = SocialSettings.model_validate({"friends": "friends.csv"})
    assert settings.friends.file == "friends.csv"
    assert SocialSettings.model_validate(settings.model_dump(mode="json")) == settings


def test_friends_are_drawn_as_asked_for(population):
    graph = make_friendships(FriendSettings(degree=6, homophily=0.9), population, seed=5)
    assert graph.degree.mean() == 6
    assert graph.assortativity(population.taste) > 0.3


def test_friends_come_from_a_file_and_what_it_holds_besides_is_counted(population, tmp_path):
    file = tmp_path / "friends.tsv"
    file.write_text("user_id\tfriend_id\n0\t3\n6\t9\n6\t1\n4\n")
    graph = make_friendships(FriendSettings(file=str(file)), population, seed=5)
    assert [side.tolist() for side in graph.pairs] == [[0, 2], [1, 3]]
    assert graph.left_out == LeftOut(unknown=2)


def test_a_file_that_is_not_there_is_told(population, tmp_path):
    with pytest.raises(DataError, match=r"friends\.csv: no such file"):
        make_friendships(FriendSettings(file=str(tmp_path / "friends.csv")), population, seed=5)


def test_a_file_of_strangers_is_told_by_its_name(population, tmp_path):
    file = tmp_path / "friends.csv"
    file.write_text("user_id,friend_id\nx,y\n")
    with pytest.raises(DataError, match=r"friends\.csv: got 1 row left out .*, expected two users"):
        make_friendships(FriendSettings(file=str(file)), population, seed=5)


def test_word_of_mouth_has_the_settings_of_the_section(population):
    settings = SocialSettings.model_validate({"strength": 0.7, "memory": 0.5, "limit": 0.8, "friends": {"degree": 79}})
    talk = make_word_of_mouth(settings, population, items=3, seed=1)
    talk.exchange(np.array([0]), np.array([2]))
    assert talk.shift(np.array([1]), np.array([[2, 1]])).tolist() == [[pytest.approx(0.7), 0.0]]
    talk.exchange(np.array([2]), np.array([2]))
    assert talk.shift(np.array([1]), np.array([[2]])).tolist() == [[pytest.approx(0.8)]]
