"""A comparison killed at any write goes on by its folder alone, with the same bytes and the same verdict."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from recsim_llm.cli.main import main

SMALL = ["--n-users", "120", "--pages", "2", "--seed", "3", "--recommenders", "popularity,random", "--effect", "0.3", "--quiet"]
KINDS = {"fixed": ["--deviation", "2", "--plan"], "sequential": ["--until-decided", "--block", "60"]}
KILLED = """
import os, signal, sys
from recsim_llm.cli.main import main
flush, left = os.fsync, [int(sys.argv[1])]
def die(descriptor):
    flush(descriptor)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
sys.exit(main(sys.argv[2:]))
"""


def result(folder):
    names = ["comparison.json", "manifest.json", "segments.jsonl", *sorted(str(path) for path in folder.glob("*/*.parquet"))]
    return {name.removeprefix(str(folder)): (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for kind, more in KINDS.items():
        assert main(["compare", "demo", *SMALL, *more, "--out", str(folder / kind)]) == 0
    return folder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
@pytest.mark.parametrize(("kind", "write", "verb"), [("fixed", 9, "resume"), ("sequential", 14, "compare")])
def test_a_killed_comparison_goes_on_by_its_folder(kind, write, verb, whole, tmp_path):
    folder = tmp_path / "run"
    arguments = ["compare", "demo", *SMALL, *KINDS[kind], "--out", str(folder)]
    child = subprocess.run([sys.executable, "-c", KILLED, str(write), *arguments], env=os.environ, check=False)
    assert child.returncode == -signal.SIGKILL
    assert not (folder / "comparison.json").exists()
    assert main([verb, str(folder), "--quiet"]) == 0
    assert result(folder) == result(whole / kind)


@pytest.mark.parametrize(("kind", "verb"), [("fixed", "compare"), ("sequential", "resume")])
def test_what_was_fixed_at_the_first_byte_is_enough(kind, verb, whole, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(whole / kind / "comparison_settings.json", folder)
    (folder / "manifest.json.part").write_text("{")
    assert main([verb, str(folder), "--quiet"]) == 0
    assert result(folder) == result(whole / kind)
    assert (json.loads((folder / "comparison.json").read_text())["plan"] is None) == (kind == "sequential")


def test_a_comparison_that_is_not_joined_yet_says_how_it_goes_on(whole, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(whole / "sequential" / "comparison_settings.json", folder)
    assert main(["report", str(folder)]) == 2
    assert f"`recsim-llm resume {folder}`" in capsys.readouterr().err


def test_a_folder_without_a_run_is_no_scenario(tmp_path, capsys):
    assert main(["compare", str(tmp_path)]) == 2
    assert f"`recsim-llm compare SCENARIO --out {tmp_path}`" in capsys.readouterr().err
