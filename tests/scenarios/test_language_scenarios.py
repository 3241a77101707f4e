"""Shipped scenarios of language policies: nobody pays for a model, and all families are there."""

import pytest

from recsim_llm.scenarios import load_scenario


@pytest.mark.parametrize("name", ["hallucinated-items", "tools-against-ranker", "sycophantic-policy", "language-arena"])
def test_no_model_is_paid_for(name):
    assert all(model.name.startswith("scripted/") for model in load_scenario(name).models.values())


def test_the_arena_compares_nine_policies_of_all_families():
    arms = load_scenario("language-arena").recommenders
    kinds = {"popularity", "mf", "linucb", "sasrec", "language", "chat", "react", "talking", "asking"}
    assert {arm.recommender for arm in arms} == kinds
