"""SimEval-IR: sessions in its schema, an account of what is lost, and the same log when they are read back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from export_runs import make_run

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log import open_exposures

SESSION_KEYS = ("schema_version", "session_id", "dataset_id", "session_type", "user_id", "topic_id", "domain", "events", "meta")
EVENT_KEYS = (
    *("event_id", "type", "timestamp", "turn_id", "role", "query", "utterance", "ranked_items", "clicked_items"),
    *("dialogue_act", "response_to", "meta"),
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("simeval")
    stutter = {"name": "stutter", "recommender": "export_runs:Stutter"}
    make_run(folder / "run", recommenders=["random", stutter], invalid="count")
    assert main(["export", str(folder / "run"), "simeval", str(folder / "out"), "--quiet"]) == 0
    return folder / "run", folder / "out"


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "sessions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_sessions_have_the_keys_of_the_schema(exported: tuple[Path, Path]) -> None:
    sessions = lines(exported[1] / "random")
    assert all(set(session) == set(SESSION_KEYS) for session in sessions)
    assert all(set(event) == set(EVENT_KEYS) for session in sessions for event in session["events"])
    assert len({session["session_id"] for session in sessions}) == len(sessions) > 12


def test_clicks_are_on_the_page_before_them(exported: tuple[Path, Path]) -> None:
    for session in lines(exported[1] / "random"):
        shown: dict[str, int] = {}
        for event in session["events"]:
            shown = {item["doc_id"]: item["rank"] for item in event["ranked_items"] or ()} or shown
            assert all(shown[one["doc_id"]] == one["rank"] for one in event["clicked_items"] or ())


def test_an_arm_that_is_read_back_is_the_one_that_was_logged(exported: tuple[Path, Path]) -> None:
    run, out = exported
    for arm in ("random", "stutter"):
        logged, read = open_exposures(run, part=arm), open_exposures(out, part=arm)
        assert read.fingerprint == logged.fingerprint
        assert open_exposures(out / arm / "sessions.jsonl").fingerprint == logged.fingerprint
    with pytest.raises(ConfigError, match="expected one of"):
        open_exposures(out)


def test_what_the_schema_cannot_hold_is_said(exported: tuple[Path, Path]) -> None:
    for folder in (exported[1] / arm for arm in ("random", "stutter")):
        losses = json.loads((folder / "losses.json").read_text())
        assert losses["sessions_processed"] == len(lines(folder))
        assert {"click_prob", "satisfaction", "reward"} <= set(losses["fields_lost"])
        assert not set(losses["fields_lost"]) & set(losses["fields_mapped"])
        assert (losses["blank_slots"] > 0) == (folder.name != "random")


def click(item: str, rank: int, **more: Any) -> dict[str, Any]:
    return {"doc_id": item, "rank": rank, **more}


def session(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema_version": "v1", "session_id": "s", "dataset_id": "d", "session_type": "search", "events": events, **more}


PAGE = {"event_id": "p", "type": "serp_view", "ranked_items": [click("a", 1), click("b", 2)]}
QUERY = {"event_id": "q", "type": "query_issued", "query": "how"}


def clicked(*clicks: dict[str, Any]) -> dict[str, Any]:
    return {"event_id": "c", "type": "click", "clicked_items": list(clicks)}


def write(folder: Path, *sessions: Any) -> Path:
    path = folder / "theirs.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in sessions), encoding="utf-8")
    return path


def test_sessions_of_others_are_read(tmp_path: Path) -> None:
    first = session(QUERY, PAGE, clicked(click("b", 2, dwell_time=4.0)), QUERY, PAGE, clicked(click("b", 2)), user_id="u")
    log = open_exposures(write(tmp_path, first, session(PAGE, user_id="v")))
    assert log.page.tolist() == [0, 0, 1, 1, 0, 0]
    assert log.position.tolist() == [0, 1] * 3
    assert log.clicked.tolist() == [False, True, False, True, False, False]
    assert log.dwell is not None
    assert log.dwell[1] == 4.0
    assert [log.user_keys[user] for user in log.user_id.tolist()] == ["u"] * 4 + ["v"] * 2
    assert log.item_keys == {0: "a", 1: "b"}


def test_packed_files_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, session(PAGE))
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert open_exposures(packed).fingerprint == open_exposures(path).fingerprint


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (session(PAGE, clicked(click("z", 1))), "line 2: got a click on 'z', expected clicks on what the page"),
        (session(PAGE, schema_version="v2"), "line 2: got schema_version 'v2', expected 'v1'"),
        (session({"ranked_items": [{"doc_id": "a"}]}), "line 2: got what is no session"),
        ('{"session_id": 1, "events": [', "line 2: got what is no session"),
        ("[1, 2]", "line 2: got what is no session"),
        (session({"ranked_items": [click("a", 0)]}), "line 2: got rank 0, expected a whole number of 1 or more"),
        (session({"ranked_items": [click("a", 1, meta={"propensity": "x"})]}), "line 2: got what is no session"),
        (session(events={"a": 1}), "line 2: got what is no session"),
    ],
)
def test_a_line_that_is_no_session_is_named_or_left_out_and_counted(tmp_path: Path, line: Any, fault: str) -> None:
    path = write(tmp_path, session(PAGE), line)
    with pytest.raises(DataError, match=fault) as error:
        open_exposures(path)
    assert "\n" not in str(error.value)
    log = open_exposures(path, skip_bad_rows=True)
    assert len(log) == 2
    assert sum(log.skipped.values()) == 1


def test_two_items_at_one_rank_are_refused_by_their_line(tmp_path: Path) -> None:
    twice = {"event_id": "p", "type": "serp_view", "ranked_items": [click("a", 1), click("b", 1)]}
    with pytest.raises(DataError, match=r"theirs.jsonl line 1: position: got 0"):
        open_exposures(write(tmp_path, session(twice)))


def test_a_file_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no page"):
        open_exposures(write(tmp_path, session(QUERY)))
