"""Reading logs of runs, and the self-check."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.offpolicy import ESTIMATORS, read_log, standard_ips, target_view
from recsim_llm.scenarios import arm_logs, load_scenario, run
from recsim_llm.scenarios.off_policy_check import fitted_arm, self_check

SOFT = {"name": "soft", "recommender": "softmax", "settings": {"base": "popularity", "temperature": 0.3}}
COLD = {"name": "cold", "recommender": "softmax", "settings": {"base": "popularity", "temperature": 0.2}}
SMALL = {
    "users.count": 60,
    "max_pages": 4,
    "slate_size": 3,
    "seed": 3,
    "visits": 2,
    "recommenders": ["random", SOFT, COLD, "mf"],
}


def scenario(**changes):
    return load_scenario("demo", SMALL | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(scenario(), tmp_path_factory.mktemp("runs") / "whole")


def rows_of(folder, kind, arm):
    rows = [row for path in sorted(folder.glob(f"{kind}/*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(
        (row for row in rows if row["arm"] == arm), key=lambda row: [row[key] for key in ("user_id", "visit", "page")]
    )


def test_a_log_is_read_as_it_was_written(folder):
    logged, rows = read_log(folder, "soft"), rows_of(folder, "impressions", "soft")
    for name in ("item_id", "clicked", "prefix_propensity"):
        assert np.array_equal(getattr(logged, name).ravel(), [row[name] for row in rows])
    assert np.array_equal(logged.truth.click.ravel(), [row["click_prob"] for row in rows])
    pages = rows_of(folder, "pages", "soft")
    assert logged.slate_propensity.tolist() == [row["slate_propensity"] for row in pages]
    assert logged.page_reward.tolist() == logged.reward.sum(axis=1).tolist() == [row["reward"] for row in pages]


def test_what_is_null_in_the_log_is_unknown(folder):
    logged = read_log(folder, "soft")
    assert np.isnan(logged.propensity[:, 1:]).all()
    assert not np.isnan(logged.propensity[:, 0]).any()


def test_segments_do_not_show(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", 100)
    cut = run(scenario(), tmp_path / "cut")
    one, other = read_log(folder, "random"), read_log(cut, "random")
    for name, column in vars(one).items():
        if name != "truth":
            assert np.array_equal(column, getattr(other, name), equal_nan=column.dtype.kind == "f"), name


def test_first_pages_and_shares_watched_can_be_asked_for(folder):
    whole, first = read_log(folder, "random", reward="watched"), read_log(folder, "random", first_pages=True)
    assert len(first) == len(np.unique(whole.user_id)) == 60
    assert set(first.page) == set(first.visit) == {0}
    assert ((whole.reward > 0) == whole.clicked).all()
    assert 0 < whole.reward[whole.clicked].mean() < 1


@pytest.mark.parametrize("arm", ["random", "soft"])
def test_an_arm_fitted_again_gives_the_propensities_that_it_logged(folder, arm):
    logged = read_log(folder, arm)
    view = target_view(logged, fitted_arm(folder, arm))
    assert np.allclose(view.prefix_propensity, logged.prefix_propensity)
    assert standard_ips(logged, view).value == pytest.approx(logged.reward.sum(axis=1).mean(), rel=1e-5)


def test_unknown_arms_and_folders_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="expected one of random, soft"):
        read_log(folder, "linucb")
    with pytest.raises(LogError):
        read_log(tmp_path, "random")


def test_a_log_that_lost_slots_is_refused(folder, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "impressions").mkdir()
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    name = "00-00000.parquet"
    (tmp_path / "pages" / name).write_bytes((folder / "pages" / name).read_bytes())
    table = pq.read_table(folder / "impressions" / name)
    pq.write_table(table.slice(0, len(table) - 1), tmp_path / "impressions" / name)
    with pytest.raises(LogError, match="expected 3 a page"):
        read_log(tmp_path, "random")


def test_the_self_check_of_a_run_tells_errors_and_refusals(folder):
    check = self_check(folder, target="cold", logging="random", first_pages=False)
    assert [row.estimator for row in check.rows] == list(ESTIMATORS)
    assert all(row.refused is None for row in check.rows)
    assert check.truth.low < check.truth.value < check.truth.high
    record = json.loads(check.to_json())
    assert record["estimators"][0]["error"]["low"] < record["estimators"][0]["error"]["value"]
    assert len(check.table()) == 1 + len(ESTIMATORS)
    blind = {row.estimator: row for row in self_check(folder, target="cold", logging="soft").rows}
    assert "propensity of the log unknown" in blind["independent IPS"].refused
    assert blind["IPS"].refused is None


def test_a_policy_checked_against_itself_is_off_by_the_noise_of_clicks_alone(folder):
    check = self_check(folder, target="random", logging="random", first_pages=False)
    logged = read_log(folder, "random")
    expected = (logged.reward - logged.truth.click).sum(axis=1).mean()
    assert check.rows[0].error.value == pytest.approx(expected, abs=1e-6)


def test_the_self_check_runs_a_scenario_for_each_seed(tmp_path):
    check = self_check(scenario(visits=1, max_pages=1), target="cold", logging="random", seeds=(1, 2, 3), out=tmp_path)
    assert check.seeds == (1, 2, 3)
    assert check.pages == 180
    row = check.rows[0]
    assert row.seeds == row.intervals == 3
    assert row.root_mean_square >= abs(row.error.value)


def test_the_self_check_refuses_a_target_that_learns(tmp_path):
    learner = run(scenario(recommenders=["random", "linucb"], visits=2), tmp_path / "learner")
    with pytest.raises(LogError, match="learned while it served"):
        self_check(learner, target="linucb", logging="random", first_pages=False)


def test_the_self_check_needs_seeds_arms_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="seeds"):
        self_check(scenario(), target="soft", logging="random", out=tmp_path)
    with pytest.raises(ConfigError, match="no arm"):
        self_check(scenario(), target="gone", logging="random", seeds=(1,), out=tmp_path)
