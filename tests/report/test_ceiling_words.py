"""What stands first where an arm beats one that knows the users."""

import json

import pytest
from written_runs import write_run

from recsim_llm.comparison import ORACLE, PLANNER, Beaten, find_beaten, summarise
from recsim_llm.report import verdict, write_report
from recsim_llm.report.ceiling_words import compared_beaten, warn_of_beaten
from recsim_llm.statistics import Estimate

LOW, MIDDLE, HIGH = [1, 1, 2, 1, 0, 1], [3, 3, 3, 3, 2, 3], [5, 5, 6, 5, 4, 6]


def write_arms(run, **clicks):
    """Write a run of one page a user, with as many clicks as given on slates of six."""
    log = [
        (arm, user, 0, 0, [(item, 4.0 if item < count else None) for item in range(6)])
        for arm, counts in clicks.items()
        for user, count in enumerate(counts)
    ]
    return write_run(run, log, arms=list(clicks), slate_size=6)


def verdict_of(folder, **clicks):
    return verdict(summarise(write_arms(folder, **clicks)))


def estimate(low, high):
    return Estimate(value=(low + high) / 2, low=low, high=high, users=9)


def test_who_beats_the_planner_has_beaten_the_game_and_that_stands_first(tmp_path):
    text = verdict_of(tmp_path, a=HIGH, oracle=LOW, planner=MIDDLE)
    assert text.startswith("a beats the planner by +4.7 [")
    assert "reward a user: the game was beaten, distrust the ranking." in text


def test_who_beats_the_oracle_alone_may_have_looked_ahead(tmp_path):
    text = verdict_of(tmp_path, a=HIGH, oracle=MIDDLE)
    assert text.startswith("a beats the oracle by +2.3 [")
    assert "the game was beaten, or looking ahead pays. Distrust the ranking until the planner" in text


def test_who_is_between_oracle_and_planner_has_looked_ahead(tmp_path):
    text = verdict_of(tmp_path, a=MIDDLE, oracle=LOW, planner=HIGH)
    assert text.startswith("a beats the oracle by +1.8 [")
    assert "the planner, the ceiling of whole visits, is not beaten." in text
    assert text.endswith("The planner, which knows the users and looks ahead, got +2.3 [1.6, 3.1] clicks a user more than a.")


def test_an_oracle_that_beats_the_planner_is_told_of(tmp_path):
    assert verdict_of(tmp_path, a=LOW, oracle=HIGH, planner=MIDDLE).startswith("oracle beats the planner by")


def test_a_planner_that_beats_the_oracle_is_as_it_should_be(tmp_path):
    assert verdict_of(tmp_path, a=LOW, oracle=MIDDLE, planner=HIGH).startswith("a got ")


def test_who_is_above_by_chance_has_beaten_nobody(tmp_path):
    assert "beats" not in verdict_of(tmp_path, a=[3, 3, 4, 3, 2, 2], oracle=MIDDLE)


def test_neither_of_the_two_is_ever_the_best(tmp_path):
    assert summarise(write_arms(tmp_path, a=LOW, oracle=MIDDLE, planner=HIGH)).best == "a"


def test_the_page_says_so_before_it_says_who_won(tmp_path):
    html = write_report(write_arms(tmp_path, a=HIGH, oracle=MIDDLE)).read_text(encoding="utf-8")
    assert 0 < html.index("a beats the oracle by") < html.index("nothing to be compared with")


@pytest.mark.parametrize(
    ("planned", "metric", "found"),
    [("reward_per_user", "reward_per_user", 1), ("reward_per_user", "clicks_per_user", 0), (None, "clicks_per_user", 0)],
)
def test_the_planner_is_a_ceiling_for_what_it_planned_for_alone(planned, metric, found):
    assert len(find_beaten([Beaten("a", PLANNER, metric, estimate(1, 2))], planned=planned)) == found


def test_the_oracle_is_a_ceiling_for_clicks_alone():
    rows = [Beaten("a", ORACLE, metric, estimate(1, 2)) for metric in ("clicks_per_user", "reward_per_user")]
    assert [row.metric for row in find_beaten(rows, planned="reward_per_user")] == ["clicks_per_user"]


@pytest.mark.parametrize(("chosen", "found"), [([], 1), (["clicks_per_user"], 0)])
def test_a_comparison_without_the_reward_tells_only_where_the_clicks_are_paid(chosen, found):
    row = {"metric": "clicks_per_user", "arm": PLANNER, "against": "a", "effect": vars(estimate(-2, -1))}
    content = {"metrics": [{"key": "clicks_per_user"}], "judging": {"metrics": chosen}, "comparisons": [row]}
    assert len(compared_beaten(json.loads(json.dumps(content)))) == found


def test_each_arm_is_told_of_once():
    rows = [Beaten("a", one, "clicks_per_user", estimate(1, 2)) for one in (PLANNER, ORACLE)]
    assert len(warn_of_beaten(rows, ["a", ORACLE, PLANNER])) == 1
