"""Dialogues and instructions: what the log says in words, and nothing of what is asked in what is told."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_runs import make_run

from recsim_llm.exports import HISTORY
from recsim_llm.log import open_segments
from recsim_llm.scenarios.export import export

REMARK = "A remark of my own."


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("dialogues") / "run", recommenders=["popularity"], slate_size=8)


@pytest.fixture(scope="module")
def lines(run):
    export(run, "dialogues", run.parent / "words")
    return {kind: read(run.parent / "words", kind) for kind in ("dialogues", "instructions")}


def read(folder, kind):
    text = (folder / "popularity" / f"{kind}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def log_of(run, table="impressions"):
    rows = pq.read_table(run / table).to_pylist()
    return sorted(rows, key=lambda row: tuple(row.get(key, 0) for key in ("user_id", "visit", "page", "position")))


def test_a_dialogue_is_a_visit_and_its_columns_are_the_log(run, lines):
    visits = log_of(run, "visits")
    assert [(line["user_id"], line["visit"], line["ended"]) for line in lines["dialogues"]] == [
        (visit["user_id"], visit["visit"], visit["stop_reason"]) for visit in visits
    ]
    assert len({line["dialogue_id"] for line in lines["dialogues"]}) == len(visits)
    pages = [page for line in lines["dialogues"] for page in line["pages"]]
    for name in ("item_id", "clicked", "rating"):
        assert [value for page in pages for value in page[name]] == [row[name] for row in log_of(run)]


def test_speakers_take_turns_and_say_what_happened(lines):
    taken = 0
    for line in lines["dialogues"]:
        roles = [message["role"] for message in line["messages"]]
        assert roles == ["user", *["assistant", "user"] * len(line["pages"])]
        for page, offer, reply in zip(line["pages"], line["messages"][1::2], line["messages"][2::2], strict=True):
            assert re.findall(r"^(\d+)\. ", offer["content"], re.M) == [str(slot) for slot in range(1, 9)]
            chosen = re.findall(r"I take number (\d+), .+?(?:, and give it (\S+) stars)?\.(?= |$)", reply["content"])
            assert [int(number) - 1 for number, _ in chosen] == np.flatnonzero(page["clicked"]).tolist()
            assert [float(stars) for _, stars in chosen] == [stars for stars in page["rating"] if stars is not None]
            taken += len(chosen)
        assert ("That is all for today." in line["messages"][-1]["content"]) == (line["ended"] == "left")
        assert not any("That is all for today." in message["content"] for message in line["messages"][:-1])
    assert taken > 20


def test_instructions_ask_for_every_click_after_the_first_page_with_one(run, lines):
    seen, expected = set(), []
    pages = {}
    for row in log_of(run):
        pages.setdefault((row["user_id"], row["visit"], row["page"]), []).append(row)
    for (user, *_), rows in pages.items():
        clicked = [row for row in rows if row["clicked"]]
        if clicked and user in seen:
            expected.append(("next_click", [row["item_id"] for row in clicked]))
            expected += [("rating", [row["item_id"]]) for row in clicked if row["rating"] is not None]
        if clicked:
            seen.add(user)
    assert [(line["task"], line["item_id"]) for line in lines["instructions"]] == expected
    assert len(expected) > 20


def test_what_is_told_is_only_what_came_before(run, lines):
    dialogues = {(line["user_id"], line["visit"]): line["pages"] for line in lines["dialogues"]}
    for line in lines["instructions"]:
        past = line["input"].split("\nThe page shows:" if line["task"] == "next_click" else "\nThe item:")[0]
        told = past.split("\n")[1:]
        earlier = [
            (stars, item)
            for (user, visit), pages in dialogues.items()
            if user == line["user_id"]
            for page in pages
            if (visit, page["page"]) < (line["visit"], line["page"])
            for item, clicked, stars in zip(page["item_id"], page["clicked"], page["rating"], strict=True)
            if clicked
        ]
        assert len(told) == min(len(earlier), HISTORY)
        stars = [float(found[1]) if (found := re.search(r": (\S+) stars$", choice)) else None for choice in told]
        assert stars == [given for given, _ in earlier[-HISTORY:]]


def test_answers_are_lines_of_the_page_and_stars_of_the_log(run, lines):
    stars = {(row["user_id"], row["visit"], row["page"], row["item_id"]): row["rating"] for row in log_of(run)}
    for line in lines["instructions"]:
        if line["task"] == "next_click":
            assert set(line["output"].split("\n")) <= set(line["input"].split("\n"))
        else:
            assert float(line["output"]) == stars[line["user_id"], line["visit"], line["page"], line["item_id"][0]]


def with_remarks(run, folder):
    """Copy a run whose log has a text for every click."""
    for name in ("impressions", "pages", "visits"):
        (folder / name).mkdir(parents=True)
    (folder / "manifest.json").write_bytes((run / "manifest.json").read_bytes())
    tables = {name: pq.read_table(run / name) for name in ("impressions", "pages", "visits")}
    shown = tables["impressions"]
    text = pa.array([REMARK if clicked else None for clicked in shown.column("clicked").to_pylist()], pa.string())
    tables["impressions"] = shown.set_column(shown.schema.get_field_index("text"), "text", text)
    open_segments(folder).add("popularity", 0, 0, tables=tables, last=True)
    return folder


def test_texts_of_users_are_quoted_unless_the_export_is_anonymous(run, tmp_path):
    remarked = with_remarks(run, tmp_path / "run")
    export(remarked, "dialogues", tmp_path / "open")
    export(remarked, "dialogues", tmp_path / "anonymous", anonymous=True)
    said = [message["content"] for line in read(tmp_path / "open", "dialogues") for message in line["messages"]]
    assert sum(text.count(REMARK) for text in said) == sum(row["clicked"] for row in log_of(run))
    assert not any(REMARK in path.read_text(encoding="utf-8") for path in (tmp_path / "anonymous").rglob("*.json*"))
