"""Runs of agents: every call of a tool is logged, off is off, and a run that was stopped ends alike."""

import json
import re
import sqlite3
import sys
from contextlib import closing

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded
from recsim_llm.exports import ArmLog
from recsim_llm.log import open_run
from recsim_llm.log.schema import TOOL_CALLS
from recsim_llm.metrics.run_tools import measure_tools
from recsim_llm.report import write_report
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run

AGENTS = ["react", "plan-execute", "all-paths"]
SMALL = {"users.count": 8, "max_pages": 2, "slate_size": 4, "seed": 3}
ACTING = SMALL | {
    "recommenders": [
        "popularity",
        *({"name": name, "recommender": name, "settings": {"base": "popularity"}} for name in AGENTS),
    ],
    "models.policy": "scripted/agent",
}


def log_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


def rows(folder, table, arm):
    there = ds.dataset(sorted((folder / table).glob("*.parquet"))).to_table().to_pylist()
    return [row for row in there if row["arm"] == arm]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return run(load_scenario("demo", ACTING), tmp_path_factory.mktemp("agents") / "played")


@pytest.mark.parametrize("arm", AGENTS)
def test_every_page_has_its_calls_and_a_row_of_its_own(played, arm):
    calls, pages = rows(played, "tool_calls", arm), rows(played, "pages", arm)
    whole = [row for row in calls if row["tool"] == "page"]
    key = ("user_id", "visit", "page")
    assert [[row[name] for name in key] for row in whole] == [[row[name] for name in key] for row in pages]
    assert all(row["chosen"] + row["from_candidates"] + row["from_base"] == 4 for row in whole)
    others = [row for row in calls if row["tool"] != "page"]
    assert all(row["chosen"] is None and row["error"] is None for row in others)
    assert {"select", "rank", "answer"} == {row["tool"] for row in others}
    assert all(json.loads(row["arguments"]) is not None for row in others)


def test_what_was_answered_is_what_was_shown(played):
    calls = [row for row in rows(played, "tool_calls", "react") if row["tool"] == "answer"]
    shown = {}
    for row in rows(played, "impressions", "react"):
        shown.setdefault((row["user_id"], row["visit"], row["page"]), []).append(row["item_id"])
    for row in calls:
        assert shown[row["user_id"], row["visit"], row["page"]] == json.loads(row["arguments"])["item_ids"]


def test_the_table_has_its_schema_and_the_arm_that_is_no_agent_has_none(played):
    files = {path.name[:2]: pq.read_schema(path) for path in (played / "tool_calls").glob("*.parquet")}
    assert set(files) == {"01", "02", "03"}
    assert all(schema.equals(TOOL_CALLS) for schema in files.values())
    lines = [json.loads(line) for line in (played / "segments.jsonl").read_text().splitlines()]
    assert [line["arm"] for line in lines if "tool_calls" in line["rows"]] == AGENTS


def test_without_agents_a_run_has_the_bytes_that_it_had(played, tmp_path):
    alone = run(load_scenario("demo", SMALL | {"recommenders": ["popularity"]}), tmp_path / "alone")
    assert not (alone / "tool_calls").exists()
    expected = {path: content for path, content in log_bytes(played).items() if path.name.startswith("00")}
    assert log_bytes(alone) == expected
    metrics = json.loads((write_report(alone).parent / "metrics.json").read_text())
    assert "tools" not in metrics
    assert "Tools of agents" not in (alone / "report.html").read_text()


@pytest.mark.parametrize("calls", [5, 40, 100])
def test_a_run_that_was_stopped_ends_with_the_same_bytes_and_pays_nothing_twice(played, tmp_path, calls):
    out = tmp_path / "short"
    with pytest.raises(BudgetExceeded):
        run(load_scenario("demo", ACTING | {"limits.calls": calls}), out)
    resume(out, limits={"calls": 10_000})
    assert log_bytes(out) == log_bytes(played)


def test_a_run_in_small_segments_holds_the_same_rows(played, tmp_path, monkeypatch):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", 20)
    small = run(load_scenario("demo", ACTING), tmp_path / "small")
    assert len(list((small / "tool_calls").glob("*.parquet"))) > 3
    for arm in AGENTS:
        assert rows(small, "tool_calls", arm) == rows(played, "tool_calls", arm)


def test_a_run_page_by_page_and_one_visit_by_visit_log_the_same_calls(played, tmp_path):
    free = run(load_scenario("demo", ACTING | {"barrier": "visit"}), tmp_path / "free")
    for arm in AGENTS:
        assert rows(free, "tool_calls", arm) == rows(played, "tool_calls", arm)


def test_a_run_is_replayed_from_its_calls(played, tmp_path):
    again = run(load_scenario("demo", ACTING | {"models.policy": f"replay/{played}"}), tmp_path / "again")
    assert log_bytes(again) == log_bytes(played)


def test_an_agent_inside_another_recommender_is_logged_too(tmp_path):
    settings = {"base": "react", "base_settings": {"base": "popularity"}, "candidates": 8}
    arms = [{"name": "diverse", "recommender": "mmr", "settings": settings}]
    out = run(load_scenario("demo", SMALL | {"recommenders": arms, "models.policy": "scripted/agent"}), tmp_path / "run")
    assert {row["tool"] for row in rows(out, "tool_calls", "diverse")} == {"select", "rank", "answer", "page"}


def test_the_report_says_what_agents_did(played):
    write_report(played)
    text = re.sub("<[^>]+>", " ", (played / "report.html").read_text())
    for words in (
        "Tools of agents",
        "Calls of the model on a page",
        "Positions filled by the base recommender",
        "Calls by tool",
    ):
        assert words in text
    told = {arm["arm"]: arm for arm in json.loads((played / "metrics.json").read_text())["tools"]}
    assert list(told) == AGENTS
    assert told["plan-execute"]["model_calls_per_page"]["value"] == 2
    assert told["react"]["model_calls_per_page"]["value"] == 3


def test_the_measures_are_those_of_the_rows(played):
    (react, *_) = measure_tools(open_run(played))
    calls = rows(played, "tool_calls", "react")
    pages = [row for row in calls if row["tool"] == "page"]
    others = [row for row in calls if row["tool"] != "page"]
    assert (react.users, react.pages) == (len({row["user_id"] for row in calls}), len(pages))
    assert react.tool_calls_per_page.value == pytest.approx(len(others) / len(pages))
    assert react.tokens_per_page.value == pytest.approx(sum(row["tokens"] for row in others) / len(pages))
    assert react.base_share.value == pytest.approx(sum(row["from_base"] for row in pages) / (4 * len(pages)))
    assert sum(react.calls.values()) == len(others)


class Clumsy:
    """Asks for what is not there, then for nothing."""

    def __call__(self, text, question):
        return (1.0,) * len(question.options)

    def act(self, text):
        return [("similar", {"item_id": 10**9})] if text.count('"error"') % 2 == 0 else [("fly", {})]


clumsy = Clumsy()


def test_errors_are_counted_by_cause(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "clumsy_script", sys.modules[Clumsy.__module__])
    settings = SMALL | {"users.count": 4, "recommenders": ["react"], "models.policy": "scripted/clumsy_script:clumsy"}
    out = run(load_scenario("demo", settings), tmp_path / "run")
    (told,) = measure_tools(open_run(out))
    assert told.errors == {"item": 3 * told.pages, "tool": 3 * told.pages}
    assert told.unanswered == {"calls": told.pages}
    assert (told.error_share.value, told.filled_share.value, told.base_share.value) == (1, 1, 1)


def test_agents_ask_friends_where_users_have_some(tmp_path):
    world = SMALL | {"clock": {"days": 3, "arrive_days": 1}, "users.count": 20, "models.policy": "scripted/agent"}
    arms = {"recommenders": [{"name": "react", "recommender": "react", "settings": {"base": "popularity"}}]}
    out = run(load_scenario("demo", world | arms | {"social": {"friends": {"degree": 4}}}), tmp_path / "social")
    assert rows(out, "tool_calls", "react")
    alone = run(load_scenario("demo", world | arms), tmp_path / "alone")
    assert tools_told(out) - tools_told(alone) == {"friends"}


def tools_told(folder):
    """Return the names of the tools that the prompts of a run described."""
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        texts = [text for (text,) in connection.execute("SELECT text FROM parts") if text.startswith('[{"function"')]
    return {one["function"]["name"] for text in texts for one in json.loads(text)}


def test_an_export_says_that_the_calls_are_left_out(played, tmp_path):
    assert main(["export", str(played), "simeval", str(tmp_path / "out"), "--quiet"]) == 0
    lost = {path.parent.name: json.loads(path.read_text())["fields_lost"] for path in (tmp_path / "out").glob("*/losses.json")}
    assert {arm for arm, fields in lost.items() if "tool_calls" in fields} == set(AGENTS)
    assert ArmLog(open_run(played), "react").calls_tools


def test_agents_play_by_the_rules(played):
    for arm in AGENTS:
        shown = {}
        for row in rows(played, "impressions", arm):
            shown.setdefault(row["user_id"], []).append(row["item_id"])
        assert all(len(set(items)) == len(items) for items in shown.values())
        assert np.all([row["item_id"] >= 0 for row in rows(played, "impressions", arm)])


@pytest.mark.parametrize(("name", "calls"), [("react", 6), ("plan-execute", 2), ("all-paths", 3)])
def test_a_run_says_before_it_begins_how_many_calls_it_may_make(name, calls, tmp_path):
    said = []
    settings = SMALL | {"recommenders": [name], "models.policy": "scripted/agent"}
    out = run(load_scenario("demo", settings), tmp_path / "run", confirm=said.append)
    assert said[0].calls == 8 * 2 * calls
    (told,) = measure_tools(open_run(out))
    assert told.model_calls_per_page.value <= calls


def test_agents_in_a_conversation_are_logged_turn_by_turn(tmp_path):
    arms = {"recommenders": [{"name": "react", "recommender": "react", "settings": {"base": "popularity"}}]}
    settings = {"users.count": 6, "seed": 3, "models.policy": "scripted/agent"} | arms
    out = run(load_scenario("conversation", settings), tmp_path / "talk")
    key = ("user_id", "visit", "page")
    whole = [row for row in rows(out, "tool_calls", "react") if row["tool"] == "page"]
    pages = rows(out, "pages", "react")
    assert [[row[name] for name in key] for row in whole] == [[row[name] for name in key] for row in pages]
    write_report(out)
    content = json.loads((out / "metrics.json").read_text())
    assert content["conversation"]
    assert content["tools"][0]["pages"] == len(pages)
