"""Calls of tools on the wire: what is sent, what comes back, and what a stand-in and a server make of it."""

import json
import sqlite3
from contextlib import closing

import pytest
from patience import PATIENCE

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.answers.tool_calls import actions_text, tools_call
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.payloads import CHAT_PATH, build_request, read_response
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.wire import Abilities, RawReply, ToolCall
from recsim_llm.language.calls.acting import Acting
from recsim_llm.language.calls.keys import tools_key
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.raw_replies import dump_reply, load_reply
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer

DESCRIBED = [{"type": "function", "function": {"name": "rank", "description": "Rank.", "parameters": {"type": "object"}}}]
TAKEN = '<history>\n- 7: "Heat" (1995) | Crime, Drama | 5 stars\n</history>\nThe page has 3 positions.'
BEGIN = (Part("rules", "Rules."), Part("tools", json.dumps(DESCRIBED)), Part("visitor", TAKEN))
ASKED = Part("calls", actions_text([("select", {"filter": "genre = 'Crime'"})]))
TOLD = Part("result", '{"found": 1, "candidates": 1, "first_candidates": [{"id": 9}]}')
PROMPTS = [Prompt((*BEGIN, Part("wanted", "Name one."))), Prompt((*BEGIN, ASKED, TOLD, Part("wanted", "Name one.")))]
ANSWERS = [
    '{"actions": [{"arguments": {"filter": "genre = \'Crime\'"}, "tool": "select"}]}',
    '{"actions": [{"arguments": {}, "tool": "rank"}]}',
]


def reply_with(message):
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "tool_calls"}]}


def test_a_request_numbers_calls_and_says_which_one_a_result_is_of():
    path, body = build_request(tools_call(PROMPTS[1], 50), model="m", provider="openai-compatible")
    assert path == CHAT_PATH
    assert body["tools"] == DESCRIBED
    assert body["messages"][2] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "select", "arguments": '{"filter": "genre = \'Crime\'"}'}}
        ],
    }
    assert body["messages"][3] == {"role": "tool", "content": TOLD.text, "tool_call_id": "call_1"}


def test_requests_without_tools_are_as_they_ever_were():
    call = tools_call(PROMPTS[0], 50)._replace(form="text", tools=())
    _, body = build_request(call, model="m", provider="openai-compatible")
    assert set(body) == {"model", "messages", "temperature", "max_tokens"}
    assert all(set(message) == {"role", "content"} for message in body["messages"])


@pytest.mark.parametrize("arguments", ['{"count": 3}', {"count": 3}])
def test_calls_are_read_whether_arguments_are_text_or_an_object(arguments):
    calls = [{"id": "x", "type": "function", "function": {"name": "friends", "arguments": arguments}}]
    reply = read_response(tools_call(PROMPTS[0], 50), CHAT_PATH, reply_with({"content": None, "tool_calls": calls}))
    assert reply.calls == (ToolCall("friends", '{"count": 3}'),)


@pytest.mark.parametrize("calls", ["select", [7], [{"function": {"arguments": "{}"}}], [{"id": "x"}]])
def test_calls_of_another_shape_are_a_bad_reply(calls):
    with pytest.raises(BackendError) as caught:
        read_response(tools_call(PROMPTS[0], 50), CHAT_PATH, reply_with({"content": "", "tool_calls": calls}))
    assert caught.value.cause == "bad_reply"


def test_a_reply_with_calls_is_kept_exactly():
    reply = RawReply((), finish="tool_calls", calls=(ToolCall("rank", '{"a": "ü"}'), ToolCall("schema", "")))
    assert load_reply(dump_reply(reply)) == reply
    assert "calls" not in dump_reply(RawReply(("x",)))


def test_the_key_is_that_of_what_is_said_and_by_whom():
    keys = {tools_key("m", prompt.parts, max_tokens=9) for prompt in PROMPTS}
    renamed = (*BEGIN, Part("step", ASKED.text), Part("step", TOLD.text), Part("wanted", "Name one."))
    keys |= {
        tools_key("m", renamed, max_tokens=9),
        tools_key("n", renamed, max_tokens=9),
        tools_key("m", renamed, max_tokens=8),
    }
    assert len(keys) == 5
    # Changed bytes would make every kept answer worthless.
    assert (
        tools_key("m", (Part("rules", "r"),), max_tokens=9).hex()
        == "f87088192ac3eaba80c5dacb8284b22d2614a6b8298f640eacd673b2a658c7ca"
    )


def scripted(**settings):
    return LanguageModel(Scripted(resolve_script("agent"), name="scripted/agent"), elicitation="json", **settings)


def test_a_stand_in_asks_for_tools():
    with scripted() as model:
        assert model.act_each([Acting(prompt, 200) for prompt in PROMPTS]) == ANSWERS


def test_a_model_that_makes_no_calls_is_not_asked_for_any():
    with (
        LanguageModel(Scripted(resolve_script("genres")), elicitation="json") as model,
        pytest.raises(ConfigError, match="expected a model whose probe found that it calls them"),
    ):
        model.act_each([Acting(PROMPTS[0], 200)])


def test_calls_are_found_again_in_the_calls_file(tmp_path):
    with scripted(store=CallStore(tmp_path / "calls.sqlite")) as model:
        first = model.act_each([Acting(prompt, 200, "7") for prompt in PROMPTS])
    with scripted(store=CallStore(tmp_path / "calls.sqlite")) as model:
        assert model.act_each([Acting(prompt, 200, "8") for prompt in PROMPTS]) == first
        assert (model.meter().calls, model.meter().hits) == (0, 2)
    with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as connection:
        kept = connection.execute("SELECT form, subject, status FROM calls WHERE cache_hit = 0").fetchall()
    assert kept == [("tools", "7", "answered")] * 2


def served(backend_class, **settings):
    abilities = Abilities(elicitations=("json",), tools=True)
    with ChaosServer("agent", seed=1, **settings) as server:
        backend = backend_class("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=abilities)
        soon = RetryPolicy(attempts=12, first=0.001, most=0.01)
        with LanguageModel(backend, elicitation="json", retries=soon) as model:
            asked = [Acting(Prompt((*prompt.parts, Part("more", str(n)))), 200) for n in range(20) for prompt in PROMPTS]
            return model.act_each(asked), sum(server.faults.values())


@pytest.mark.parametrize("backend_class", [AiohttpBackend, OpenAIBackend])
def test_a_server_is_asked_by_both_clients(backend_class):
    assert served(backend_class) == (ANSWERS * 20, 0)


def test_after_a_storm_the_actions_are_those_of_a_faultless_server():
    told, faults = served(AiohttpBackend, faults=Faults.storm(hang_seconds=0.05))
    assert told == ANSWERS * 20
    assert faults > 10
