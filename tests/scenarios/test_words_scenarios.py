"""Shipped scenarios of words on pages: what they expect holds on seeds that chose nothing, not where words do nothing."""

import pytest
from finding_checks import answers, check_expectation

SEEDS = (23, 24)
"""Neither chose a parameter of a scenario, nor are they those that its findings name."""
NAMES = ("explanations-help-and-mislead", "clickbait")
NOTHING = {"lift": 0.0, "taste": 0.0, "gain": 0.0, "loss": 0.0, "disappointment": 0.0}
TRUE = {"recommender": "explained", "settings": {"base": "popularity"}}
OPPOSITES = {
    "reasons do nothing": (
        "explanations-help-and-mislead",
        {"presentation": NOTHING},
        {"help", "mislead-at-first", "wears-off", "trust-lost", "satisfaction-lost", "users-lost"},
    ),
    "what is made up is true": (
        "explanations-help-and-mislead",
        {"recommenders": ["popularity", {"name": "true reasons"} | TRUE, {"name": "made-up reasons"} | TRUE]},
        {"trust-lost", "satisfaction-lost", "users-lost"},
    ),
    "titles do nothing": (
        "clickbait",
        {"presentation": {**NOTHING, "titles": {"lift": 0.0}}},
        {"clicks-at-first", "wears-off", "trust-lost", "satisfaction-lost", "users-lost", "mild-costs-less"},
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_no_seed_of_these_tests_may_judge_by_itself_and_each_finding_has_an_opposite(name):
    check_expectation(name, SEEDS, OPPOSITES)


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
