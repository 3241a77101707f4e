"""Poisoned recommenders: what fake users do to pages, how they are told from people, and whether it is noticed."""

import json

import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE, ProfileAttack, with_fakes
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.recommenders.suspicion import similarity_suspicion
from recsim_llm.scenarios.poisoning.poisoned_worlds import CURVE_AT, KINDS, area_under_roc, poison_worlds
from recsim_llm.scenarios.poisoning.policy_check import POISONED, check_policy


@pytest.fixture(scope="module")
def films():
    return open_dataset("fictional")


@pytest.fixture(scope="module")
def found(films):
    """Two worlds, whose seeds chose nothing."""
    return poison_worlds(films, lambda _, ratings: similarity_suspicion(ratings), threshold=2.5, seed=901, users=200, worlds=2)


def test_a_poisoned_policy_is_found_and_a_clean_one_is_not(found):
    of = {kind.kind: kind for kind in found.kinds}
    assert tuple(of) == KINDS
    assert found.false_alarms.value == 0
    assert found.suspected.value < 0.06
    for kind in ("bandwagon", "segment"):
        assert of[kind].found.value == 1
        assert of[kind].area.value > 0.99
        assert of[kind].caught.value == 1
        assert of[kind].lifted.value > 2 * POISONED
        assert of[kind].screened.value == pytest.approx(0, abs=0.01)
    # What does nothing is not found, though its copies are.
    assert of["plain"].caught.value == 1
    assert of["plain"].found.value == of["plain"].lifted.value == 0
    assert of["random"].found.value == 0


def test_a_curve_rises_from_none_suspected_to_all(found):
    for kind in KINDS:
        assert len(found.curves[kind]) == len(CURVE_AT)
        assert (np.diff(found.curves[kind]) >= 0).all()
        assert found.curves[kind][-1] == 1


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    assert area_under_roc(np.array([3.0, 1.0, 2.0]), np.array([True, False, False])) == 1
    assert area_under_roc(np.array([1.0, 1.0, 2.0, 0.0]), np.array([True, False, False, True])) == pytest.approx(0.125)


def test_the_check_names_the_item_that_fake_users_push_and_who_they_are(films):
    known, _ = films.training_part(0.1)
    target = int(known.catalog.item_id[known.catalog.popularity.argmin()])
    attack = ProfileAttack(items=ItemSelection(items=[target]), filler=12)
    users = known.ratings.users[:200]
    stock = with_fakes(attack, known.catalog, known.ratings, seed=902)
    check = check_policy("item-knn", *stock, users, seed=1)
    assert (check.poisoned, check.item_id) == (True, target)
    assert set(stock[1].users[stock[1].users >= FIRST_FAKE]) <= set(check.suspects)
    clean = check_policy("item-knn", known.catalog, known.ratings, users, seed=1)
    assert not clean.poisoned
    assert clean.shown.sum() == clean.shown_without.sum() == pytest.approx(10)


def test_the_audit_asks_a_model_about_every_history(tmp_path):
    out = tmp_path / "audit"
    command = ["audit", "poisoning", "--model", "scripted/uniform", "--data", "fictional-100", "--seed", "3", "--n-users", "20"]
    assert main([*command, "--quiet", "--out", str(out)]) == 0
    content = json.loads((out / "audit.json").read_text())
    assert (content["audit"], content["users"], content["played_by"]) == ("poisoning", 20, "scripted/uniform")
    assert content["asks"] == 2 * (20 + len(KINDS) * 21)
    areas = [kind["area"]["value"] for kind in content["finding"]["kinds"]]
    assert areas == [0.5] * len(KINDS)
