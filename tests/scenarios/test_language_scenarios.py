"""Shipped scenarios of language policies: what they expect holds on seeds that chose nothing, and not in their opposites."""

import pytest
from finding_checks import answers, check_expectation

from recsim_llm.scenarios import load_scenario

SEEDS = (23, 24)
"""Neither chose a parameter of a scenario, nor are they those that its findings name."""
NAMES = ("hallucinated-items", "tools-against-ranker", "sycophantic-policy", "language-arena")
AT_RANDOM = [
    "popularity",
    {"name": "mf", "recommender": "random"},
    {"name": "ranks", "recommender": "language", "settings": {"base": "random", "candidates": 20, "ask": "rating"}},
    {"name": "looks things up", "recommender": "mf"},
]
WORSE_THAN_GROUNDED = [
    {"name": "popularity", "recommender": "random"},
    {"name": "grounded", "recommender": "popularity"},
    {"name": "as written", "recommender": "popularity"},
]
NOBODY_TALKS = [
    "mf",
    {"name": "rules talk", "recommender": "mf"},
    {"name": "model ranks", "recommender": "language", "settings": {"base": "mf", "candidates": 20}},
    {"name": "model talks", "recommender": "language", "settings": {"base": "mf", "candidates": 20}},
]
OPPOSITES = {
    "nothing is made up": (
        "hallucinated-items",
        {"models.policy": "scripted/policy"},
        {"invalid-items-cost"},
    ),
    "titles by popularity against random pages": (
        "hallucinated-items",
        {"recommenders": WORSE_THAN_GROUNDED},
        {"grounding-is-no-taste"},
    ),
    "what is ranked was retrieved at random": (
        "tools-against-ranker",
        {"recommenders": AT_RANDOM},
        {"agent-behind-ranker", "ranker-behind-retrieval"},
    ),
    "users look for one film and say the truth": (
        "sycophantic-policy",
        {"conversation.goal": "item", "conversation.noise": 0.0},
        {"takes-longer", "pleases-less"},
    ),
    "nobody asks": (
        "language-arena",
        {"recommenders": NOBODY_TALKS},
        {"asking-finds-more", "a-model-that-talks-finds-more"},
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_no_seed_of_these_tests_may_judge_by_itself_and_each_finding_has_an_opposite(name):
    check_expectation(name, SEEDS, OPPOSITES)


@pytest.mark.parametrize("name", NAMES)
def test_no_model_is_paid_for(name):
    assert all(model.name.startswith("scripted/") for model in load_scenario(name).models.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_holds_on_seeds_that_chose_nothing(name, seed, tmp_path):
    found = answers(name, tmp_path / "run", {"seed": seed})
    assert set(found.values()) == {"holds"}, found


@pytest.mark.slow
@pytest.mark.parametrize("opposite", OPPOSITES)
def test_where_the_effect_is_switched_off_the_finding_fails(opposite, tmp_path):
    name, off, refuted = OPPOSITES[opposite]
    found = answers(name, tmp_path / "run", {"seed": SEEDS[0]} | off)
    assert {finding: found[finding] for finding in refuted} == dict.fromkeys(refuted, "does not hold")


def test_the_arena_compares_nine_policies_of_all_families():
    arms = load_scenario("language-arena").recommenders
    kinds = {"popularity", "mf", "linucb", "sasrec", "language", "chat", "react", "talking", "asking"}
    assert {arm.recommender for arm in arms} == kinds
