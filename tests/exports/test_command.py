"""``recsim-llm export``: one new folder, whole or not at all, and one line for whatever is wrong."""

import json
import shutil

import numpy as np
import pytest
from export_runs import make_environment_log, make_run

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError
from recsim_llm.exports import new_folder
from recsim_llm.scenarios import load_scenario
from recsim_llm.scenarios import run as play
from recsim_llm.scenarios.export import FORMATS, _why_nothing, export


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("command") / "run")


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def refused(capsys, *arguments):
    """Return the only line of a refusal, after seeing that nothing was left behind."""
    assert main(["export", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_for_each_arm_and_what_it_holds(run, tmp_path, capsys):
    before = files(run)
    assert main(["export", str(run), "movielens", str(tmp_path / "out"), "--json", str(tmp_path / "table.json")]) == 0
    printed = capsys.readouterr().out
    assert "random ratings" in printed
    assert set(files(tmp_path / "out")) == {
        "export.json", "popularity/movies.csv", "popularity/ratings.csv", "random/movies.csv", "random/ratings.csv"
    }  # fmt: skip
    content = json.loads((tmp_path / "out" / "export.json").read_bytes())
    assert content == json.loads((tmp_path / "table.json").read_bytes())
    assert (content["format"], content["anonymous"], content["left_out"]) == ("movielens", False, {})
    assert files(run) == before


def test_why_there_is_nothing_of_what_a_format_is_for_is_said_in_a_line(run, tmp_path, capsys):
    said = _why_nothing("movielens", [{"ratings": 0}, {"ratings": 0}], False)
    assert said == ["no ratings: they are of users who give stars, which nobody did in this run"]
    assert _why_nothing("movielens", [{"ratings": 0}, {"ratings": 1}], False) == []
    talks = {"data": "fictional-100", "users.count": 6, "conversation.max_turns": 3, "measure": None, "expect": []}
    talked = play(load_scenario("conversation", talks | {"recommenders": ["asking"], "seed": 3}), tmp_path / "talked")
    for form, nothing in (("narratives", "no queries"), ("dialogues", "no instructions")):
        assert main(["export", str(talked), form, str(tmp_path / form)]) == 0
        assert f"{nothing}: they are of users who" in (printed := " ".join(capsys.readouterr().out.split()))
        assert "a dialogue of this run ends with what is accepted; export conversations, redial or inspired" in printed


def test_a_limit_of_an_export_is_raised_where_it_was_given(run, tmp_path, capsys):
    asked = ["narratives", str(tmp_path / "out"), "--model", "scripted/genres", "--max-calls", "1", "--yes"]
    assert main(["export", str(run), *asked]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "resume" not in said
    assert (
        "go on with a higher --max-calls; what the model wrote is kept beside the folder; give the same command again" in said
    )


def test_one_arm_and_quiet(run, tmp_path, capsys):
    assert main(["export", str(run), "dialogues", str(tmp_path / "out"), "--arm", "random", "--anonymous", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert set(files(tmp_path / "out")) == {"export.json", "random/dialogues.jsonl", "random/instructions.jsonl"}


def test_whatever_stands_there_is_left_alone(run, tmp_path, capsys):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "empty", "link"):
        assert "which exists, expected a new folder" in refused(capsys, run, "movielens", tmp_path / name)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert list((tmp_path / "empty").iterdir()) == []


def test_unknown_formats_and_arms_are_named(run, tmp_path, capsys):
    assert f"expected one of {', '.join(FORMATS)}" in refused(capsys, run, "parquet", tmp_path / "out")
    assert "got 'mf', expected one of random, popularity" in refused(capsys, run, "obp", tmp_path / "out", "--arm", "mf")
    assert "without a readable manifest.json" in refused(capsys, tmp_path, "obp", tmp_path / "out")


def test_arms_that_are_not_finished_are_left_out_and_told(run, tmp_path, capsys):
    index = run / "segments.jsonl"
    lines = [line for line in index.read_text(encoding="utf-8").splitlines(True) if json.loads(line)["arm"] == "random"]
    index.write_text("".join(lines) + '{"arm": "popul', encoding="utf-8")
    assert main(["export", str(run), "movielens", str(tmp_path / "out")]) == 0
    assert "popularity left out" in capsys.readouterr().out
    assert not (tmp_path / "out" / "popularity").exists()
    line = refused(capsys, run, "movielens", tmp_path / "more", "--arm", "popularity")
    assert "no arm to export (popularity: not finished)" in line


def test_an_arm_without_a_page_is_no_export(run, tmp_path, monkeypatch):
    none = np.empty(0, np.int64)
    monkeypatch.setattr("recsim_llm.exports.ArmLog.keys", lambda *_: (none, none))
    index = run / "segments.jsonl"
    lines = [line for line in index.read_text(encoding="utf-8").splitlines(True) if json.loads(line)["arm"] == "random"]
    index.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(Exception, match=r"random: no page was shown, popularity: not finished"):
        export(run, "obp", tmp_path / "out")


def test_a_damaged_log_is_refused_and_leaves_nothing(run, tmp_path, capsys):
    file = next((run / "impressions").glob("01-*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert "missing or damaged, expected SHA-256" in refused(capsys, run, "obp", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_changed_users_are_refused(run, tmp_path, capsys):
    manifest = json.loads((run / "manifest.json").read_bytes())
    manifest["population"]["fingerprint"] = "0"
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "the population changed since the run" in refused(capsys, run, "obp", tmp_path / "out")


def test_an_environments_log_asks_for_its_world(tmp_path, capsys):
    world = make_environment_log(tmp_path / "log", visits=2)
    assert "the log of an environment, which does not know its data" in refused(
        capsys, tmp_path / "log", "movielens", tmp_path / "out"
    )
    content = export(tmp_path / "log", "movielens", tmp_path / "out", world=world)
    assert list(content["arms"]) == ["policy"]


def test_a_world_for_a_run_that_knows_its_own_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="which knows its own, expected none"):
        export(run, "movielens", tmp_path / "out", world=object())


def test_arms_whose_names_are_no_folder_names_get_different_ones(tmp_path):
    arms = [{"name": name, "recommender": "random"} for name in ("a/b", "a:b", "A b", "..")]
    run = make_run(tmp_path / "run", recommenders=arms, visits=1, max_pages=1)
    content = export(run, "movielens", tmp_path / "out")
    assert [written["folder"] for written in content["arms"].values()] == ["a_b", "a_b_2", "A_b_3", "__"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ConfigError, OSError])
def test_a_failure_leaves_nothing(tmp_path, failure):
    def write(out):
        with new_folder(out) as draft:
            (draft / "half").write_text("half", encoding="utf-8")
            assert not out.exists()
            raise failure

    with pytest.raises(ConfigError if failure is OSError else failure):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
