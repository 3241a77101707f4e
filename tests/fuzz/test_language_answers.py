"""Replies of servers of language models with something else in every place: answers, or a known cause in one line."""

import json
import math
from contextlib import suppress

import pytest
from broken_replies import LINES, OBJECT, PAGE
from fuzzing import Refusal, damaged, encoded, fuzz, outcome, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import BackendError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.answers.tool_calls import read_calls
from recsim_llm.language.backends.payloads import parse_body, read_response
from recsim_llm.language.base.questions import Ask, Part, Prompt
from recsim_llm.language.base.wire import Call, Message
from recsim_llm.language.calls.raw_replies import dump_reply, load_reply

ASK = Ask(Prompt((Part("rules", "You are a viewer."), Part("page", "A page."))), PAGE)
YES = [{"token": "yes", "logprob": -0.1}, {"token": "no", "logprob": -2.3}]
TOKENS = [{"token": token, "logprob": -0.1, "top_logprobs": YES} for token in ("click", "_1", ":", " yes", "\n")]


def chat(text, **more):
    message = {"role": "assistant", "content": text} | more
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": {"content": TOKENS}}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}


CALLED = [{"id": "1", "type": "function", "function": {"name": "select", "arguments": '{"filter": "retired"}'}}]
BODIES = {
    "samples": chat(LINES),
    "logprobs": chat(LINES),
    "json": chat(OBJECT),
    "tools": chat(None, tool_calls=CALLED),
}
PLAIN = {"choices": [{"text": "yes", "logprobs": {"tokens": ["yes"], "top_logprobs": [{"yes": -0.1, "no": -3}]}}]}


def take(way, body):
    """Return the answers in a body, or the refusal; a reply is kept and read again as it was."""
    if way == "tools":
        call = Call("tools", (Message("system", "x"), Message("user", "y")), (), 0.0, 100, tools=({},))
        raw = read_response(call, "/chat/completions", body)
        assert load_reply(dump_reply(raw)) == raw
        return read_calls(raw)
    call = prepare(ASK, way, samples=1)
    raw = read_response(call, "/chat/completions", body)
    assert load_reply(dump_reply(raw)) == raw
    answers = read(call, raw, way)
    assert all(math.isclose(sum(one.probabilities), 1, rel_tol=1e-6) for one in answers if one.probabilities)
    return answers


def checked(work):
    """Return what comes of it; whoever fails says why by a cause that is known."""

    def caused():
        try:
            return work()
        except (BackendError, ModelReplyError) as error:
            causes.append(error.cause)
            raise

    causes = ["none"]
    found = outcome(caused)
    assert all(causes)
    return found


@pytest.mark.parametrize("way", [way for way in BODIES if way != "logprobs"])
def test_good_replies_are_taken(way):
    assert not isinstance(checked(lambda: take(way, BODIES[way])), Refusal)


@pytest.mark.parametrize("way", BODIES)
@fuzz(150)
@given(data=st.data())
def test_bodies_of_other_shapes(way, data):
    body = data.draw(spoiled(BODIES[way]))
    found = checked(lambda: take(way, json.loads(json.dumps(body))))
    json.dumps(found if isinstance(found, str) else str(found), ensure_ascii=False).encode()


@fuzz(100)
@given(content=damaged(json.dumps(BODIES["json"]).encode()))
def test_bodies_of_any_bytes(content):
    checked(lambda: take("json", parse_body(content)))


@fuzz(100)
@given(body=spoiled(PLAIN))
def test_plain_completions_of_other_shapes(body):
    call = prepare(Ask(ASK.prompt, PAGE[:1]), "forced", forced="completions")
    checked(lambda: read(call, read_response(call, "/completions", body), "forced"))


@fuzz(150)
@given(data=st.data())
def test_kept_replies_of_other_shapes(data):
    raw = read_response(prepare(ASK, "logprobs"), "/chat/completions", BODIES["logprobs"])
    kept = json.loads(dump_reply(raw))
    with suppress(ValueError, TypeError, KeyError, AttributeError):  # what whoever opens a calls file takes for damage
        load_reply(json.dumps(data.draw(spoiled(kept))))


@pytest.mark.parametrize(
    "text", ["{" * 200_000, "[" * 200_000, "click_1: " * 100_000, "<think>" * 50_000, "a" * 2_000_000, "```" * 100_000]
)
@pytest.mark.parametrize("way", ["samples", "json"])
def test_long_replies_end(way, text):
    assert isinstance(checked(lambda: take(way, chat(text))), Refusal)


def test_half_characters_are_replaced():
    found = checked(
        lambda: take("tools", chat(None, tool_calls=[{"function": {"name": "\ud83d", "arguments": '{"a": "\\ud83d"}'}}]))
    )
    encoded(str(found)).decode()
