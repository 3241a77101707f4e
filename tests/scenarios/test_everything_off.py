"""A scenario that asks for nothing that goes on in time runs as if there were nothing of the kind."""

import hashlib
import json

import pyarrow.dataset as arrow
import pytest

from recsim_llm.scenarios import load_scenario, run

SMALL = {"users.count": 40, "max_pages": 4, "slate_size": 5, "seed": 3, "visits": 3, "recommenders": ["random", "popularity"]}
OFF = {
    "clock": None,
    "intents": None,
    "interventions": [],
    "social": None,
    "providers": None,
    "actions": None,
    "presentation": None,
    "remarks": None,
    "measure": None,
    "expect": [],
    "cold_items": None,
    "enrich": None,
}
DRAWN = {
    "impressions": ["arm", "user_id", "visit", "page", "position", "item_id", "examined", "clicked"],
    "pages": ["arm", "user_id", "visit", "page", "next_action", "stop_reason"],
    "visits": ["arm", "user_id", "visit", "returned"],
}
# SHA-256 of a run from before there was a clock; a change of users or recommenders that is meant changes it too. Whole numbers
# and words alone: last digits of probabilities differ between machines, and what is drawn by them does not, unless a die falls
# that near to its probability.
BEFORE = {
    "impressions": "d002a1d5e7bfddbf40fe58217592190ecdc17791da55bcf5c72d1897d411fd3d",
    "pages": "33d42b7a79923e2526a403a9252fda36c1a8b234c0be08d01389446e5dce36eb",
    "visits": "d1e4e07b1d0a958107d654c7d8f87a1c637a6fb09752386b480408efe187c031",
}
WALL_TIMES = ("timings.parquet", "serving.parquet")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("plain") / "run")


def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in WALL_TIMES)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", DRAWN)
def test_what_is_drawn_is_what_was_drawn_before_there_was_time(plain, kind):
    rows = arrow.dataset(sorted((plain / kind).glob("*.parquet"))).to_table(columns=DRAWN[kind]).to_pylist()
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == BEFORE[kind]


def test_features_that_are_named_and_off_leave_every_byte(plain, tmp_path):
    named = content(run(load_scenario("demo", SMALL | OFF), tmp_path / "named"))
    assert named.keys() == content(plain).keys()
    assert named == content(plain)


def test_nothing_of_features_that_are_off_is_written_down(plain):
    assert not OFF.keys() & json.loads((plain / "manifest.json").read_text())["settings"].keys()
    assert not (plain / "events").exists()
    assert not (plain / "friends.parquet").exists()
