"""Biases of a language model that ranks candidates."""

import json
import re

import pytest
from planted_scripts import shifted, slot_of
from scripted_users import FakeModel, language_ranker
from small_data import ask_for, fitted

from recsim_llm.agents.audits import ranking_bias
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripted_recommender import history
from recsim_llm.testing import small_world


def ranked(script, **settings):
    world = small_world()
    ranker = fitted(language_ranker(FakeModel(script), base="item-knn", candidates=12), world)
    return ranking_bias(ranker, ask_for(world[1].users), world[0].popularity, **settings)


def test_a_ranker_without_place_bias_has_none():
    found = ranked(history)
    assert found.position.value == 0
    assert found.asks == 8 * 24
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["users"] == 24


def test_a_rankers_place_bias_is_found():
    def early(text, question):
        return shifted(history(text, question), -0.3 * slot_of(question))

    found = ranked(early)
    assert found.position.low > 0.3
    assert found.curve[0] > found.curve[5] > found.curve[11]


def test_a_rankers_popularity_bias_is_found():
    def famous(text, question):
        line = re.search(rf'^{slot_of(question)}\. "Item (\d+)"', text, re.MULTILINE)
        chance = 0.9 - 0.01 * int(line[1])
        return chance, 1 - chance

    found = ranked(famous)
    assert found.popularity.value == pytest.approx(1)
    assert found.base_popularity.value < 0.9


@pytest.mark.parametrize(
    ("base", "settings", "match"), [("random", {}, "does not draw"), ("item-knn", {"rotations": 1}, "2 or more")]
)
def test_rankings_that_cannot_be_compared_are_refused(base, settings, match):
    world = small_world()
    ranker = fitted(language_ranker(FakeModel(history), base=base), world)
    with pytest.raises(ConfigError, match=match):
        ranking_bias(ranker, ask_for(world[1].users), world[0].popularity, **settings)
