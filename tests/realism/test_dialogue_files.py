"""Files of dialogues: each format as it is published, and one line for whatever else lies there."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_json import spoil
from told_files import SATISFACTION, arena, inspired, redial_line

from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues import ACTS, dialogue_files, dialogue_samples, open_dialogues

TALK = ("U: I'm looking for a comedy", "A: How about @11?", "A: Or @12?", "U: I'll watch it", "U: bye")


def opened(folder, text, name="file.json"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_dialogues(path)


def named(dialogue):
    return [{ACTS[act] for act in acts} for acts in dialogue.acts]


def test_crsarena_has_a_sentiment_and_acts_by_words(tmp_path):
    read = opened(tmp_path, arena(("satisfied", *TALK), ("frustrated", "A: hi", "U: I had an aunt"), (None, "U: no thanks")))
    assert read.form == "CRSArena-Dial"
    assert read.levels == (0.0, 1.0)
    assert named(read.dialogues[0]) == [{"answer"}, {"accept"}, {"leave"}]
    assert [one.turns for one in read.dialogues] == [2, 1, 1]
    assert [one.accepted for one in read.dialogues] == [True, None, False]
    assert [one.satisfaction for one in read.dialogues] == [1.0, 0.0, None]
    assert read.unread == pytest.approx(1 / 5)


def test_user_satisfaction_has_ratings_by_turn_and_for_the_whole(tmp_path):
    read = opened(tmp_path, SATISFACTION, "ReDial.txt")
    assert read.form == "User Satisfaction Simulation"
    first, second = read.dialogues
    assert named(first) == [{"answer"}, {"other"}, {"accept", "other"}]
    assert named(second) == [set()]
    assert (first.turns, first.accepted, first.satisfaction) == (2, True, 0.75)
    assert first.turn_satisfaction == (0.5, 0.5, 1.0)
    assert (second.accepted, second.satisfaction) == (None, 0.25)


@pytest.mark.parametrize(
    ("labels", "respondent", "accepted"),
    [
        ({"11": (1, 0, 1), "12": (1, 0, 0)}, None, True),
        ({"11": (1, 1, 1), "12": (0, 0, 1), "13": (1, 0, 2)}, {"11": (1, 0, 1)}, False),
        (None, {"11": (1, 2, 1)}, True),
        (None, None, True),
    ],
)
def test_redial_accepts_what_was_suggested_not_seen_and_liked(tmp_path, labels, respondent, accepted):
    read = opened(tmp_path, redial_line(*TALK, labels=labels, respondent=respondent) + "\n", "train_data.jsonl")
    assert (read.form, read.dialogues[0].accepted, read.dialogues[0].turns) == ("ReDial", accepted, 2)


def test_inspired_says_what_was_accepted(tmp_path):
    rows = [
        ("a", "RECOMMENDER", "Hello", "accept_rating_good"),
        ("a", "SEEKER", "I love dramas", "accept_rating_good"),
        ("b", "SEEKER", "not for me", "reject"),
        ("c", "SEEKER", "Sounds great", ""),
    ]
    read = opened(tmp_path, inspired(*rows), "dev.tsv")
    assert (read.form, [one.accepted for one in read.dialogues]) == ("INSPIRED", [True, False, True])


def test_a_file_with_a_mark_of_its_encoding_is_read(tmp_path):
    assert opened(tmp_path, b"\xef\xbb\xbf" + redial_line(*TALK).encode()).form == "ReDial"


def test_dialogues_without_a_word_of_the_user_are_left_out_and_counted(tmp_path):
    read = opened(tmp_path, arena(("satisfied", *TALK), ("satisfied", "A: hello?", "U: ")))
    assert len(read.dialogues) == 1
    assert read.notes == ("1 dialogues in which the user says nothing are left out",)


ODD_FILES = [
    (b"\xff\xfe[\x00", "UTF-8"),
    (b"", "begins with ''"),
    (b"title,year\n", "begins with 'title,year'"),
    (b"[" * 100_000, "nested too deeply"),
    (b"[{}]", "dialogue 1: got conversation"),
    (b"[1]", "dialogue 1: got the whole"),
    (b"[NaN]", "the file: got NaN"),
    (b'[{"conversation": [{"participant": 1, "utterance": "x"}]}]', "dialogue 1: got conversation.0.participant"),
    (b"[]", "no dialogue in which a user speaks"),
    (b'{"initiatorWorkerId": ' + b"[" * 100_000, "line 1: got JSON nested too deeply"),
    (b'{"initiatorWorkerId": 1e400}', "line 1: got"),
    (b'{"initiatorWorkerId": 1, "initiatorWorkerId": 2}', "twice in one object"),
    (redial_line(*TALK, initiatorWorkerId="7").encode(), "line 1: got initiatorWorkerId"),
    (redial_line(*TALK, initiatorQuestions=[1]).encode(), "line 1: got initiatorQuestions"),
    (redial_line(*TALK).encode() + b"\n{", "line 2: got"),
    (b"USER\thello\t\t7\n", "line 1: got satisfaction '7'"),
    (b"USER\thello\t\t3\nNOBODY\thello\n", "line 2: got 'NOBODY"),
    (b"dialog_id\ttext\n", "no column 'speaker'"),
    (inspired(("a", "ALIEN", "hi", "")).encode(), "got speaker 'ALIEN'"),
    (inspired(("a", "SEEKER", "x" * 200_000, "")).encode(), "after line 1: got"),
]


@pytest.mark.parametrize(("content", "fault"), ODD_FILES, ids=range(len(ODD_FILES)))
def test_what_is_no_file_of_dialogues_is_refused_in_one_line(tmp_path, content, fault):
    with pytest.raises(DataError) as error:
        opened(tmp_path, content)
    assert fault in str(error.value)
    assert "file.json" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="got No such file"):
        open_dialogues(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("room", "bound", "fault"),
    [
        (dialogue_files, "MOST_BYTES", "bytes, expected 1 at most"),
        (dialogue_files, "MOST_DIALOGUES", "more than 1 dialogues"),
        (dialogue_samples, "MOST_UTTERANCES", "a dialogue of 5 utterances, expected 1 at most"),
    ],
)
def test_sizes_are_bounded(tmp_path, monkeypatch, room, bound, fault):
    monkeypatch.setattr(room, bound, 1)
    with pytest.raises(DataError, match=fault):
        opened(tmp_path, arena(("satisfied", *TALK), ("satisfied", *TALK)))


@settings(max_examples=150)
@given(st.data())
def test_a_dialogue_with_something_odd_in_it_is_read_or_refused(tmp_path_factory, data):
    text = data.draw(st.sampled_from([arena(("satisfied", *TALK)), redial_line(*TALK, labels={"11": (1, 0, 1)})]))
    content = json.loads(text)
    spoilt = json.dumps([spoil(content[0], data)] if isinstance(content, list) else spoil(content, data))
    said = ""
    try:
        opened(tmp_path_factory.mktemp("odd"), spoilt)
    except DataError as error:
        said = str(error)
    assert "\n" not in said
