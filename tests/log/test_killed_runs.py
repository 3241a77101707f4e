"""A run killed between two files of a segment: every reader sees what the index names, and nothing else."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from written_runs import HAND, write_run

from recsim_llm.agents.fitting.position import fit_position_curve
from recsim_llm.agents.recorded_decisions import read_recorded
from recsim_llm.comparison import summarise
from recsim_llm.errors import LogError
from recsim_llm.exports import ArmLog
from recsim_llm.log import open_run, open_segments
from recsim_llm.metrics import measure_run
from recsim_llm.offpolicy import read_log
from recsim_llm.scenarios import arm_logs, load_scenario, run
from recsim_llm.scenarios.building import stage
from recsim_llm.scenarios.speech_log import SpeechLog

SETTINGS = {"users.count": 60, "max_pages": 5, "slate_size": 4, "seed": 3, "recommenders": ["popularity", "random"]}
ARM = "random"
TABLES = ("impressions", "pages", "visits")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return a killed run, and the same without the files of the segment that was being written."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arm_logs, "SEGMENT_ROWS", 150)
        killed = run(load_scenario("demo", SETTINGS), folder / "killed")
    index = killed / "segments.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["arm"] != ARM or json.loads(line)["segment"] < 2]
    index.write_text("".join(kept))
    clean = shutil.copytree(killed, folder / "clean")
    for line in lines[len(kept) :]:
        first, *others = sorted(json.loads(line)["sha256"])
        (clean / first).unlink()
        for path in others:
            (clean / path).unlink()
    # Of the first segment that is not finished, the kill came before its last file.
    (killed / sorted(json.loads(lines[len(kept)])["sha256"])[-1]).unlink()
    return killed, clean


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with stage(load_scenario("demo", SETTINGS), calls=tmp_path_factory.mktemp("calls") / "calls.sqlite") as built:
        return built.world


def portion_of(folder):
    (portion,) = ArmLog(open_run(folder), ARM).portions()
    return portion._asdict()


def arrays_of(record):
    return {name: value for name, value in vars(record).items() if isinstance(value, np.ndarray)}


def read_back(folder, world):
    return arrays_of(read_recorded(folder, ARM, world.catalog, world.population))


def occasions_of(folder, world, kind):
    return {"drawn": repr(SpeechLog(folder, world.catalog, world.population).occasions(ARM, kind, 50, seed=1))}


READERS = {
    "summary": lambda folder, _: summarise(folder).to_json(),
    "more metrics": lambda folder, _: measure_run(folder).to_json(),
    "export": lambda folder, _: portion_of(folder),
    "off-policy": lambda folder, _: arrays_of(read_log(folder, ARM)),
    "replay": read_back,
    "position": lambda folder, _: {"curve": fit_position_curve(folder, ARM)},
    "reviews": lambda folder, world: occasions_of(folder, world, "review"),
    "reasons": lambda folder, world: occasions_of(folder, world, "reason"),
    "interviews": lambda folder, world: occasions_of(folder, world, "interview"),
}


def test_the_killed_run_has_rows_that_do_not_count(folders):
    killed, _ = folders
    for table in TABLES:
        on_disk = sum(pq.read_metadata(path).num_rows for path in (killed / table).glob("*.parquet"))
        assert on_disk > sum(len(batch) for batch in open_run(killed).batches(table, ["arm"]))


@pytest.mark.parametrize("reader", READERS)
def test_rows_of_an_unfinished_segment_are_not_read(folders, world, reader):
    killed, clean = (READERS[reader](folder, world) for folder in folders)
    assert killed.keys() == clean.keys()
    for name, value in killed.items():
        np.testing.assert_equal(value, clean[name], name)


def test_a_run_killed_in_its_first_segment_has_no_rows(tmp_path):
    folder = write_run(tmp_path / "run", HAND, arms=["a", "b"])
    open_segments(folder)
    log = open_run(folder)
    assert log.finished_arms == log.begun_arms == ()
    with pytest.raises(LogError, match="without pages"):
        summarise(folder)


def test_a_log_without_an_index_is_taken_for_whole(tmp_path):
    log = open_run(write_run(tmp_path / "run", HAND, arms=["a", "b"]))
    assert log.finished_arms == log.begun_arms == ("a", "b")
    assert sum(len(batch) for batch in log.batches("pages", ["arm"])) == len(HAND)
