"""Exports of runs in which users search and look back say which pages these were; of other runs they are what they were."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest

from recsim_llm.errors import LogError
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.export import export

ACTING = {
    "users.count": 20,
    "max_pages": 4,
    "slate_size": 4,
    "seed": 5,
    "recommenders": ["popularity"],
    "clock": {"days": 3, "arrive_days": 1},
    "actions": {"search": {"share": 0.3}, "back": {"share": 0.4}},
}


@pytest.fixture(scope="module")
def acting(tmp_path_factory):
    return run(load_scenario("demo", ACTING), tmp_path_factory.mktemp("acting") / "run")


@pytest.fixture(scope="module")
def asked(acting):
    """Return how pages came about that were not recommended, and what was typed, by user, visit and page."""
    events = pq.read_table(acting / "events").to_pylist()
    found = {
        (event["user_id"], event["visit"], event["page"]): (event["event"], event["subject"])
        for event in events
        if event["event"] in ("search", "back")
    }
    assert len({how for how, _ in found.values()}) == 2
    return found


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def folder_of(acting, form, out, **more):
    return out / export(acting, form, out, **more)["arms"]["popularity"]["folder"]


def test_recbole_says_of_each_slot_how_its_page_came_about(acting, asked, tmp_path):
    (path,) = folder_of(acting, "recbole", tmp_path / "out").glob("*-clicks/*.inter")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in rows:
        page = tuple(int(row[name]) for name in ("user_id:token", "visit:float", "page:float"))
        assert row["how:token"] == asked.get(page, ("recommended", None))[0]
    assert {row["how:token"] for row in rows} == {"recommended", "search", "back"}


def test_dialogues_say_what_was_searched_and_what_was_looked_at_again(acting, asked, tmp_path):
    found = {}
    for line in lines(folder_of(acting, "dialogues", tmp_path / "out") / "dialogues.jsonl"):
        for number, page in enumerate(line["pages"]):
            key, said = (line["user_id"], line["visit"], page["page"]), line["messages"][2 * number + 1]["content"]
            if page["how"] != "recommended":
                found[key] = (page["how"], said.partition('"')[2].partition('":')[0] if page["how"] == "search" else None)
                assert said.startswith("Here is what was found" if page["how"] == "search" else "The page before, once more:")
    assert found == asked


def test_simeval_pages_say_how_and_for_which_query(acting, asked, tmp_path):
    out = folder_of(acting, "simeval", tmp_path / "out")
    found = {}
    for session in lines(out / "sessions.jsonl"):
        for event in session["events"]:
            if event["type"] == "serp_view" and "how" in event["meta"]:
                key = (int(session["user_id"]), session["meta"]["visit"], event["meta"]["page"])
                found[key] = (event["meta"]["how"], event["meta"].get("query"))
    # A page all of whose items were clicked before shows nothing when it is looked at again.
    assert found.items() <= asked.items()
    assert {key for key, (how, _) in asked.items() if how == "search"} <= found.keys()
    assert any(
        "searched or looked at again" in note for note in json.loads((out / "losses.json").read_text())["transformation_notes"]
    )


def test_what_was_typed_is_left_out_of_an_anonymous_export(acting, tmp_path):
    out = folder_of(acting, "dialogues", tmp_path / "out", anonymous=True)
    pages = [page for line in lines(out / "dialogues.jsonl") for page in line["pages"]]
    assert {page["how"] for page in pages} == {"recommended", "search", "back"}
    assert 'search "' not in (out / "dialogues.jsonl").read_text(encoding="utf-8")


def test_bandit_feedback_is_refused_where_pages_have_no_propensity(acting, tmp_path):
    with pytest.raises(LogError, match="unknown values of 'propensity'"):
        export(acting, "obp", tmp_path / "out")


def test_without_search_and_back_nothing_is_said_of_them(tmp_path):
    folder = run(load_scenario("demo", ACTING | {"actions": {"save": {}}}), tmp_path / "run")
    for form, name in (("recbole", "how:token"), ("dialogues", '"how"'), ("simeval", '"how"')):
        out = tmp_path / form
        export(folder, form, out)
        assert not any(name in path.read_text(encoding="utf-8") for path in out.rglob("*") if path.is_file())
