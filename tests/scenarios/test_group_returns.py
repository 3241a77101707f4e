"""What every run tells of groups of users."""

from recsim_llm.metrics import measure_run
from recsim_llm.report.metric_groups import metric_groups
from recsim_llm.scenarios import load_scenario, run

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
    "seed": 71,
}


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
