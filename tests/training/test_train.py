"""Training runs: what they write, how they go on after a kill, and what they refuse."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, ContractError, LogError, PlugInError, RunExistsError
from recsim_llm.log.segments import read_segments
from recsim_llm.scenarios.runner import run
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.scenarios.train_settings import held_out
from recsim_llm.statistics import Estimate
from recsim_llm.training import train as training
from recsim_llm.training import trainer
from recsim_llm.training.train import resume_training, train
from recsim_llm.training.training_summary import summarise_training

SMALL = {
    "users.count": 120,
    "slate_size": 5,
    "max_pages": 4,
    "seed": 3,
    "users.parameters.click_bias": 1.0,
    "train.algorithm": "counting_learner:Counting",
    "train.steps": 300,
    "train.rows": 10,
    "train.evaluate_every": 100,
    "train.evaluation_users": 15,
}


def scenario(**changes):
    return load_scenario("demo", SMALL | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A training that nobody stopped, of two seeds."""
    return train(scenario(), tmp_path_factory.mktemp("trainings") / "whole", seeds=2)


def contents(folder):
    """Return what must not hang on how often a training was stopped: its policies, their evaluations, the manifest."""
    kept = ("policy", "evaluation.parquet", "manifest.json", "progress.json")
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).parts[0] in kept]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize(("name", "calls"), [("write_progress", 2), ("_write_folder", 5), ("_write_folder", 6)])
@pytest.mark.parametrize("after", [False, True])
def test_a_training_killed_anywhere_goes_on_to_the_same_bytes(finished, tmp_path, monkeypatch, name, calls, after):
    real, left = getattr(trainer, name), [calls]

    def failing(*arguments):
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Killed
        real(*arguments)
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(trainer, name, failing)
    with pytest.raises(Killed):
        train(scenario(), tmp_path / "killed", seeds=2)
    monkeypatch.undo()
    # What is done with finished policies has a test of its own.
    monkeypatch.setattr(training, "_evaluate", lambda *_: None)
    monkeypatch.setattr(training, "write_training_report", lambda _: None)
    resume_training(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(finished)


def test_a_finished_training_is_resumed_in_vain(finished):
    before = contents(finished)
    resume_training(finished)
    assert contents(finished) == before
    assert not (finished / "checkpoints").exists()


def test_nobody_is_evaluated_on_who_was_trained_on(finished):
    evaluated = np.unique(pq.read_table(finished / "evaluation.parquet")["user_id"])
    assert len(evaluated) == 15
    assert held_out(evaluated, 0.2).all()
    served = {user for folder in [finished / "evaluation"] for user in pq.read_table(folder / "visits")["user_id"].to_pylist()}
    assert served == set(evaluated.tolist())


def test_training_and_held_out_users_are_everyone_and_nobody_twice(tmp_path):
    users = {}
    for part in ("all", "training", "held_out"):
        run(scenario(**{"users.part": part, "recommenders": ["popularity"]}), tmp_path / part)
        users[part] = set(pq.read_table(tmp_path / part / "visits")["user_id"].to_pylist())
    assert users["training"] | users["held_out"] == users["all"]
    assert not users["training"] & users["held_out"]
    assert 5 < len(users["held_out"]) < 50


def test_the_last_checkpoint_is_what_the_run_of_the_policies_shows(finished):
    table = pq.read_table(finished / "evaluation.parquet").to_pandas()
    last = table[(table.arm == "policy") & (table.checkpoint == 3)]
    visits = pq.read_table(finished / "evaluation" / "visits").to_pandas()
    for seed in (0, 1):
        own = visits[visits.arm == f"Counting-{seed}"].sort_values("user_id")
        assert own.reward.tolist() == last[last.seed == seed].reward.tolist()
    for name in ("random", "popularity", "oracle"):
        assert visits[visits.arm == name].sort_values("user_id").reward.tolist() == table[table.arm == name].reward.tolist()


def test_seeds_differ_and_learn_something(finished):
    found = summarise_training(finished)
    first, last = found["curve"][0], found["curve"][-1]
    assert [point["steps"] for point in found["curve"]] == [0, 100, 200, 300]
    assert last["value"] > first["value"]
    assert (finished / "policy" / "0" / "weights.npz").read_bytes() != (finished / "policy" / "1" / "weights.npz").read_bytes()
    assert {row["baseline"] for row in found["against"]} == {"random", "popularity", "oracle"}
    assert found["done"] is True


def test_an_exploited_user_model_is_told_first(finished):
    from recsim_llm.report.training_page import training_verdict

    found = json.loads(json.dumps(summarise_training(finished)))
    assert not training_verdict(found)[0].startswith("Suspicious")
    found["exploits"][0]["suspicious"] = True
    assert training_verdict(found)[0].startswith("Suspicious: return above the oracle's")


def test_no_interval_reaches_beyond_what_a_measure_can_be(finished):
    ends = {"pages": (0, np.inf), "clicks": (0, np.inf), "satisfaction": (0, 1), "left": (0, 1)}
    for arm in summarise_training(finished)["arms"]:
        for name, (least, most) in ends.items():
            low, high = arm[name]["low"], arm[name]["high"]
            assert low is None or least <= low <= arm[name]["value"] <= high <= most
    assert Estimate(value=0.05, low=-0.12, high=0.21, users=7).within(0, 1).low == 0


def test_other_settings_than_it_was_begun_with_are_refused(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "other")
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    manifest["data"]["fingerprint"] = "x"
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LogError, match=r"data .*changed since it was started.* restore it, or start a new training"):
        resume_training(tmp_path / "other")


def test_a_learner_that_crashes_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(PlugInError, match=r"counting_learner:Crashing.*ZeroDivisionError: no idea \(counting_learner.py line"):
        train(scenario(**{"train.algorithm": "counting_learner:Crashing"}), tmp_path / "crashed")
    assert (tmp_path / "crashed").exists()  # Its first checkpoint, of an untrained policy, is kept.
    assert json.loads((tmp_path / "crashed" / "progress.json").read_text())["seeds"][0]["checkpoint"] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Idle", r"^algorithm 'counting_learner:Idle': got a learn\(100\) that showed no page, expected 100 pages"),
        ("TooFew", r"TooFew', act of its policy: got int64 of shape \(15, 3\), expected integers of shape \(15, 5\)"),
        ("Unknown", r"Unknown', act of its policy: got actions from 1000000 to 1000000, expected 0 to 1499"),
        ("Bare", r"Bare', act of its policy: got ndarray, expected a Choice"),
        ("Scoring", r"Scoring', act of its policy: got scores of shape \(15, 5, 7\), expected .* \(15, 5, 1500\)"),
    ],
)
def test_a_learner_that_breaks_its_contract_is_named(name, said, tmp_path):
    with pytest.raises(ContractError, match=said):
        train(scenario(**{"train.algorithm": f"counting_learner:{name}"}), tmp_path / "broken")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.algorithm": "counting_learner:Deaf"}, r"got Deaf without observation, expected a class like"),
        ({"train.algorithm": "ppoo"}, r"got 'ppoo', expected .*did you mean 'ppo'\?"),
        ({"train.algorithm": "recsim_llm.registry:resolve"}, r"got a function that is no plug-in"),
        ({"train.settings": {"forgot": 1}}, r"got unknown key 'forgot', expected one of forget; did you mean 'forget'\?"),
        ({"train.action": "embedding"}, r"train.action: got 'embedding'.* expected one of slate"),
        ({"train.stepz": 5}, r"got unknown key 'train.stepz'.*did you mean 'steps'\?"),
        ({"train.holdout": 1.5}, r"train.holdout: got 1.5, expected a number above 0 and below 1"),
        ({"train.observation": ["pages"]}, r"observation: got \['pages'\], expected some of"),
        ({"users.part": "held_out"}, r"users.part: got 'held_out' for a training, expected 'all'.* leave it out"),
        ({"users.count": 1, "train.holdout": 0.01}, r"users.part: got 'held_out'.* which is nobody"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line_and_leaves_nothing(changes, said, tmp_path):
    with pytest.raises(ConfigError, match=said) as caught:
        train(scenario(**changes), tmp_path / "none")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_nothing_is_overwritten(finished):
    with pytest.raises(RunExistsError, match=f"recsim-llm resume {finished}"):
        train(scenario(), finished)


def test_the_verbs_train_resume_and_report_print_the_same(tmp_path, capsys):
    out, pairs = tmp_path / "trained", [f"{key}={json.dumps(value)}" for key, value in SMALL.items() if key != "train.steps"]
    settings = [text for pair in pairs for text in ("--set", pair)]
    assert main(["train", "demo", *settings, "--steps", "100", "--out", str(out), "--json", str(tmp_path / "one.json")]) == 0
    said = capsys.readouterr().out
    assert "The policy's return is" in said
    assert f"use     recsim-llm compare SCENARIO --recommenders popularity,trained:{out} --set users.part=held_out" in said
    for verb in ("resume", "report"):
        assert main([verb, str(out)]) == 0
        assert capsys.readouterr().out == said
    assert json.loads((tmp_path / "one.json").read_text())["curve"][-1]["steps"] == 100
    progress = (out / "progress.json").read_text()
    (out / "progress.json").write_text(progress.replace("true", "false"))
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"go on   recsim-llm resume {out}\n")
    (out / "progress.json").write_text(progress)
    assert main(["compare", str(out)]) == 2
    assert "evaluation" in capsys.readouterr().err
    assert {segment.arm for segment in read_segments(out / "evaluation")} == {"random", "popularity", "oracle", "Counting"}
