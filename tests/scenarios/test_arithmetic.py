"""Another kernel of linear algebra rounds otherwise: the manifest says which one it was, and no run goes on under another."""

import json
import os
import subprocess
import sys

import pytest

from recsim_llm.cli.main import main
from recsim_llm.numerics.arithmetic import describe_arithmetic
from recsim_llm.scenarios import load_scenario, run

SMALL = {"users.count": 20, "max_pages": 2, "seed": 3, "recommenders": ["random", "popularity"]}
OTHER = """
import sys
from recsim_llm.cli.main import main
from recsim_llm.numerics.arithmetic import describe_arithmetic
print(describe_arithmetic()["kernel"])
sys.exit(main(sys.argv[1:]))
"""


def stop_in_the_second_arm(state):
    if state.arm_number == 1:
        raise KeyboardInterrupt


def with_kernel(kernel, *arguments):
    return subprocess.run(
        [sys.executable, "-c", OTHER, *arguments],
        env=os.environ | {"OPENBLAS_CORETYPE": kernel},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_goes_on_under_its_own_kernel_only(tmp_path):
    whole, folder = run(load_scenario("demo", SMALL), tmp_path / "whole"), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(load_scenario("demo", SMALL), folder, stop_in_the_second_arm)
    here = describe_arithmetic()
    assert json.loads((folder / "manifest.json").read_text())["arithmetic"] == here
    other = with_kernel("Prescott", "resume", str(folder), "--quiet")
    if other.stdout.strip() == here["kernel"]:
        pytest.skip(f"linear algebra has one kernel here: {here}")
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert f"or with OPENBLAS_CORETYPE={here['kernel']}" in other.stderr
    again = with_kernel(here["kernel"], "resume", str(folder), "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    for path in whole.glob("*/*.parquet"):
        assert (folder / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_a_finished_run_is_judged_under_any_kernel(tmp_path):
    folder = run(load_scenario("demo", SMALL), tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arithmetic"]["kernel"] = "another"
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    assert main(["compare", str(folder), "--quiet"]) == 0


@pytest.mark.parametrize("way", ["replay", "cache"])
def test_what_is_played_back_of_another_kernel_is_told(way, tmp_path, capsys):
    language = {"users.model": "language", "models.user": "scripted/uniform"} if way == "cache" else {}
    folder = run(load_scenario("demo", SMALL | {"recommenders": ["random"]} | language), tmp_path / "run")
    played = {
        "replay": ["--users", "replay", "--set", f"users.parameters.run={folder}"],
        "cache": ["--users", "language", "--model", "scripted/uniform", "--cache", str(folder)],
    }
    command = [
        "run",
        "demo",
        *played[way],
        "--pages",
        "2",
        "--recommenders",
        "random",
        "--n-users",
        "20",
        "--seed",
        "3",
        "--quiet",
    ]
    assert main([*command, "--out", str(tmp_path / "same")]) == 0
    assert capsys.readouterr().err == ""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arithmetic"]["kernel"] = "another"
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    assert main([*command, "--out", str(tmp_path / "again")]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"recsim-llm: {folder} was computed with the arithmetic ")
    assert said.count("\n") == 1
