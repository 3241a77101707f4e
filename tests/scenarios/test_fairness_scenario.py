"""Fairness to users in runs: the scenario of that name, its opposites, and what every run tells of groups."""

import pytest
from finding_checks import answers, check_expectation

from recsim_llm.metrics import measure_run
from recsim_llm.report.metric_groups import metric_groups
from recsim_llm.scenarios import load_scenario, run

SEEDS = (71, 72)
TOLD, *_, CURED = load_scenario("fairness").model_dump(mode="json")["recommenders"]
OTHERS = [{"name": name, "recommender": "mf"} for name in ("untold", "told fairly")]
FEW = {"users.count": 24, "max_pages": 2}
OPPOSITES = {
    "it has no idea of anybody": (
        "fairness",
        FEW | {"models.policy": "scripted/recommender"},
        {"telling-opens-a-gap", "a-fair-prompt-closes-it", "re-ranking-gives-back"},
    ),
    "the cure serves everybody at random": (
        "fairness",
        FEW | {"recommenders": [TOLD, *OTHERS, {"name": "re-ranked", "recommender": "random"}]},
        {"the-city-pays-little"},
    ),
}
NEGLECTS = {
    "name": "neglects",
    "recommender": "recsim_llm.testing.neglecting:Neglecting",
    "settings": {"base": "mf", "candidates": 30},
}
PLANTED = {
    "data": "fictional-100",
    "recommenders": [NEGLECTS, "mf"],
    "users.count": 150,
    "users.attributes": {"region": {"south": {"share": 0.5}, "north": {}}},
    "slate_size": 5,
    "max_pages": 3,
    "seed": SEEDS[0],
}


def test_each_expectation_is_judged_by_seeds_that_chose_nothing_and_has_an_opposite():
    check_expectation("fairness", SEEDS, OPPOSITES)


def test_what_it_expects_is_not_refuted_with_fewer_users(tmp_path):
    found = answers("fairness", tmp_path / "run", {"seed": SEEDS[0], "users.count": 100})
    assert "holds" in found.values()
    assert "does not hold" not in found.values()


@pytest.mark.parametrize(("name", "changes", "lost"), OPPOSITES.values(), ids=OPPOSITES)
def test_with_its_effect_switched_off_nothing_of_a_finding_holds(name, changes, lost, tmp_path):
    found = answers(name, tmp_path / "run", {"seed": SEEDS[1]} | changes)
    assert "holds" not in {found[finding] for finding in lost}


def test_a_run_tells_the_worst_group_of_a_recommender_that_neglects_it_and_what_it_gets(tmp_path):
    metrics = measure_run(run(load_scenario("demo", PLANTED), tmp_path / "run"))
    unfair, fair = (metrics.arm(name).user_groups["region"]["return"] for name in ("neglects", "mf"))
    assert (unfair.lowest, unfair.gap.excludes(0), fair.gap.excludes(0)) == ("south", True, False)
    south = unfair.means["south"]
    assert unfair.worst.value == south.value
    assert unfair.worst.low < south.low  # it was picked for being the lowest
    assert unfair.worst.high < fair.means["south"].value
    rows = dict(dict(metric_groups(metrics))["fairness"])
    worst = rows["Return of the group with the least by region ↑"]
    assert [cell.value for cell in worst] == [f"{gap.worst.value:.2f}" for gap in (unfair, fair)]
    gaps = rows["Gap in return by region ↓"]
    assert [cell.value.endswith("(south)") for cell in gaps] == [True, False]
