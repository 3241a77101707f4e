"""Shipped scenarios of loops: what they expect holds on seeds that chose nothing, and not where the effect is switched off."""

import pytest
from finding_checks import answers, check_expectation

SEEDS = (23, 24)
"""Neither chose a parameter of a scenario, nor are they those that its findings name."""
SMALL = {
    "popularity-loop": {"users.count": 120, "clock.days": 9},
    "filter-bubble": {},
    "harmful-loop": {},
    "promotion-slots": {"users.count": 400},
}


def knn(name, **more):
    return {"name": name, "recommender": "item-knn"} | more


def reranked(name, recommender):
    return {"name": name, "recommender": recommender, "settings": {"base": "linucb", "strength": 0.0}}


BANDIT = {"name": "bandit", "recommender": "linucb"}
SOLD = {"name": "slot sold", "at": 6, "change": {"promote": {"items": {"provider": "Copper Coyote"}}}}
OPPOSITES = {
    "nobody is fitted anew": (
        "popularity-loop",
        {"recommenders": [knn("fitted once"), knn("fitted daily"), knn("factors fitted once"), knn("factors fitted daily")]},
        {"exposure-concentrates", "fewer-films", "users-alike"},
    ),
    "what concentrates stands where nothing is expected to": (
        "popularity-loop",
        {
            "recommenders": [
                knn("fitted once"),
                knn("fitted daily"),
                knn("factors fitted once"),
                knn("factors fitted daily", retrain="day"),
            ]
        },
        {"factors-do-not"},
    ),
    "the bandit follows nobody": (
        "filter-bubble",
        {"recommenders": ["random", {"name": "bandit", "recommender": "random"}]},
        {"pages-narrow", "tastes-follow", "users-alike"},
    ),
    "tastes do not give way": ("filter-bubble", {"users.parameters.drift": 0.0}, {"tastes-follow"}),
    "re-ranking has no weight": (
        "filter-bubble",
        {"recommenders": ["random", BANDIT, reranked("bandit with mmr", "mmr"), reranked("bandit calibrated", "calibrated")]},
        {"mmr-keeps-pages-wide", "mmr-costs-clicks", "calibration-keeps-pages-wide"},
    ),
    "nothing does harm": ("harmful-loop", {"interventions": []}, {"less-satisfied", "fewer-returns", "fewer-users"}),
    "nothing is sold": ("promotion-slots", {"interventions": []}, {"clicks-lost", "satisfaction-lost", "exposure-moved"}),
    "the slot stays sold, and good pages stand for random ones": (
        "promotion-slots",
        {"interventions": [SOLD], "recommenders": ["mf", {"name": "random", "recommender": "mf"}]},
        {"over-when-over", "bad-pages-lose-nothing"},
    ),
}


def test_no_seed_of_these_tests_may_judge_by_itself_and_each_finding_has_an_opposite():
    for name in SMALL:
        check_expectation(name, SEEDS, OPPOSITES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SMALL)
def test_what_is_expected_holds_on_seeds_that_chose_nothing(name, seed, tmp_path):
    found = answers(name, tmp_path / "run", SMALL[name] | {"seed": seed})
    assert set(found.values()) == {"holds"}, found


@pytest.mark.slow
@pytest.mark.parametrize("opposite", OPPOSITES)
def test_where_the_effect_is_switched_off_the_finding_fails(opposite, tmp_path):
    name, off, refuted = OPPOSITES[opposite]
    found = answers(name, tmp_path / "run", SMALL[name] | {"seed": SEEDS[0]} | off)
    assert {finding: found[finding] for finding in refuted} == dict.fromkeys(refuted, "does not hold")
