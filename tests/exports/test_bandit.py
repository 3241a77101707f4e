"""Bandit feedback: the log's own numbers, taken by the Open Bandit Pipeline, and never a propensity that nobody knows."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_runs import make_environment_log, make_run

from recsim_llm.errors import DataError, LogError
from recsim_llm.exports import load_bandit_feedback
from recsim_llm.scenarios.export import export

WHY = "the Open Bandit Pipeline is not installed: pip install --no-deps --ignore-requires-python obp==0.5.7"
KEYS = ("user_id", "visit", "page", "position")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("bandit") / "run", recommenders=["random"])


@pytest.fixture(scope="module")
def feedback(run):
    export(run, "obp", run.parent / "obp")
    return load_bandit_feedback(run.parent / "obp" / "random" / "feedback.npz")


@pytest.fixture(scope="module")
def slates(run):
    export(run, "obp-slates", run.parent / "slates")
    return load_bandit_feedback(run.parent / "slates" / "random" / "slates.npz")


def log_of(run, table="impressions"):
    rows = pq.read_table(run / table).to_pylist()
    return sorted(rows, key=lambda row: tuple(row[key] for key in KEYS if key in row))


def test_rounds_hold_the_numbers_of_the_log(run, feedback):
    log = log_of(run)
    assert (feedback["n_rounds"], feedback["n_actions"]) == (len(log), 1500)
    assert feedback["item_id"][feedback["action"]].tolist() == [row["item_id"] for row in log]
    assert feedback["reward"].tolist() == [int(row["clicked"]) for row in log]
    assert feedback["pscore"].tolist() == [row["propensity"] for row in log]
    assert all(feedback[key].tolist() == [row[key] for row in log] for key in KEYS)


def test_context_is_what_was_known_before_the_page(feedback):
    features, clicks, visit = feedback["action_context"], [], None
    for row in range(feedback["n_rounds"]):
        here = feedback["user_id"][row], feedback["visit"][row]
        if here != visit:
            clicks, visit = [], here
        if feedback["position"][row] == 0:
            earlier = list(clicks)
        mean = features[earlier].mean(axis=0) if earlier else np.zeros(features.shape[1])
        assert feedback["context"][row] == pytest.approx([feedback["page"][row] / 3, *mean], abs=1e-6)
        clicks += [feedback["action"][row]] * int(feedback["reward"][row])
    assert feedback["context"][:, 1:].any()


def test_slates_hold_the_three_propensities_of_the_log(run, slates):
    log, pages = log_of(run), log_of(run, "pages")
    assert (slates["n_rounds"], len(slates["slate_id"])) == (len(pages), len(log))
    assert slates["slate_id"].tolist() == np.repeat(np.arange(len(pages)), 4).tolist()
    assert slates["pscore"].tolist() == np.repeat([page["slate_propensity"] for page in pages], 4).tolist()
    assert slates["pscore_item_position"].tolist() == [row["propensity"] for row in log]
    prefix = np.reshape([row["prefix_propensity"] for row in log], (-1, 4))
    by_hand = np.column_stack([prefix[:, : last + 1].prod(axis=1) for last in range(4)])
    assert slates["pscore_cascade"].reshape(-1, 4) == pytest.approx(by_hand, rel=1e-12)
    # The last slot of the cascade is the whole page, but for the 24 bits of the logged factors.
    assert slates["pscore_cascade"].reshape(-1, 4)[:, -1] == pytest.approx(slates["pscore"][::4], rel=1e-5)


def test_open_bandit_pipeline_values_a_policy_as_the_formula_does(feedback):
    ope = pytest.importorskip("obp.ope", reason=WHY, exc_type=ImportError)
    rounds, actions = feedback["n_rounds"], feedback["n_actions"]
    chances = np.where(np.arange(actions) % 2 == 0, 1.5, 0.5) / actions
    policy = np.broadcast_to(chances[None, :, None], (rounds, actions, 4))
    estimators = [ope.InverseProbabilityWeighting(), ope.SelfNormalizedInverseProbabilityWeighting()]
    evaluation = ope.OffPolicyEvaluation(bandit_feedback=feedback, ope_estimators=estimators)
    weight = chances[feedback["action"]] / feedback["pscore"]
    by_hand = {"ipw": (weight * feedback["reward"]).mean(), "snipw": (weight * feedback["reward"]).sum() / weight.sum()}
    assert evaluation.estimate_policy_values(action_dist=policy) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*grouping columns.*")
def test_open_bandit_pipeline_takes_the_slates(slates):
    ope = pytest.importorskip("obp.ope", reason=WHY, exc_type=ImportError)
    estimators = [ope.SlateStandardIPS(4), ope.SlateIndependentIPS(4), ope.SlateRewardInteractionIPS(4)]
    evaluation = ope.SlateOffPolicyEvaluation(bandit_feedback=slates, ope_estimators=estimators)
    values = evaluation.estimate_policy_values(
        evaluation_policy_pscore=slates["pscore"] / 2,
        evaluation_policy_pscore_item_position=slates["pscore_item_position"] / 4,
        evaluation_policy_pscore_cascade=slates["pscore_cascade"] / 8,
    )
    clicks = slates["reward"].sum() / slates["n_rounds"]
    assert values == pytest.approx({"sips": clicks / 2, "iips": clicks / 4, "rips": clicks / 8})


@pytest.mark.parametrize(("form", "column"), [("obp", "propensity"), ("obp-slates", "prefix_propensity")])
def test_unknown_propensities_are_refused_by_name(tmp_path, form, column):
    world = make_environment_log(tmp_path / "log")
    blank = sum(row["item_id"] < 0 for row in pq.read_table(tmp_path / "log" / "impressions").to_pylist())
    assert blank == 0
    with pytest.raises(LogError, match=f"unknown values of '{column}' in arm 'policy', expected"):
        export(tmp_path / "log", form, tmp_path / "out", world=world)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_pages_with_blank_slots_are_no_slates_but_their_items_are_rounds(tmp_path):
    run = make_run(tmp_path / "run", recommenders=[{"name": "s", "recommender": "export_runs:Stutter"}], invalid="count")
    with pytest.raises(LogError, match="blank slots of arm 's', whose propensities are unknown, expected whole pages"):
        export(run, "obp-slates", tmp_path / "slates")
    export(run, "obp", tmp_path / "obp")
    feedback = load_bandit_feedback(tmp_path / "obp" / "s" / "feedback.npz")
    assert feedback["position"].tolist() == [row["position"] for row in log_of(run) if row["item_id"] >= 0]
    assert set(feedback["position"]) == {0, 2, 3}


def test_portions_change_nothing(run, feedback, slates, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.exports.arm_log.PORTION_SLOTS", 10)
    export(run, "obp", tmp_path / "obp")
    export(run, "obp-slates", tmp_path / "slates")
    for file, whole in (("obp/random/feedback.npz", feedback), ("slates/random/slates.npz", slates)):
        again = load_bandit_feedback(tmp_path / file)
        assert again.keys() == whole.keys()
        assert all(np.array_equal(again[name], whole[name]) for name in whole)


def test_other_files_are_no_feedback(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    for name in ("other.npz", "text.npz", "missing.npz"):
        with pytest.raises(DataError, match=r"expected feedback.npz or slates.npz of an export"):
            load_bandit_feedback(tmp_path / name)
