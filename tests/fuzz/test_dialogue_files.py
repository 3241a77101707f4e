"""Files of dialogues, as for ``realism --dialogues``: read, or refused in one line."""

import json

from fuzzing import Refusal, damaged, encoded, fuzz, outcome, rewritten, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.realism.dialogues.dialogue_files import open_dialogues
from recsim_llm.realism.dialogues.dialogue_samples import DialogueSample

ARENA = [
    {
        "conversation": [{"participant": "USER", "utterance": "Hi"}, {"participant": "AGENT", "utterance": "Heat?"}],
        "metadata": {"sentiment": "satisfied"},
    }
]
REDIAL = {
    "initiatorWorkerId": 1,
    "respondentWorkerId": 2,
    "messages": [{"text": "Hi @1", "senderWorkerId": 1}, {"text": "Heat?", "senderWorkerId": 2}],
    "initiatorQuestions": {"1": {"suggested": 1, "seen": 0, "liked": 1}},
    "respondentQuestions": [],
}
OWN = {
    "conversation_id": "a-1",
    "acts": [{"who": "user", "act": "reveal"}, {"who": "policy", "act": "recommend"}, {"who": "user", "act": "accept"}],
    "ended": "accepted",
    "satisfaction": 0.5,
    "turn_satisfaction": [0.5, 0.25],
}
TEXTS = {
    "inspired": "dialog_id\tspeaker\ttext\tfine_label\na\tSEEKER\tHi\taccept\na\tRECOMMENDER\tHeat?\taccept\n"
    "b\tSEEKER\tNo\treject\n",
    "satisfaction": "USER\tHi\tINFORM\t3,4,3\nSYSTEM\tHeat?\t\t\nUSER\tOVERALL\t\t5,4\n\nUSER\tNo\tDENY\t1\n",
}
TREES = {"arena": ARENA, "redial": REDIAL, "own": OWN}


def checked(tmp_path, content):
    path = tmp_path / "talks.txt"
    path.write_bytes(content)
    found = outcome(lambda: open_dialogues(path))
    assert isinstance(found, DialogueSample | Refusal)


@fuzz(200)
@given(data=st.data())
def test_dialogues_in_json(tmp_path, data):
    lines = [
        json.dumps(data.draw(spoiled(content)))
        for content in data.draw(st.lists(st.sampled_from([*TREES.values()]), min_size=1, max_size=2))
    ]
    checked(tmp_path, encoded("\n".join(lines)))


@fuzz(150)
@given(data=st.data())
def test_dialogues_in_lines(tmp_path, data):
    text = data.draw(st.sampled_from([*TEXTS.values(), *map(json.dumps, TREES.values())]))
    checked(tmp_path, data.draw(st.one_of(rewritten(text, "\t").map(encoded), damaged(text.encode()))))
