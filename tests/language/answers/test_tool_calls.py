"""Calls of tools: the chat that asks for them, and the actions in a reply."""

import json

import pytest

from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.language.answers.tool_calls import actions_text, read_calls, tools_call
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.wire import Message, RawReply, ToolCall

TOOLS = Part("tools", json.dumps([{"type": "function", "function": {"name": "rank"}}]))
BEGIN = (Part("rules", "Rules."), TOOLS, Part("visitor", "Somebody."))
ASKED = Part("calls", actions_text([("select", {"filter": "retired"}), ("rank", {})]))


def test_the_chat_says_who_speaks():
    prompt = Prompt((*BEGIN, ASKED, Part("result", '{"found": 1}'), Part("result", '{"found": 2}'), Part("wanted", "Go on.")))
    call = tools_call(prompt, 100)
    assert (call.form, call.temperature, call.max_tokens, len(call.tools)) == ("tools", 0.0, 100, 1)
    assert call.messages == (
        Message("system", "Rules."),
        Message("user", "Somebody."),
        Message("assistant", "", (ToolCall("select", '{"filter": "retired"}'), ToolCall("rank", "{}"))),
        Message("tool", '{"found": 1}', call=1),
        Message("tool", '{"found": 2}', call=2),
        Message("user", "Go on."),
    )


def test_what_the_user_says_in_several_parts_is_one_message():
    assert tools_call(Prompt((*BEGIN, Part("wanted", "Go on."))), 9).messages[1] == Message("user", "Somebody.\n\nGo on.")


@pytest.mark.parametrize("parts", [(Part("rules", "Rules."),), (*BEGIN, TOOLS)])
def test_one_list_of_tools_is_needed(parts):
    with pytest.raises(ConfigError, match="calls of tools: got"):
        tools_call(Prompt(parts), 9)


def test_calls_and_words_come_out_alike():
    words = '{"actions": [{"arguments": {"count": 3}, "tool": "friends"}]}'
    called = read_calls(RawReply((), calls=(ToolCall("friends", '{"count": 3}'),)))
    assert called == words
    assert read_calls(RawReply((f"<think>hm</think>{words}",))) == words


@pytest.mark.parametrize(("arguments", "read"), [("", {}), ("{broken", "{broken"), ("[1]", [1])])
def test_arguments_that_are_no_json_stay_for_the_tool_to_refuse(arguments, read):
    told = json.loads(read_calls(RawReply((), calls=(ToolCall("rank", arguments),))))
    assert told["actions"][0]["arguments"] == read


@pytest.mark.parametrize("spelt", [r"\ud800", r"x\udfff"])
def test_half_a_character_in_arguments_is_nothing_that_breaks_a_log_or_a_request(spelt):
    told = read_calls(RawReply((), calls=(ToolCall("select", f'{{"filter": "{spelt}", "{spelt}": 1}}'),)))
    assert "?" in told.encode().decode()


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (RawReply(("",)), "empty"),
        (RawReply(()), "empty"),
        (RawReply(("I'm sorry, but I can't help with that.",)), "refusal"),
        (RawReply(("",), refusal="no"), "refusal"),
        (RawReply((), finish="content_filter"), "refusal"),
    ],
)
def test_a_reply_without_calls_or_words_is_unreadable(reply, cause):
    with pytest.raises(ModelReplyError) as caught:
        read_calls(reply)
    assert caught.value.cause == cause
