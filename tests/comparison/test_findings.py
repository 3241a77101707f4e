"""Findings: what holds, what does not, what is not decided, and by which seeds."""

import dataclasses
import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from recsim_llm.comparison.contrast_settings import ContrastSettings, FindingSettings
from recsim_llm.comparison.findings import judge_effect, measure_findings
from recsim_llm.comparison.findings_over_seeds import judge_over_seeds
from recsim_llm.errors import ConfigError
from recsim_llm.log import open_run
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.statistics import Estimate, paired_effect

ARMS = ["popularity", "random", {"name": "again", "recommender": "popularity"}]
SERIES = {
    "clicks": {"metric": "clicks_per_user"},
    "rate": {"metric": "click_share"},
    "gini": {"metric": "exposure_gini"},
    "west": {"metric": "clicks_per_user", "users": {"field": "region", "value": "west"}},
    "north": {"metric": "clicks_per_user", "users": {"field": "region", "value": "north"}},
}
CONTRASTS = {
    "gap": {"series": "clicks", "arm": "popularity", "against": "random"},
    "none": {"series": "clicks", "arm": "again", "against": "popularity"},
    "none-gini": {"series": "gini", "arm": "again", "against": "popularity"},
    "times": {"series": "clicks", "arm": "popularity", "against": "random", "kind": "ratio"},
    "later": {"series": "rate", "window": [1, 2], "before": [0, 0]},
    "both": {"series": "rate", "against": "random", "window": [1, 2], "before": [0, 0]},
    "slope": {"series": "rate", "kind": "slope"},
    "unequal": {"series": "gini", "arm": "popularity", "against": "random"},
    "level": {"series": "rate", "arm": "random"},
    "apart": {"series": "north", "less": "west", "arm": "random"},
    "wider": {"series": "north", "less": "west", "arm": "popularity", "against": "random"},
    "as-wide": {"series": "north", "less": "west", "arm": "again", "against": "popularity"},
    "beyond": {"series": "rate", "window": [5, 6], "before": [0, 0]},
}
EXPECT = [
    {"name": "gap", "claim": "Popular films get more clicks.", "contrast": "gap", "direction": "above", "seeds": [3, 4]},
    {"name": "same", "claim": "So they do twice.", "contrast": "none", "direction": "above", "tolerance": 0.5},
    {"name": "alike", "claim": "Twice is the same.", "contrast": "none-gini", "direction": "equal", "tolerance": 0.01},
    {
        "name": "rate",
        "claim": "They tire.",
        "contrast": {"series": "rate", "kind": "slope"},
        "direction": "below",
        "seeds": [3],
    },
]
SETTINGS = {
    "users.count": 80,
    "users.attributes": {"region": {"west": {"share": 0.4}, "north": {}}},
    "max_pages": 3,
    "visits": 3,
    "slate_size": 5,
    "seed": 3,
    "recommenders": ARMS,
    "users.parameters.click_bias": 1.5,
    "measure": {"series": SERIES, "contrasts": CONTRASTS},
    "expect": EXPECT,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def measured(finished):
    return measure_findings(finished)


def number(measured, name):
    return next(one for one in measured.contrasts if one.name == name)


@pytest.mark.parametrize(
    ("low", "high", "direction", "tolerance", "answer"),
    [
        (0.2, 0.6, "above", 0.0, "holds"),
        (-0.1, 0.6, "above", 0.0, "not decided"),
        (-0.6, -0.1, "above", 0.0, "does not hold"),
        (0.1, 0.6, "above", 0.5, "holds"),
        (0.1, 0.4, "above", 0.5, "does not hold"),
        (-0.1, 0.1, "above", 0.5, "does not hold"),
        (-0.6, -0.2, "below", 0.0, "holds"),
        (0.1, 0.2, "below", 0.0, "does not hold"),
        (-0.1, 0.1, "equal", 0.2, "holds"),
        (-0.3, 0.1, "equal", 0.2, "not decided"),
        (0.3, 0.4, "equal", 0.2, "does not hold"),
    ],
)
def test_an_answer_is_never_more_than_the_interval_carries(low, high, direction, tolerance, answer):
    found = Estimate(value=(low + high) / 2, low=low, high=high, users=9)
    assert judge_effect(found, direction=direction, tolerance=tolerance) == answer
    moved = Estimate(value=(low + high) / 2 + 7, low=low + 7, high=high + 7, users=9)
    assert judge_effect(moved, direction=direction, tolerance=tolerance, than=7.0) == answer


def test_without_a_number_or_an_interval_nothing_is_decided():
    assert judge_effect(Estimate(value=None, users=0), direction="above") == "not decided"
    assert judge_effect(Estimate(value=1.0, users=1), direction="above") == "not decided"
    assert judge_effect(Estimate(value=0.0, users=5), direction="above", exact=True) == "does not hold"


def test_a_difference_of_two_arms_is_the_paired_one(finished, measured):
    visits = {arm: open_run(finished).columns("visits", ["user_id", "clicks"], arm=arm) for arm in ("popularity", "random")}
    users = sorted(set(visits["random"]["user_id"]))
    sums = [[visits[arm]["clicks"][visits[arm]["user_id"] == user].sum() for user in users] for arm in ("popularity", "random")]
    known = paired_effect(*sums).effect
    found = number(measured, "gap").estimate
    assert (found.value, found.low, found.high) == pytest.approx((known.value, known.low, known.high))
    assert number(measured, "times").estimate.value == pytest.approx(sum(sums[0]) / sum(sums[1]))


def test_a_gap_between_groups_is_that_of_their_means_and_two_recommenders_are_compared_by_it(finished, measured):
    region = pq.read_table(finished / "users.parquet", columns=["user_id", "region"]).to_pandas().set_index("user_id").region
    clicks = {
        arm: pd.DataFrame(open_run(finished).columns("visits", ["user_id", "clicks"], arm=arm)).groupby("user_id").clicks.sum()
        for arm in ("popularity", "random")
    }
    north, west = (region.index[region == name] for name in ("north", "west"))
    assert len(west) > 20 < len(north)

    def expected(values):
        one, other = values[north], values[west]
        return one.mean() - other.mean(), (one.var(ddof=0) / len(one) + other.var(ddof=0) / len(other)) ** 0.5

    for name, values in (("apart", clicks["random"]), ("wider", clicks["popularity"] - clicks["random"])):
        found, (gap, error) = number(measured, name).estimate, expected(values)
        assert found.value == pytest.approx(gap)
        assert (found.high - found.low) / 2 == pytest.approx(1.99 * error, rel=0.02)
        assert found.users == 80
    assert number(measured, "as-wide").note == "the same for every user"
    assert number(measured, "wider").said == "north less west: popularity, less random"


def test_windows_slopes_and_differences_of_differences_are_those_of_the_series(measured):
    rate = next(one for one in measured.series if one.name == "rate")
    first, second, third = (point.value for point in rate.arms["popularity"])
    assert number(measured, "slope").estimate.value == pytest.approx((third - first) / 2)
    later, both = (number(measured, name).estimate for name in ("later", "both"))
    assert min(second, third) - first <= later.value <= max(second, third) - first
    assert later.high < 0  # what is popular is seen first
    assert both.low < both.value < both.high
    assert number(measured, "level").estimate.low > 0
    assert number(measured, "beyond").note == "no number: the run has no visit 5"


def test_a_planted_effect_holds_and_no_effect_does_not(measured):
    answers = {finding.name: finding.answer for finding in measured.findings}
    assert answers == {"gap": "holds", "same": "does not hold", "alike": "holds", "rate": "holds"}
    assert number(measured, "none").note == number(measured, "none-gini").note == "the same for every user"


def test_a_seed_that_is_not_named_is_told(measured):
    assert [finding.may_judge for finding in measured.findings] == [True, False, False, True]


def test_what_is_measured_is_plain_json_without_odd_numbers(measured):
    json.dumps(measured.to_json(), allow_nan=False)


def test_an_arm_that_a_run_lacks_leaves_its_findings_undecided(tmp_path):
    folder = run(load_scenario("demo", SETTINGS | {"recommenders": ["popularity"]}), tmp_path / "one")
    found = measure_findings(folder)
    assert [finding.answer for finding in found.findings] == ["not decided", "not decided", "not decided", "holds"]
    assert found.findings[0].contrast.note == "random is no recommender of this run"


def test_an_arm_that_is_not_finished_leaves_its_findings_undecided(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "stopped")
    index = [json.loads(line) for line in (folder / "segments.jsonl").read_text().splitlines()]
    stopped = [line | {"last": line["last"] and line["arm"] != "random"} for line in index]
    (folder / "segments.jsonl").write_text("".join(json.dumps(line) + "\n" for line in stopped))
    found = measure_findings(folder)
    assert [finding.answer for finding in found.findings] == ["not decided", "does not hold", "holds", "holds"]
    assert found.findings[0].contrast.note == "random is not finished"
    assert list(found.series[0].arms) == ["popularity", "again"]


def test_users_of_whom_there_are_none_have_no_number(tmp_path):
    nobody = {"trait": "position_bias", "above": 0.9}  # it is the same for everyone
    series = {metric: {"metric": metric, "users": nobody} for metric in ("click_share", "exposure_gini", "exposure_overlap")}
    settings = SETTINGS | {"measure": {"series": series, "contrasts": {}}, "expect": [], "recommenders": ["random"]}
    found = measure_findings(run(load_scenario("demo", settings | {"visits": 1}), tmp_path / "nobody"))
    assert [point.value for one in found.series for point in one.arms["random"]] == [None, None, None]


def test_a_run_that_measures_nothing_has_nothing_to_tell(tmp_path):
    folder = run(load_scenario("demo", {"users.count": 5, "max_pages": 1, "recommenders": ["random"]}), tmp_path / "bare")
    assert measure_findings(folder) is None


def test_over_seeds_a_finding_holds_by_every_seed_or_not_at_all(measured):
    def with_answer(answer):
        found = dataclasses.replace(measured.findings[0], answer=answer)
        return dataclasses.replace(measured, findings=(found, *measured.findings[1:]))

    def together(*answers):
        judged = judge_over_seeds("demo", {3 + place: with_answer(answer) for place, answer in enumerate(answers)})
        return judged.findings[0].answer

    assert together("holds", "holds") == "holds"
    assert together("holds", "not decided") == "not decided"
    assert together("holds", "does not hold") == "does not hold"
    judged = judge_over_seeds("demo", {3: measured, 4: measured, 5: measured})
    assert [list(finding.by_seed) for finding in judged.findings] == [[3, 4], [], [], [3]]
    assert judged.findings[1].answer == "not decided"
    assert not judged.all_hold


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"series": "a", "kind": "ratio"}, "ratio of one side"),
        ({"series": "a", "kind": "slope", "before": [0, 0]}, "slope with before"),
        ({"series": "a", "window": [3, 1]}, "first and the last time in order"),
        ({"series": "a", "window": [3]}, "first and the last time in order"),
        ({"series": "a", "less": "a"}, "expected another series"),
        ({"series": "a", "less": "b", "kind": "slope"}, "kind: difference, and no before"),
        ({"series": "a", "agianst": "b"}, "did you mean 'against'"),
    ],
)
def test_a_contrast_that_cannot_be_meant_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        ContrastSettings(**settings)


@pytest.mark.parametrize(
    ("less", "words"),
    [
        ("wset", "less: got 'wset', expected one of"),
        ("clicks", "less: got a series of another kind, expected two that differ in nothing but users"),
        ("rate", "less: got a series of another kind"),
    ],
)
def test_a_gap_between_what_cannot_be_compared_is_refused(less, words):
    gap = {"series": "north", "less": less}
    with pytest.raises(ConfigError, match=words):
        load_scenario("demo", {"measure": {"series": SERIES, "contrasts": {"gap": gap}}})


def test_equal_needs_a_tolerance():
    with pytest.raises(ConfigError, match="equal without a tolerance"):
        FindingSettings(name="a", claim="A.", contrast="b", direction="equal")


def test_what_is_counted_for_the_run_as_a_whole_is_judged_by_the_number_itself(tmp_path):
    measure = {"series": {"left": {"metric": "providers_left"}}, "contrasts": {"level": {"series": "left"}}}
    expect = [{"name": "none", "claim": "Nobody leaves.", "contrast": "level", "direction": "equal", "tolerance": 0.5}]
    settings = {"users.count": 20, "max_pages": 2, "slate_size": 5, "seed": 3, "recommenders": ["random"], "clock": {"days": 3}}
    scenario = load_scenario("shop", settings | {"providers": {}, "measure": measure, "expect": expect})
    (finding,) = measure_findings(run(scenario, tmp_path / "run")).findings
    assert (finding.answer, finding.contrast.note) == ("holds", "counted for the run as a whole")
