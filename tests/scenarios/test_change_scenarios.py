"""Shipped scenarios of change: what they expect holds on seeds that chose nothing, and not with the effect switched off."""

import pytest

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.scenarios import load_scenario, run

HELD_OUT = {"provider-exodus": (31, 32), "drift": (31,), "seasons": (61,), "cold-start-users": (31,)}
"""More of them are judged by ``recsim-llm run NAME --expect``."""
JUDGED = {"drift": {"recommenders": ["mf", "linucb"]}, "seasons": {"recommenders": ["mf", "linucb"]}}
"""The recommenders that a finding is about, where there are others: those cost time and change nothing."""
FASHION = {
    "name": "in fashion",
    "at": 0,
    "change": {"drift": {"genres": ["Horror", "War", "Western", "Documentary"], "size": 5.0}},
}
UNFAIR = {"name": "fair", "recommender": "exposure-fair", "settings": {"base": "popularity", "strength": 0.0}}
OPPOSITES = {
    "nobody ever leaves": (
        "provider-exodus",
        {"providers.least_share": 0.0},
        {"popularity-loses-providers", "fairness-keeps-providers"},
    ),
    "re-ranking has no weight": (
        "provider-exodus",
        {"recommenders": ["popularity", UNFAIR]},
        {"fairness-keeps-providers", "the-least-shown-gain"},
    ),
    "tastes stay": ("drift", {"interventions": []}, {"the-learner-recovers", "the-fitted-one-does-not"}),
    "there is no season": ("seasons", {"interventions": []}, {"a-bandit-follows", "it-lags", "following-pays"}),
    "everyone has a history": ("cold-start-users", {"users.count": 600}, {"without-history-no-taste", "own-clicks-help"}),
    "nobody comes late": ("cold-start-users", {"interventions": [FASHION]}, {"others-clicks-help"}),
}


def answers(folder, name, seed, **changes):
    run(load_scenario(name, {"seed": seed} | JUDGED.get(name, {}) | changes), folder)
    findings = measure_findings(folder).findings
    assert all(finding.may_judge for finding in findings)
    return {finding.name: finding.answer for finding in findings}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, seeds in HELD_OUT.items() for seed in seeds])
def test_what_a_scenario_expects_holds_on_seeds_that_chose_nothing(name, seed, tmp_path):
    assert set(answers(tmp_path / "run", name, seed).values()) == {"holds"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes", "lost"), OPPOSITES.values(), ids=OPPOSITES)
def test_with_its_effect_switched_off_nothing_of_a_finding_holds(name, changes, lost, tmp_path):
    found = answers(tmp_path / "run", name, HELD_OUT[name][0], **changes)
    assert "holds" not in {found[finding] for finding in lost}
