"""Visits page by page as conversations: explanations and remarks of the log are their words, in every format."""

import csv
import json

import pyarrow.dataset as ds
import pytest

from recsim_llm.data import open_dataset
from recsim_llm.errors import LogError
from recsim_llm.exports import CONVERSATIONS_FILE, INSPIRED_FILE, REDIAL_FILE
from recsim_llm.realism.dialogues import open_dialogues
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.export import export

FILES = {"conversations": CONVERSATIONS_FILE, "redial": REDIAL_FILE, "inspired": INSPIRED_FILE}
ARM = "told"
WORDED = {
    "users.count": 20,
    "max_pages": 3,
    "slate_size": 4,
    "visits": 2,
    "seed": 3,
    "users.parameters": {"click_bias": 0.0},
    "recommenders": [{"name": ARM, "recommender": "explained", "settings": {"base": "clickbait"}}],
    "presentation": {},
    "remarks": {"share": 0.6, "requests": 0.6},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return run(load_scenario("demo", WORDED), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def out(played):
    for form in FILES:
        export(played, form, played.parent / form)
    return played.parent


def slots(folder):
    return ds.dataset(sorted((folder / "impressions").glob("*.parquet"))).to_table().to_pylist()


def lines(folder, name=CONVERSATIONS_FILE):
    return [json.loads(line) for line in (folder / ARM / name).read_text(encoding="utf-8").splitlines()]


def said(folder, form):
    """Return everything that is said in an export, by dialogue."""
    if form == "inspired":
        with (folder / ARM / INSPIRED_FILE).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        talks = {}
        for row in rows:
            talks.setdefault(row["dialog_id"], []).append(row["text"])
        return [" ".join(texts) for texts in talks.values()]
    key, file = ("content", CONVERSATIONS_FILE) if form == "conversations" else ("text", REDIAL_FILE)
    return [" ".join(" ".join(message[key].split()) for message in line["messages"]) for line in lines(folder, file)]


@pytest.mark.parametrize("form", FILES)
def test_every_explanation_and_remark_is_said(played, out, form):
    logged, told = slots(played), said(out / form, form)
    visits = sorted({(row["user_id"], row["visit"]) for row in logged})
    assert len(told) == len(visits)
    counts = dict.fromkeys(("explanation", "text"), 0)
    for talk, key in zip(told, visits, strict=True):
        for row in logged:
            if (row["user_id"], row["visit"]) == key:
                for name in counts:
                    if row[name]:
                        assert row[name] in talk
                        counts[name] += 1
    assert min(counts.values()) > 50


def test_titles_of_the_recommenders_own_are_told_beside_the_items_own(out):
    catalog = open_dataset("fictional").catalog
    first = lines(out / "conversations")[0]["messages"][0]
    assert first["role"] == "assistant"
    assert "shown as \"You won't believe what happens in" in first["content"]
    assert any(f"'{title}', shown as" in first["content"] for title in catalog.title.tolist())


def test_what_was_clicked_is_accepted_and_what_was_asked_for_is_a_critique(played, out):
    logged = {(row["user_id"], row["visit"], row["page"], row["item_id"]): row for row in slots(played)}
    accepted, asked = set(), []
    for line in lines(out / "conversations"):
        for act in line["acts"]:
            where = (line["user_id"], line["visit"], act["turn"] - 1)
            if act["act"] == "accept":
                accepted |= {(*where, item) for item in act["item_id"]}
            if act["act"] == "critique":
                asked.append(act)
        roles = [message["role"] for message in line["messages"]]
        assert all(one != other for one, other in zip(roles, roles[1:], strict=False))
    assert accepted == {key for key, row in logged.items() if row["clicked"]}
    assert {(act["critique"], act["attribute"]) for act in asked} == {("less", "genre"), ("more", "genre"), ("not_this", None)}
    for line in lines(out / "conversations"):
        for act in line["acts"]:
            if act["value"] is not None:
                assert act["value"] in line["messages"][act["message"]]["content"]


def test_redial_labels_what_was_taken_and_names_movies_by_number(played, out):
    clicked = {(row["user_id"], row["item_id"]) for row in slots(played) if row["clicked"]}
    liked = {
        (line["initiatorWorkerId"], int(item))
        for line in lines(out / "redial", REDIAL_FILE)
        for item, label in line["initiatorQuestions"].items()
        if label["liked"] == 1
    }
    assert liked <= clicked
    assert len(liked) > 0.9 * len(clicked)
    assert any(
        message["text"].startswith("Here") and "\n@" in message["text"]
        for message in lines(out / "redial", REDIAL_FILE)[0]["messages"]
    )


@pytest.mark.parametrize("form", FILES)
def test_all_are_read_back_and_what_is_lost_is_said(out, form):
    read = open_dialogues(out / form / ARM / FILES[form])
    assert read.unread == 0 if form == "conversations" else read.unread < 0.2
    assert len(read.dialogues) >= 30
    losses = json.loads((out / form / ARM / "losses.json").read_text())
    assert "explanation" in losses["fields_mapped"]
    assert "click_prob" in losses["fields_lost"]
    assert not {*losses["fields_mapped"]} & {*losses["fields_lost"]}


def test_the_columns_of_the_log_are_all_accounted_for(played, out):
    losses = json.loads((out / "conversations" / ARM / "losses.json").read_text())
    columns = set(slots(played)[0]) | set(ds.dataset(sorted((played / "pages").glob("*.parquet"))).schema.names)
    assert columns <= {*losses["fields_mapped"], *losses["fields_lost"]}


def test_an_anonymous_export_says_none_of_it(played, tmp_path):
    export(played, "conversations", tmp_path / "out", anonymous=True)
    told = " ".join(said(tmp_path / "out", "conversations"))
    assert "How about '" in told
    assert "Because you like" not in told
    assert "shown as" not in told


def test_dialogues_tell_them_too(played, tmp_path):
    export(played, "dialogues", tmp_path / "out")
    talks = lines(tmp_path / "out", "dialogues.jsonl")
    told = "\n".join(message["content"] for line in talks for message in line["messages"])
    for row in slots(played):
        assert not row["text"] or row["text"] in told
        assert not row["explanation"] or f" – {row['explanation']}" in told


def test_remarks_alone_are_enough_and_a_run_without_words_is_refused(tmp_path):
    plain = {key: value for key, value in WORDED.items() if key not in ("presentation", "remarks")} | {"users.count": 3}
    mute = run(load_scenario("demo", plain), tmp_path / "mute")
    with pytest.raises(LogError, match="nobody talks"):
        export(mute, "conversations", tmp_path / "refused")
    spoken = run(load_scenario("demo", plain | {"remarks": {"share": 1.0}}), tmp_path / "spoken")
    export(spoken, "conversations", tmp_path / "out")
    assert any("Yes, I take" in message["content"] for line in lines(tmp_path / "out") for message in line["messages"])
