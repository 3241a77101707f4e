"""Calls of tools: the chat that asks for them, made of a prompt's parts, and the actions in a reply.

An action is ``{"tool": NAME, "arguments": {...}}``; what a model asks for by calls of their own and what it writes in words
come out as the same JSON, ``{"actions": [...]}``. A part named ``tools`` describes the tools, as a JSON list; ``calls`` is what
the model asked for, such JSON again, and each ``result`` after it is what came of one of its actions, in order. All other parts
but the first, which is the system message, are said by the user.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.reading import excerpt, is_refusal_text, refuse_refusals, unreadable, without_thoughts
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.wire import Call, Message, RawReply, ToolCall

__all__ = ["ACTIONS", "CALLS", "RESULT", "TOOLS", "actions_text", "read_calls", "tools_call"]

TOOLS, CALLS, RESULT = "tools", "calls", "result"
"""Names of the parts that are no messages of the user."""
ACTIONS = "actions"
"""Member of the JSON of a reply that lists what is asked for."""
_BETWEEN = "\n\n"


def tools_call(prompt: Prompt, max_tokens: int) -> Call:
    """Return the call that asks a model for calls of tools, at temperature 0.

    Args:
        prompt: its parts as above.
        max_tokens: most tokens that may be written, 1 or more.

    Raises:
        ConfigError: there are no tools among the parts, or no tokens.
    """
    tools = [part for part in prompt.parts if part.name == TOOLS]
    if len(tools) != 1 or max_tokens < 1:
        raise ConfigError(f"calls of tools: got {len(tools)} lists of tools and max_tokens {max_tokens}, expected 1 each")
    described = tuple(json.loads(tools[0].text))
    others = [part for part in prompt.parts[1:] if part.name != TOOLS]
    messages = (Message("system", prompt.parts[0].text), *_messages(others))
    return Call("tools", messages, (), 0.0, max_tokens, tools=described)


def _messages(parts: Sequence[Part]) -> list[Message]:
    messages, asked, answered = list[Message](), 0, 0
    for part in parts:
        if part.name == CALLS:
            calls = tuple(ToolCall(one["tool"], _dumped(one["arguments"])) for one in json.loads(part.text)[ACTIONS])
            messages.append(Message("assistant", "", calls))
            asked += len(calls)
        elif part.name == RESULT and answered < asked:
            answered += 1
            messages.append(Message("tool", part.text, call=answered))
        elif messages and messages[-1].role == "user":
            messages[-1] = Message("user", messages[-1].content + _BETWEEN + part.text)
        else:
            messages.append(Message("user", part.text))
    return messages


def read_calls(raw: RawReply) -> str:
    """Return the actions that a reply asks for as JSON text, or where it has no calls its words.

    Raises:
        ModelReplyError: ``refusal`` or ``empty``.
    """
    refuse_refusals(raw)
    if raw.calls:
        return actions_text([(call.name, _loaded(call.arguments)) for call in raw.calls])
    words = without_thoughts(raw.texts[0] if raw.texts else "").strip()
    if is_refusal_text(words):
        raise unreadable("refusal", excerpt(words), "a call of one of the tools")
    if not words:
        raise unreadable("empty", "neither a call of a tool nor text", "a call of one of the tools")
    return words


def actions_text(actions: Sequence[tuple[str, object]]) -> str:
    """Return actions as JSON text, the same bytes for the same actions.

    Args:
        actions: name and arguments of each tool.
    """
    text = _dumped({ACTIONS: [{"tool": name, "arguments": arguments} for name, arguments in actions]})
    # Half of a character, which a reply may spell as an escape, fits in no prompt, no log and no request.
    return text.encode("utf-8", "replace").decode()


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _loaded(arguments: str) -> object:
    """Return arguments as values; what is no JSON stays text, which no tool takes and whose caller is told."""
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
