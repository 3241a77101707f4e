"""Conversations in the forms that others read: what the log says, read back by the package's own readers."""

import ast
import csv
import json

import pyarrow.parquet as pq
import pytest
from export_runs import FIRST_ID, make_run
from talking_runs import make_talks

from recsim_llm.data import open_dataset
from recsim_llm.errors import LogError
from recsim_llm.exports import CONVERSATIONS_FILE, INSPIRED_FILE, REDIAL_FILE
from recsim_llm.realism.dialogues import open_dialogues, sample_run
from recsim_llm.scenarios.export import export

FILES = {"conversations": CONVERSATIONS_FILE, "redial": REDIAL_FILE, "inspired": INSPIRED_FILE}
ARMS = ("asking", "popularity")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_talks(tmp_path_factory.mktemp("talks") / "run")


@pytest.fixture(scope="module")
def out(run):
    for form in FILES:
        export(run, form, run.parent / form)
    return run.parent


def lines(folder, arm="asking", name=CONVERSATIONS_FILE):
    return [json.loads(line) for line in (folder / arm / name).read_text(encoding="utf-8").splitlines()]


def rows_of(folder, arm="asking"):
    with (folder / arm / INSPIRED_FILE).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def table(run, name, arm="asking"):
    return [row for row in pq.read_table(run / name).to_pylist() if row["arm"] == arm]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("form", FILES)
def test_what_is_written_is_read_back_as_the_run_had_it(run, out, form, arm):
    logged, read = sample_run(run, arm), open_dialogues(out / form / arm / FILES[form])
    assert len(read.dialogues) == len(logged.dialogues) == 30
    assert [(one.acts, one.turns, one.accepted) for one in read.dialogues] == [
        (one.acts, one.turns, one.accepted) for one in logged.dialogues
    ]
    assert (read.dialogues == logged.dialogues) == (form == "conversations")
    assert read.unread == 0


def test_the_run_has_every_act_that_is_read_back(run):
    done = {act for arm in ARMS for one in sample_run(run, arm).dialogues for acts in one.acts for act in acts}
    assert len(done) >= 5


def test_acts_are_the_log(run, out):
    found = [act | {"user_id": line["user_id"]} for line in lines(out / "conversations") for act in line["acts"]]
    logged = sorted(table(run, "turns"), key=lambda row: (row["user_id"], row["turn"], row["who"] == "user"))
    for name in ("user_id", "turn", "who", "act", "attribute", "value", "critique", "probability"):
        assert [act[name] for act in found] == [row[name] for row in logged], name
    assert [act["item_id"] for act in found] == [row["item_ids"] or [] for row in logged]


def test_outcomes_are_the_log_and_the_goal_is_in_no_message(run, out):
    ends = {row["user_id"]: row for row in table(run, "dialogues")}
    visits = {row["user_id"]: row for row in table(run, "visits")}
    catalog = open_dataset("fictional-100").catalog
    hidden = 0
    for line in lines(out / "conversations"):
        end = ends[line["user_id"]]
        assert (line["ended"], line["accepted"], line["goal"]) == (end["stop_reason"], end["item_id"], end["goal_item"])
        assert line["satisfaction"] == pytest.approx(visits[line["user_id"]]["satisfaction"])
        assert len(line["turn_satisfaction"]) == end["turns"]
        shown = {item for act in line["acts"] for item in act["item_id"]}
        if line["goal"] not in shown:
            hidden += 1
            title = catalog.title[catalog.index_of(line["goal"])]
            assert not any(f"'{title}'" in message["content"] for message in line["messages"])
    assert hidden


def test_roles_take_turns_and_every_word_belongs_to_an_act(out):
    for arm in ARMS:
        for line in lines(out / "conversations", arm):
            roles = [message["role"] for message in line["messages"]]
            assert all(one != other for one, other in zip(roles, roles[1:], strict=False))
            for act in line["acts"]:
                role = {"user": "user", "policy": "assistant"}[act["who"]]
                assert act["message"] is None or roles[act["message"]] == role
            assert {act["message"] for act in line["acts"]} - {None} == set(range(len(roles)))


def test_redial_mentions_movies_by_number_and_labels_them(run, out):
    ends = {row["user_id"]: row for row in table(run, "dialogues")}
    redial = lines(out / "redial", name=REDIAL_FILE)
    numbers = [message["messageId"] for line in redial for message in line["messages"]]
    assert numbers == list(range(1, len(numbers) + 1))
    liked = []
    for line in redial:
        who = {line["initiatorWorkerId"], line["respondentWorkerId"]}
        assert len(who) == 2
        assert {message["senderWorkerId"] for message in line["messages"]} <= who
        said = " ".join(message["text"] for message in line["messages"])
        assert all(f"@{item}" in said for item in line["movieMentions"])
        assert set(line["initiatorQuestions"]) == set(line["movieMentions"])
        accepted = ends[line["initiatorWorkerId"]]["item_id"]
        assert [int(item) for item, label in line["initiatorQuestions"].items() if label["liked"] == 1] == (
            [] if accepted is None else [accepted]
        )
        liked += [label["liked"] for label in line["initiatorQuestions"].values()]
    assert set(liked) == {0, 1, 2}


def test_redial_says_that_what_was_refused_is_not_liked(out):
    refused = 0
    pairs = zip(lines(out / "conversations"), lines(out / "redial", name=REDIAL_FILE), strict=True)
    for told, line in pairs:
        policy = {act["turn"]: act for act in told["acts"] if act["who"] == "policy"}
        for act in told["acts"]:
            shown = policy[act["turn"]] if act["act"] == "refuse" else None
            for item in shown["item_id"] if shown and shown["act"] == "recommend" else ():
                refused += 1
                assert line["initiatorQuestions"][str(item)]["liked"] == (item == told["accepted"])
    assert refused


def test_inspired_has_the_columns_of_its_files_and_dictionaries_that_parse(out):
    rows = rows_of(out / "inspired")
    assert len(rows[0]) == 19
    assert {row["speaker"] for row in rows} == {"SEEKER", "RECOMMENDER"}
    shown = [row for row in rows if row["text_with_placeholder"].startswith("How about [MOVIE_TITLE_")]
    assert shown
    for row in shown:
        titles = ast.literal_eval(row["movie_dict"])
        assert [f"[MOVIE_TITLE_{titles[title]}]" in row["text_with_placeholder"] for title in row["movies"].split("; ")]
    assert any("[MOVIE_GENRE_" in row["text_with_placeholder"] for row in rows)
    assert {row["expert_label"] for row in rows if row["text"].startswith("Which")} == {"opinion_inquiry"}


@pytest.mark.parametrize("form", FILES)
def test_what_a_format_cannot_hold_is_said(run, out, form):
    losses = json.loads((out / form / "asking" / "losses.json").read_text())
    columns = {name for table in ("turns", "dialogues") for name in pq.read_table(run / table).schema.names}
    assert columns <= {*losses["fields_mapped"], *losses["fields_lost"]}
    assert not {*losses["fields_mapped"]} & {*losses["fields_lost"]}
    assert losses["sessions_processed"] == 30


@pytest.mark.parametrize("form", FILES)
def test_a_run_without_conversations_is_refused(tmp_path, form):
    pages = make_run(tmp_path / "run")
    with pytest.raises(LogError, match="in which nobody talks"):
        export(pages, form, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    arm = {"name": "asking", "recommender": "talking_runs:Chatty"}
    changes = {"users__model": "export_runs:marked_world", "data": "fictional", "users__count": 12, "conversation__words": True}
    return make_talks(tmp_path_factory.mktemp("chatty") / "run", recommenders=[arm], **changes)


@pytest.mark.parametrize("form", FILES)
def test_words_of_the_log_are_kept_unless_the_export_is_anonymous(chatty, tmp_path, form):
    export(chatty, form, tmp_path / "open")
    export(chatty, form, tmp_path / "anonymous", anonymous=True)
    kept, hidden = ((tmp_path / name / "asking" / FILES[form]).read_text(encoding="utf-8") for name in ("open", "anonymous"))
    assert "and I: perfect." in kept
    assert "and I: perfect." not in hidden
    assert str(FIRST_ID) in kept
    assert str(FIRST_ID) not in hidden
    assert [one.acts for one in open_dialogues(tmp_path / "open" / "asking" / FILES[form]).dialogues] == [
        one.acts for one in sample_run(chatty).dialogues
    ]


def test_redial_finds_titles_in_the_logs_own_words(chatty, tmp_path):
    export(chatty, "redial", tmp_path / "out")
    own = [
        message["text"]
        for line in lines(tmp_path / "out", name=REDIAL_FILE)
        for message in line["messages"]
        if message["text"].startswith("You, ")
    ]
    assert own
    assert all(text.startswith("You, @") for text in own)
