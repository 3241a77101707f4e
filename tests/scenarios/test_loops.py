"""Shipped scenarios of loops: what they expect holds on seeds that chose nothing, and not where the effect is switched off."""

import pytest

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.scenarios import load_scenario, run

SEEDS = (21, 22)
"""Neither chose a parameter of a scenario, nor are they those that its findings name."""
LOOP = {"users.count": 120, "clock.days": 9}
ONCE = {"recommender": "item-knn"}
LOOP_OFF = [
    {"name": "fitted once", **ONCE},
    {"name": "fitted daily", **ONCE},
    {"name": "factors fitted once", "recommender": "mf"},
    # What is expected to change nothing is set against what does.
    {"name": "factors fitted daily", "recommender": "item-knn", "retrain": "day"},
]
CASES = {
    "popularity-loop": (LOOP, {"recommenders": LOOP_OFF}),
}


def answers(name, folder, seed, changes):
    folder = run(load_scenario(name, {"seed": seed} | changes), folder)
    return {finding.name: finding.answer for finding in measure_findings(folder).findings}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_what_is_expected_holds_on_seeds_that_chose_nothing(name, seed, tmp_path):
    small, _ = CASES[name]
    found = answers(name, tmp_path / "run", seed, small)
    assert set(found.values()) == {"holds"}, found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_without_the_effect_nothing_of_it_holds(name, tmp_path):
    small, off = CASES[name]
    found = answers(name, tmp_path / "run", SEEDS[0], small | off)
    assert set(found.values()) == {"does not hold"}, found
