import json
from dataclasses import asdict

import numpy as np
import pytest
from written_runs import HAND, write_run

from recsim_llm.comparison import summarise
from recsim_llm.errors import LogError
from recsim_llm.statistics import mean_estimate, ratio_estimate

# Student's t at 97.5% on 1 and on 2 degrees of freedom, from printed tables.
T1, T2 = 12.7062, 4.3027


@pytest.fixture
def hand(tmp_path):
    return summarise(write_run(tmp_path / "run", HAND, arms=["a", "b"]))


def value(arm, key):
    return arm.metrics[key].value


def test_metrics_of_a_small_log_are_those_computed_by_hand(hand):
    a = hand.arm("a")
    assert (a.users, a.visits, a.pages, a.impressions, a.clicks, a.invalid_slots) == (2, 2, 3, 5, 3, 1)
    expected = {
        "clicks_per_user": 1.5,
        "reward_per_user": 3,
        "visits_per_user": 1,
        "pages_per_visit": 1.5,
        "clicks_per_page": 1,
    }
    expected |= {"discounted_return": 3, "reward_per_page": 2}
    expected |= {"click_share": 3 / 5, "mean_rating": 11 / 3, "like_share": 2 / 3, "watch_share": 11 / 15}
    expected |= {"mean_satisfaction": (0.25 + 0.5 + 0.25) / 3}
    assert {key: value(a, key) for key in a.metrics} == pytest.approx(expected)
    assert a.item_coverage == 3 / 4
    # Exposures 0, 1, 2, 2: G = 2 (2*1 + 3*2 + 4*2) / (4*5) - 5/4.
    assert a.exposure_gini == pytest.approx(32 / 20 - 5 / 4)


def test_figure_data_of_a_small_log_are_those_computed_by_hand(hand):
    a, b = hand.arms
    assert [e.value for e in a.clicks_by_position] == [2 / 3, 1 / 2]
    assert (a.visits_reaching_page, b.visits_reaching_page) == ((1.0, 0.5), (1.0, 0.5, 0.5))
    assert (a.capped_visits, b.capped_visits) == (0, 1)
    assert a.ratings == {"2": 1, "4": 1, "5": 1}
    assert [(e.value, e.users) for e in b.satisfaction_by_page] == [(0.25, 2), (0.5, 1), (0.75, 1)]
    assert (a.exposure_lorenz[25], a.exposure_lorenz[50], a.exposure_lorenz[75], a.exposure_lorenz[100]) == (0, 0.2, 0.6, 1)


def test_what_comes_later_is_discounted_over_all_visits(tmp_path):
    pages = [
        ("a", 7, 0, 0, [(1, 4.0), (2, None)]),
        ("a", 9, 0, 0, [(1, None), (2, 5.0)]),
        ("a", 7, 0, 1, [(3, 2.0), (4, 3.0)]),
        ("a", 7, 1, 0, [(3, 2.0), (4, None)]),
    ]
    run = write_run(tmp_path / "run", pages, arms=["a"])
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"settings": {"discount": 0.5}}))
    summary = summarise(run)
    arm = summary.arm("a")
    # Two units of reward a click: user 7 gets 2 + 4/2 + 2/4, user 9 gets 2.
    assert (summary.discount, value(arm, "discounted_return")) == (0.5, (4.5 + 2) / 2)
    assert value(arm, "reward_per_page") == 10 / 4
    assert [e.value for e in arm.reward_by_page] == [2, 2, 1]
    assert arm.reward_by_page[0].low is None
    assert arm.reward_by_page[1].high == pytest.approx(mean_estimate(np.array([4.0, 0.0])).high)


def test_mean_interval_is_students_t_over_users(hand):
    clicks = hand.arm("a").metrics["clicks_per_user"]
    # Clicks 2 and 1: standard error 0.5; three pages of two slots cannot be clicked less than 0 or more than 6 times.
    assert (clicks.low, clicks.high, clicks.users) == (0.0, 6.0, 2)
    reward = hand.arm("a").metrics["reward_per_user"]
    assert reward.high == pytest.approx(3.0 + T1, rel=1e-4)


def test_ratio_interval_is_the_delta_method():
    estimate = ratio_estimate(np.array([2.0, 1.0, 3.0, 0.0]), np.array([2.0, 2.0, 2.0, 0.0]))
    # Residuals 0, -1, 1 over three users with a denominator; standard error sqrt(3/2 * 2) / 6.
    assert (estimate.value, estimate.users) == (1.0, 3)
    assert estimate.high == pytest.approx(1.0 + T2 * np.sqrt(3) / 6, rel=1e-4)


def test_one_user_and_zero_clicks_leave_undefined_what_is_undefined(tmp_path):
    summary = summarise(write_run(tmp_path, [("a", 1, 0, 0, [(1, None), (-1, None)])], arms=["a"]))
    a = summary.arms[0]
    assert asdict(a.metrics["clicks_per_user"]) == {"value": 0.0, "low": None, "high": None, "users": 1}
    assert asdict(a.metrics["mean_rating"]) == {"value": None, "low": None, "high": None, "users": 0}
    assert summary.against_first == summary.against_best == ()


def test_result_does_not_depend_on_files_or_batches(tmp_path, monkeypatch):
    whole = summarise(write_run(tmp_path / "whole", HAND, arms=["a", "b"]))
    monkeypatch.setattr("recsim_llm.log.reader.BATCH_ROWS", 2)
    monkeypatch.setattr("recsim_llm.numerics.key_counts._MERGE_ROWS", 1)
    assert summarise(write_run(tmp_path / "split", HAND, arms=["a", "b"], per_file=3)) == whole


def test_rows_of_unfinished_segments_do_not_count(tmp_path):
    run = write_run(tmp_path, HAND, arms=["a", "b"])
    (run / "pages" / "000001.parquet.part").write_bytes(b"torn")
    assert summarise(run).arm("a").pages == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": ["a"]}, "arm 'b'"),
        ({"slate_size": 1}, "position 1, expected 0 to 0"),
        ({"max_pages": 2}, "page 2, expected 0 to 1"),
        ({"catalog": None}, "'catalog'"),
    ],
)
def test_log_that_does_not_fit_its_manifest_is_refused(tmp_path, change, words):
    run = write_run(tmp_path, HAND, arms=["a", "b"])
    manifest = json.loads((run / "manifest.json").read_text()) | change
    (run / "manifest.json").write_text(json.dumps({key: entry for key, entry in manifest.items() if entry is not None}))
    with pytest.raises(LogError, match=words):
        summarise(run)


def test_arm_without_its_last_segment_is_not_finished(tmp_path):
    run = write_run(tmp_path, HAND, arms=["a", "b"], finished={"a": True, "b": False})
    with (run / "segments.jsonl").open("a") as index:
        index.write('{"arm": "b", "segment": 1, "last": true}')
    summary = summarise(run)
    assert [arm.finished for arm in summary.arms] == [True, False]
    assert summary.notes[-1] == "b: not finished; the log holds 4 pages of 2 users so far."


def test_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(LogError, match="run folder"):
        summarise(tmp_path)


def test_run_without_pages_is_refused(tmp_path):
    with pytest.raises(LogError, match="without pages"):
        summarise(write_run(tmp_path, [], arms=["a"]))


def test_damaged_file_is_named(tmp_path):
    run = write_run(tmp_path, HAND, arms=["a", "b"])
    (run / "visits" / "000000.parquet").write_bytes(b"no parquet")
    with pytest.raises(LogError, match=r"000000\.parquet: cannot be read"):
        summarise(run)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(11)
    trials, users, rate = 1500, 60, 0.2
    held = np.zeros(2)
    for _ in range(trials):
        taste = rng.gamma(4.0, 0.25, users)
        shown = rng.integers(1, 30, users).astype(float)
        clicks = rng.poisson(rate * taste * shown).astype(float)
        held += [
            not estimate.excludes(truth)
            for estimate, truth in (
                (mean_estimate(clicks), rate * 15.0),
                (ratio_estimate(clicks, shown), rate),
            )
        ]
    # 95% less what a sample this small and skewed costs; three binomial standard errors are 1.7 points.
    assert np.all(held / trials > 0.92)
    assert np.all(held / trials < 0.968)
