"""The words of the wire: a call as an HTTP request, a response as a raw reply; nothing here touches the network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.decision_payloads import PATHS, decision_request, read_decisions
from recsim_llm.language.backends.forced_payloads import COMPLETIONS_PATH, forced_fields, most_forced_tokens
from recsim_llm.language.backends.reply_fields import bad_reply, field, number, objects, token_usage, whole_text
from recsim_llm.language.base.wire import Abilities, Call, Message, RawReply, TokenChoice, ToolCall

__all__ = ["CHAT_PATH", "build_request", "parse_body", "read_response"]

CHAT_PATH = "/chat/completions"
"""Path of chat completions below the base URL, which ends in ``/v1``."""

_NO_TEXT_EXPECTED = ("content_filter", "length")
_STREAM_STARTS = (b"data:", b"event:", b"id:", b"retry:", b": ")
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
_TEXT_PARTS = ("text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")

_Value = TypeVar("_Value")


def build_request(
    call: Call, *, model: str, provider: str, abilities: Abilities | None = None, more: Mapping[str, object] | None = None
) -> tuple[str, dict[str, object]]:
    """Return path and JSON body of the HTTP request that carries out a call.

    Args:
        call: what is wanted.
        model: name that the server knows the model by.
        provider: ``openai``, whose newer models want ``max_completion_tokens``, or ``openai-compatible``, whose servers know
            ``max_tokens``.
        abilities: of the server: its decision endpoint, and how many alternatives of a token it lists; None: not known.
        more: further fields of a chat request; decision endpoints take none.

    Raises:
        ConfigError: a decision is wanted and the endpoint is unknown or cannot take the questions, or a question is to be
            asked alone and how is unknown.
    """
    known = abilities or Abilities(elicitations=())
    if call.form == "forced":
        path, body = _forced_request(call, model, provider, known)
        return path, {**(more or {}), **body}
    if call.form != "decision":
        return CHAT_PATH, {**(more or {}), **_chat_body(call, model, provider, known.alternatives)}
    if not known.decision_path:
        raise ConfigError(
            f"{provider}/{model}: got a call of a decision endpoint, expected one of another form, because none is known for "
            "this server; run `recsim-llm probe`"
        )
    return known.decision_path, decision_request(call, model, known.decision_path)


def _forced_request(call: Call, model: str, provider: str, known: Abilities) -> tuple[str, dict[str, object]]:
    if not known.forced or len(call.questions) != 1:
        got = f"{len(call.questions)} questions to be asked in one call" if known.forced else "a question to be asked alone"
        expected = "expected one question, and a server that a probe found to answer it; run `recsim-llm probe`"
        raise ConfigError(f"{provider}/{model}: got {got}, {expected}")
    plain = known.forced == "completions"
    limit = "max_completion_tokens" if provider == "openai" and not plain else "max_tokens"
    fields = forced_fields(call, known.forced, call.alternatives or known.forced_alternatives)
    body = {"model": model, limit: most_forced_tokens(call.questions[0], known.forced), **fields}
    return COMPLETIONS_PATH if plain else CHAT_PATH, body


def parse_body(content: bytes) -> object:
    """Return the JSON value of a response body.

    Raises:
        BackendError: it is not JSON: an HTML page, half an object, something else.
    """
    broken = False
    value: object = None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        broken = True
    if broken and content.lstrip().startswith(_STREAM_STARTS):
        return _first_event(content)
    if broken:
        # Not quoted: a part of a body could hold a part of a secret.
        kind = "an HTML page" if content.lstrip().startswith(b"<") else "text or a part of JSON" if content else "an empty body"
        raise bad_reply(f"got {kind} of {len(content)} bytes, expected JSON")
    return value


def _first_event(content: bytes) -> dict[str, object]:
    """Return the error that a stream of events begins with; a stream that was not asked for is no answer."""
    lines = (line.strip()[5:] for line in content.split(b"\n", 64)[:64] if line.strip().startswith(b"data:"))
    try:
        event = json.loads(next(lines, b""))
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict) and event.get("error"):
        return event
    remedy = "turn streaming off at the server, or ask for it, --set models.user.request.stream=false"
    raise bad_reply(f"got a stream of events of {len(content)} bytes, expected one JSON object; {remedy}", retryable=False)


def read_response(call: Call, path: str, body: object) -> RawReply:
    """Return what a response body says, checked field by field.

    Fewer texts than samples asked for are no error here: some servers ignore ``n``. Logprobs asked for and not there give
    no tokens.

    Args:
        call: what was wanted.
        path: the path that ``build_request`` gave.
        body: JSON value of the response.

    Raises:
        BackendError: cause ``bad_reply``: the body is not an object, has no choices, no content, or fields of wrong types.
    """
    if not isinstance(body, dict):
        raise bad_reply(f"got a body of type {type(body).__name__}, expected a JSON object")
    if path.endswith(PATHS):
        return read_decisions(call, path, body)
    return _read_chat(call, body, plain=path.endswith(COMPLETIONS_PATH) and not path.endswith(CHAT_PATH))


def _chat_body(call: Call, model: str, provider: str, alternatives: int) -> dict[str, object]:
    body: dict[str, object] = {
        "model": model,
        "messages": _messages(call.messages),
        "temperature": call.temperature,
        "max_completion_tokens" if provider == "openai" else "max_tokens": call.max_tokens,
    }
    if call.logprobs:
        body |= {"logprobs": True, "top_logprobs": alternatives}
    if call.samples > 1:
        body["n"] = call.samples
    if call.seed is not None:
        body["seed"] = call.seed
    if call.form == "tools":
        body["tools"] = [dict(tool) for tool in call.tools]
    if call.form == "json":
        if call.schema is None:
            raise ConfigError(f"{provider}/{model}: got a call of the form 'json' without a schema, expected one")
        schema = {"name": "answers", "strict": True, "schema": dict(call.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    """Return messages as chat completions take them; calls of tools are numbered, since every server numbers them otherwise."""
    sent, count = list[dict[str, object]](), 0
    for message in messages:
        one: dict[str, object] = {"role": message.role, "content": message.content}
        if message.calls:
            calls = [_tool_call(number, call) for number, call in enumerate(message.calls, count + 1)]
            one |= {"content": message.content or None, "tool_calls": calls}
            count += len(calls)
        if message.role == "tool":
            one["tool_call_id"] = f"call_{message.call}"
        sent.append(one)
    return sent


def _tool_call(number: int, call: ToolCall) -> dict[str, object]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _read_chat(call: Call, body: Mapping[str, object], *, plain: bool) -> RawReply:
    if not isinstance(body.get("choices"), list):
        names = ", ".join(sorted(name for name in body if name.isidentifier())[:6]) or "no members"
        remedy = "chat completions; check the base URL, up to and with /v1"
        raise bad_reply(f"got no list of choices but {names} in the reply, expected {remedy}")
    choices = objects(field(body, "choices", list, "the reply"), "choices")
    if not choices:
        raise bad_reply("got no choices, expected at least one")
    choices.sort(key=_index)
    finishes = [_finish(choice) for choice in choices]
    if plain:
        choices = [{**choice, "message": {"content": choice.get("text")}} for choice in choices]
    refusals = [_refusal(choice) for choice in choices]
    texts = tuple(_text(*about) for about in zip(choices, finishes, refusals, strict=True))
    tokens = [_tokens(choice) for choice in choices] if call.logprobs else []
    return RawReply(
        texts=texts,
        tokens=tuple(tokens) if all(tokens) else (),
        finish=_first(finishes, "stop"),
        refusal=_first(refusals, ""),
        usage=token_usage(body),
        calls=_tool_calls(choices[0]) if call.form == "tools" else (),
    )


def _tool_calls(choice: Mapping[str, object]) -> tuple[ToolCall, ...]:
    message = field(choice, "message", dict, "a choice")
    told = message.get("tool_calls") or []
    if not isinstance(told, list):
        raise bad_reply(f"got tool_calls of type {type(told).__name__}, expected a list")
    calls = [field(one, "function", dict, "a call of a tool") for one in objects(told, "tool_calls")]
    return tuple(ToolCall(whole_text(field(one, "name", str, "a call of a tool")), _arguments(one)) for one in calls)


def _arguments(function: Mapping[str, object]) -> str:
    """Return arguments as text; some servers send the object itself."""
    told = function.get("arguments", "")
    return whole_text(told) if isinstance(told, str) else json.dumps(told)


def _first(values: list[_Value], usual: _Value) -> _Value:
    return next((value for value in values if value != usual), usual)


def _index(choice: Mapping[str, object]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _finish(choice: Mapping[str, object]) -> str:
    reason = choice.get("finish_reason")
    return whole_text(reason) if isinstance(reason, str) and reason else "stop"


def _refusal(choice: Mapping[str, object]) -> str:
    message = field(choice, "message", dict, "a choice")
    said = [message.get("refusal"), *(part.get("refusal") for part in _parts(message) if part.get("type") == "refusal")]
    return whole_text(next((refusal for refusal in said if isinstance(refusal, str) and refusal), ""))


def _text(choice: Mapping[str, object], finish: str, refusal: str) -> str:
    """Return the answer; where there are thoughts alone these, marked as such, so that nobody reads them as an answer."""
    message = field(choice, "message", dict, "a choice")
    parts = _parts(message)
    content = message.get("content")
    text = content if isinstance(content, str) else _joined(parts, _TEXT_PARTS, "text")
    if text.strip():
        return whole_text(text)
    thoughts = [message.get(key) for key in _THOUGHT_KEYS]
    told = [
        thought for thought in (*thoughts, _joined(parts, ("thinking", "reasoning"), "thinking")) if isinstance(thought, str)
    ]
    if any(thought.strip() for thought in told):
        return f"<think>\n{whole_text(max(told, key=len))}\n</think>"
    called = message.get("tool_calls") or message.get("function_call")
    if isinstance(content, str) or parts or refusal or called or finish in _NO_TEXT_EXPECTED:
        return ""
    return field(message, "content", str, "the message")


def _parts(message: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the parts of a content that is a list of them, or one; none where it is a text."""
    content = message.get("content")
    return objects(content if isinstance(content, list) else [content] if isinstance(content, dict) else [], "content")


def _joined(parts: Sequence[Mapping[str, object]], kinds: Sequence[str], key: str) -> str:
    """Return the texts of the parts of some kinds; a thought can itself be a list of parts."""
    texts: list[str] = []
    for part in parts:
        if part.get("type", "text") in kinds:
            value = part.get(key, part.get("text"))
            inner = value if isinstance(value, list) else [{"text": value}]
            texts += [str(piece["text"]) for piece in inner if isinstance(piece, dict) and isinstance(piece.get("text"), str)]
    return "".join(texts)


def _tokens(choice: Mapping[str, object]) -> tuple[TokenChoice, ...]:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return ()
    content = logprobs.get("content")
    # Servers that do not have them say null or nothing; plain completions have a layout of their own.
    if not isinstance(content, list):
        return _plain_tokens(logprobs)
    return tuple(_token(entry) for entry in objects(content, "logprobs.content"))


def _plain_tokens(logprobs: Mapping[str, object]) -> tuple[TokenChoice, ...]:
    """Return the tokens of a plain completion: a list of texts, beside it one of tables of alternatives."""
    texts, tables = logprobs.get("tokens"), logprobs.get("top_logprobs")
    if not isinstance(texts, list) or not isinstance(tables, list) or len(texts) != len(tables):
        return ()
    tokens = []
    for text, table in zip(texts, objects(tables, "top_logprobs"), strict=True):
        pairs = [(whole_text(other), _chance(chance)) for other, chance in table.items()]
        tokens.append(TokenChoice(whole_text(str(text)), tuple(sorted(pairs, key=lambda pair: -pair[1]))))
    return tuple(tokens)


def _token(entry: Mapping[str, object]) -> TokenChoice:
    token = whole_text(field(entry, "token", str, "a token"))
    others = entry.get("top_logprobs") or entry.get("top_probs") or []
    if not isinstance(others, list):
        raise bad_reply(f"got top_logprobs of type {type(others).__name__}, expected a list")
    pairs = [_pair(other) for other in objects(others, "top_logprobs")]
    if all(text != token for text, _ in pairs):
        pairs.append(_pair(entry))
    pairs.sort(key=lambda pair: -pair[1])
    return TokenChoice(token, tuple(pairs))


def _pair(entry: Mapping[str, object]) -> tuple[str, float]:
    text = whole_text(field(entry, "token", str, "a token"))
    if "logprob" not in entry and "prob" in entry:
        # After sampling llama.cpp tells probabilities themselves.
        chance = number(entry["prob"], "prob")
        return text, math.log(chance) if chance > 0 else -math.inf
    return text, _chance(entry.get("logprob"))


def _chance(logprob: object) -> float:
    # JSON has no minus infinity: null and very low numbers stand for it.
    return -math.inf if logprob is None else number(logprob, "logprob")
