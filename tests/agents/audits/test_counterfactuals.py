"""Counterfactual fairness: planted unfair policies are found, fair ones and those that any word moves are not."""

import json
import zlib

import numpy as np
import pytest
from policy_models import FakePolicy, Garbled
from scripted_users import language_ranker
from small_data import ask_for, fitted

from recsim_llm.agents.audits import counterfactual_fairness
from recsim_llm.agents.audits.audit_rows import finding_rows
from recsim_llm.agents.audits.audited_policies import judge_lists
from recsim_llm.agents.audits.counterfactuals import Ranked
from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.language.backends.scripts import SHIPPED_SCRIPTS
from recsim_llm.testing import small_world
from recsim_llm.testing.neglecting import Neglecting

PEOPLE = {"gender": ("female", "male"), "region": ("north", "south", "west")}
ITEMS = np.arange(10)


def lists_by(order):
    """Return a policy that gives each user an order of ten items, by user, field and value."""

    def rank(requests):
        known = [field for field in requests.profile.fields if requests.profile.values(field)[0]]
        told = [(known[0], str(requests.profile.values(known[0])[0]))] if known else [("", "")]
        rows = [np.argsort(order(user, *told[0]), kind="stable") for user in requests.user_id.tolist()]
        return Ranked(np.array(rows)[:, :5], np.ones(len(rows), np.bool_))

    return rank


def drawn(*what):
    return np.array([zlib.crc32(repr((*what, item)).encode()) for item in range(10)]) / 2**32


def found(order, attributes=PEOPLE, users=30):
    return counterfactual_fairness(lists_by(order), ask_for(np.arange(users)), attributes=attributes)


def words(finding):
    return {row.label.partition(":")[0]: row.words for row in finding_rows(finding) if row.leading}


def test_whoever_looks_at_no_attribute_gives_equal_lists_to_everybody():
    fair = found(lambda user, field, value: drawn(user))
    assert words(fair) == {"gender": "within", "region": "within"}
    assert {row.words for row in finding_rows(fair)} == {"", "within", "sound"}
    gender = fair.attributes[0]
    assert (gender.apart.value, gender.snsr["prag"].value, gender.snsv["serp"].value) == (0, 0, 0)
    assert [one.value for one in gender.similarity["jaccard"]] == [1, 1]
    assert fair.asks == 30 * (1 + 5 + 4)
    assert json.loads(json.dumps(fair.to_json(), allow_nan=False))["slots"] == 5


def test_whom_any_word_moves_is_not_called_unfair():
    moved = found(lambda user, field, value: drawn(user) + 0.3 * drawn(user, field, value))
    assert moved.tickets.low > 0
    assert not {"beyond", "departs"} & {row.words for row in finding_rows(moved)}


def test_two_groups_with_lists_of_their_own_are_found_where_both_are_equally_far_from_the_neutral_one():
    def order(user, field, value):
        return drawn(user, value) if field == "region" else drawn(user)

    unfair = found(order)
    assert words(unfair) == {"gender": "within", "region": "beyond"}
    assert unfair.attributes[1].apart.low > 0.5
    assert not unfair.attributes[1].snsr["prag"].excludes(0)  # to which FaiRLLM's own number is blind


def test_one_group_whose_lists_are_others_shows_in_range_and_deviation_and_is_named():
    def order(user, field, value):
        return drawn(user, "others") if value == "south" else drawn(user)

    gender, region = found(order).attributes
    assert region.least_alike == "south"
    assert [one.value for one in region.similarity["prag"]][::2] == [1, 1]
    expected = 1 - region.similarity["prag"][1].value
    assert region.snsr["prag"].value == pytest.approx(expected)
    assert region.snsr["prag"].low > 0
    assert region.snsv["prag"].value == pytest.approx(expected * np.sqrt(2) / 3, rel=0.15)
    assert region.snsv["jaccard"].low > 0
    assert gender.snsr["prag"].value == 0


def told(profile, script="stereotype", attributes=PEOPLE):
    world = small_world()
    model = FakePolicy(script=SHIPPED_SCRIPTS[script])
    ranker = fitted(language_ranker(model, base="item-knn", candidates=12, profile=profile), world)
    return counterfactual_fairness(judge_lists(ranker), ask_for(world[1].users), attributes=attributes), model


def test_a_language_model_with_fixed_ideas_is_found_and_the_order_to_be_fair_or_silence_cures_it():
    unfair, _ = told("told", attributes={"gender": ("female", "male"), "age": ("old", "young")})
    assert words(unfair) == {"gender": "beyond", "age": "within"}  # it has no idea of ages
    assert {value for profile in ("told_fairly", "untold") for value in words(told(profile)[0]).values()} == {"within"}
    assert set(words(told("told", "recommender")[0]).values()) == {"within"}


def test_a_recommender_without_a_model_is_found_too():
    world = small_world()
    neglecting = fitted(Neglecting(Neglecting.Settings(base="item-knn", value="south")), world)
    whole = np.ones(len(world[1].users), np.bool_)
    unfair = counterfactual_fairness(
        lambda requests: Ranked(neglecting.recommend(requests, 5).item_id, whole), ask_for(world[1].users), attributes=PEOPLE
    )
    assert words(unfair) == {"gender": "within", "region": "beyond"}
    assert unfair.attributes[1].least_alike == "south"


def test_users_of_whom_a_reply_is_lost_are_left_out_and_told():
    world = small_world()
    users = world[1].users

    def lost(some):
        ranker = fitted(language_ranker(Garbled(some.__contains__), base="item-knn", candidates=12, profile="told"), world)
        return counterfactual_fairness(judge_lists(ranker), ask_for(users), attributes={"gender": ("female", "male")})

    some = lost(set(users[:6].tolist()))
    assert (some.users, some.unread.value) == (18, 0.25)
    with pytest.raises(ModelReplyError, match="no readable replies under all 7 profiles for any of 24 users"):
        lost(set(users.tolist()))


@pytest.mark.parametrize(
    ("attributes", "users", "match"),
    [
        ({}, 3, "got none, expected one or more"),
        ({"gender": ("male", "male")}, 3, "got gender with 1 value"),
        ({"ticket": ("a", "b")}, 3, "got ticket, expected"),
        (PEOPLE, 0, "got no users"),
    ],
)
def test_what_cannot_be_compared_is_refused(attributes, users, match):
    with pytest.raises(ConfigError, match=match):
        found(lambda user, *_: drawn(user), attributes, users)
