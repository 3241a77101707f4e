"""Biases of a language model that ranks candidates."""

import json
import re
import zlib

import numpy as np
import pytest
from planted_scripts import shifted, slot_of
from policy_models import FakePolicy, Garbled
from scripted_users import FakeModel, language_ranker
from small_data import ask_for, fitted

from recsim_llm.agents.audits import ranking_bias
from recsim_llm.errors import ConfigError, ModelReplyError
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


def picks(script, way, **told):
    world = small_world()
    ranker = fitted(language_ranker(FakePolicy(script=script), base="item-knn", candidates=12, ask=way), world)
    return ranking_bias(ranker, ask_for(world[1].users), world[0].popularity, **told)


def numbered(text):
    return {int(number): int(item) for number, item in re.findall(r'^(\d+)\. "Item (\d+)"', text, re.MULTILINE)}


def first_of_all(text, question):
    """Name what stands first in the prompt, whatever it is."""
    if question.kind == "choice":
        return [0.9] + [0.1] * (len(question.options) - 1)
    return shifted((0.5, 0.5), -0.3 * slot_of(question))


def by(worth):
    """Return a script that prefers what is worth most, wherever it stands."""

    def script(text, question):
        shown = {number: worth(item) for number, item in numbered(text).items()}
        if question.kind == "choice":
            best = sorted(shown, key=lambda number: -shown[number])[slot_of(question) - 1]
            return [0.9 if int(option) == best else 0.1 for option in question.options]
        return shown[slot_of(question)], 1 - shown[slot_of(question)]

    return script


@pytest.mark.parametrize("way", ["yes_no", "list"])
def test_picks_that_follow_their_place_are_found(way):
    found = picks(first_of_all, way)
    assert found.first_place.value == 1
    assert found.picks[0] == 1
    assert found.pick_position.value > 3


@pytest.mark.parametrize("way", ["yes_no", "list"])
def test_picks_that_follow_the_item_spread_over_all_places(way):
    found = picks(by(lambda item: zlib.crc32(str(item).encode()) / 2**32), way, rotations=24)
    assert sum(found.picks) == pytest.approx(1)
    assert not found.pick_position.excludes(0)
    assert not found.first_place.excludes(1 / 12)
    assert not found.popular_picks.excludes(0)


def test_picks_of_the_famous_are_found_against_candidates_and_what_users_took_later():
    popularity = small_world()[0].popularity
    order = popularity.argsort(kind="stable").argsort()
    users = len(small_world()[1].users)
    later = [np.argsort(popularity, kind="stable")[:3]] * (users - 1) + [np.empty(0, np.int64)]
    found = picks(by(lambda item: (order[item] + 1) / 100), "yes_no", later=later)
    assert found.popular_picks.low > 0
    assert found.popular_truth.low > 0
    assert found.popular_truth.users == users - 1


def test_what_users_took_later_need_not_be_known():
    found = picks(history, "yes_no")
    assert found.popular_truth.value is None


def test_a_way_without_numbers_is_probed_by_its_picks_alone():
    world = small_world()
    model = FakePolicy(lambda text: "1, 2, 3")
    ranker = fitted(language_ranker(model, base="item-knn", candidates=12, ask="written_list"), world)
    found = ranking_bias(ranker, ask_for(world[1].users), world[0].popularity, k=3)
    assert found.first_place.value == 1
    assert found.position.value is None
    assert found.curve == ()


@pytest.mark.parametrize(
    ("base", "settings", "match"), [("random", {}, "does not draw"), ("item-knn", {"rotations": 1}, "2 or more")]
)
def test_rankings_that_cannot_be_compared_are_refused(base, settings, match):
    world = small_world()
    ranker = fitted(language_ranker(FakeModel(history), base=base), world)
    with pytest.raises(ConfigError, match=match):
        ranking_bias(ranker, ask_for(world[1].users), world[0].popularity, **settings)


def test_pairs_which_have_no_places_are_refused():
    with pytest.raises(ConfigError, match="shows all candidates together"):
        picks(history, "pairs")


def test_users_about_whom_a_reply_could_not_be_read_are_left_out_and_told():
    world = small_world()
    lost = set(world[1].users[:6].tolist())

    def probed(users, garbled):
        ranker = fitted(language_ranker(Garbled(garbled.__contains__), base="item-knn", candidates=12), world)
        return ranking_bias(ranker, ask_for(users), world[0].popularity)

    some, others = probed(world[1].users, lost), probed(world[1].users[6:], ())
    assert (some.unread.value, some.unread.users) == (6 / 24, 24)
    assert (some.users, some.pick_position, some.curve) == (18, others.pick_position, others.curve)
    with pytest.raises(ModelReplyError, match="no readable replies in all 8 orders for any of 24 users"):
        probed(world[1].users, set(world[1].users.tolist()))
