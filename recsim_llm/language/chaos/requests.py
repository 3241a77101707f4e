"""Requests of the OpenAI protocol as a server reads them: nothing is known but what the wire says."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from string import ascii_uppercase
from typing import Any, NamedTuple, cast

from recsim_llm.errors import Refused
from recsim_llm.language.backends.scripted import QUESTION_LINE
from recsim_llm.language.base.questions import Question, number, score, short_text, yes_no
from recsim_llm.language.base.wire import Call, Message, ToolCall
from recsim_llm.language.chaos.lone_questions import Lone, read_lone, read_plain

__all__ = ["Wanted", "read_chat", "read_completion", "read_decisions", "read_questions", "read_systemone"]

MOST_SAMPLES = 1024
"""Most replies to one request."""
MOST_ALTERNATIVES = 20
"""Most alternatives of a token, as at OpenAI."""
_MOST_OF_LLAMA = 4096
_LETTERS = len(ascii_uppercase)
_MOST_QUESTIONS = {"systemone": 64, "decisions": 400}
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class Wanted(NamedTuple):
    """A request, understood."""

    call: Call
    """What is wanted."""
    content: bytes
    """Digest of what is asked; repair messages and the limit on tokens do not count."""
    alternatives: int
    """Alternatives wanted of each token."""
    lone: Lone | None = None
    """The question that is asked alone; None: questions are listed, or there are none."""
    held: bool = False
    """The reply is held to a grammar from its first token on."""
    sampled: bool = False
    """Probabilities are told as they are after sampling."""


def read_chat(
    body: Mapping[str, Any], *, schema: bool, logprobs: bool, continues: bool = False, grammar: bool = False
) -> Wanted:
    """Return what a chat completion asks for.

    Args:
        body: the request's JSON object.
        schema: the server obeys ``response_format``; otherwise it is overlooked, as some servers do.
        logprobs: the server returns log-probabilities; otherwise the wish is overlooked.
        continues: the server continues a last message of the assistant.
        grammar: the server knows ``grammar``, ``post_sampling_probs`` and ``logit_bias`` of llama.cpp.

    Raises:
        Refused: with status 400.
    """
    messages = _messages(body.get("messages"))
    system = next((message.content for message in messages if message.role == "system"), "")
    questions, rest = read_questions(system)
    bound = _schema(body) if schema else None
    form = "json" if bound is not None or (questions and "json" in rest.lower()) else "labels" if questions else "text"
    tools = _tools(body)
    if tools:
        form = "tools"
    lone = None if questions or tools else read_lone(messages, body, continues=continues)
    if lone is not None:
        form = "labels" if lone.question else "text"
        messages, questions = lone.messages, (lone.question,) if lone.question else ()
    most = _MOST_OF_LLAMA if grammar else MOST_ALTERNATIVES
    alternatives = _integer(body, "top_logprobs", usual=0, low=0, high=most)
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    call = Call(
        form=cast(Any, form),
        messages=messages,
        questions=questions,
        temperature=_temperature(body),
        max_tokens=_integer(body, limit, usual=4096, low=1, high=1 << 20),
        logprobs=logprobs and bool(body.get("logprobs")),
        samples=_integer(body, "n", usual=1, low=1, high=MOST_SAMPLES),
        schema=bound,
        seed=None if body.get("seed") is None else _integer(body, "seed", usual=0, low=-(1 << 63), high=(1 << 63) - 1),
        tools=tools,
    )
    first = next((place for place, message in enumerate(messages) if message.role == "user"), len(messages) - 1)
    heard = _without_complaints(messages) if tools else messages[: first + 1]
    asked = [_told(heard), call.temperature, call.samples, call.seed, call.form, call.logprobs]
    asked += [lone.question] if lone else []
    # As llama.cpp: a draw that the grammar allows anyway is told among all that could have been drawn.
    held = grammar and bool(body.get("grammar")) and bool(body.get("logit_bias"))
    return Wanted(call, _digest("chat", asked), alternatives, lone, held, grammar and bool(body.get("post_sampling_probs")))


def read_completion(body: Mapping[str, Any], *, logprobs: bool) -> Wanted:
    """Return what a plain completion asks for: the question with whose lead the prompt ends.

    Args:
        body: the request's JSON object.
        logprobs: the server returns log-probabilities; otherwise the wish is overlooked.

    Raises:
        Refused: with status 400.
    """
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise Refused(400, f"prompt: got {type(prompt).__name__}, expected a text")
    lone = read_plain(prompt)
    alternatives = _integer(body, "logprobs", usual=0, low=0, high=MOST_ALTERNATIVES)
    call = Call(
        form="labels" if lone.question else "text",
        messages=lone.messages,
        questions=(lone.question,) if lone.question else (),
        temperature=_temperature(body),
        max_tokens=_integer(body, "max_tokens", usual=16, low=1, high=1 << 20),
        logprobs=logprobs and alternatives > 0,
    )
    return Wanted(call, _digest("completion", [_told(lone.messages), lone.question, call.temperature]), alternatives, lone)


def read_questions(system: str) -> tuple[tuple[Question, ...], str]:
    """Return the questions listed in a system message, and the text behind the list."""
    found = {}
    end = 0
    for line in QUESTION_LINE.finditer(system):
        key, answers, text = line.groups()
        found[key] = _listed_question(key, answers, text)
        end = line.end()
    return tuple(found.values()), system[end:]


def read_systemone(body: Mapping[str, Any]) -> Wanted:
    """Return what a System One request asks for, in the form of ``transformers serve``.

    Raises:
        Refused: with status 422.
    """
    extra = body.keys() - {"model", "state", "questions", "assets"}
    questions = body.get("questions")
    if (
        extra
        or "state" not in body
        or not isinstance(questions, dict)
        or not 1 <= len(questions) <= _MOST_QUESTIONS["systemone"]
    ):
        raise Refused(
            422, f"got fields {sorted(body)}, expected model, state and 1 to {_MOST_QUESTIONS['systemone']} questions"
        )
    asked = tuple(_systemone_question(name, question) for name, question in questions.items())
    text = _without_list(_plain(body["state"]), questions.keys())
    return _decision("systemone", (Message("user", text),), asked, questions)


def read_decisions(body: Mapping[str, Any]) -> Wanted:
    """Return what a request for decisions asks for, in the form of OpenAI.

    Raises:
        Refused: with status 400.
    """
    questions = body.get("questions")
    if "input" not in body or not isinstance(questions, list) or not 1 <= len(questions) <= _MOST_QUESTIONS["decisions"]:
        raise Refused(
            400, f"got fields {sorted(body)}, expected model, input and 1 to {_MOST_QUESTIONS['decisions']} questions"
        )
    asked = tuple(_decisions_question(place, question) for place, question in enumerate(questions))
    names = {question.key for question in asked}
    told = body["input"]
    messages = _messages(told) if isinstance(told, list) else (Message("user", _without_list(_plain(told), names)),)
    return _decision("decisions", messages, asked, questions)


def _decision(path: str, messages: tuple[Message, ...], questions: tuple[Question, ...], wire: object) -> Wanted:
    call = Call("decision", messages, questions, temperature=0.0, max_tokens=1)
    return Wanted(call, _digest(path, [_told(messages), wire]), 0)


def _without_list(text: str, names: Collection[str]) -> str:
    """Return a text without its list of questions and the paragraph on answers behind it.

    A state has no roles that would tell where the system message ends; scripts shall see the same text as in a chat.
    """
    lines = [line for line in QUESTION_LINE.finditer(text) if line[1] in names]
    if not lines:
        return text
    after = text[lines[-1].end() :].lstrip("\n").partition("\n\n")[2]
    return "\n\n".join(piece for piece in (text[: lines[0].start()].rstrip(), after) if piece)


def _without_complaints(messages: Sequence[Message]) -> list[Message]:
    """Return a chat about tools without replies that could not be read and what was said of them."""
    spoilt = [message.role == "assistant" and not message.calls for message in messages]
    after = [False, *spoilt[:-1]]
    return [one for one, bad, told in zip(messages, spoilt, after, strict=True) if not bad and not told]


def _told(messages: Sequence[Message]) -> list[Any]:
    """Return messages for a digest: who says what, and calls of tools only where there are any."""
    return [list(message if message.calls else message[:2]) for message in messages]


def _digest(path: str, asked: object) -> bytes:
    return blake2b(json.dumps([path, asked], sort_keys=True).encode(), digest_size=16).digest()


def _messages(messages: object) -> tuple[Message, ...]:
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages: got none, expected at least one")
    read = []
    for message in messages:
        role = _ROLES.get(str(message.get("role"))) if isinstance(message, dict) else None
        if role is None:
            raise Refused(400, f"messages: got {str(message)[:60]!r}, expected objects with role and content")
        calls = tuple(_call(call) for call in message.get("tool_calls") or ())
        read.append(Message(cast(Any, role), _plain(message.get("content") or ""), calls))
    return tuple(read)


def _call(call: object) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not all(isinstance(function.get(key), str) for key in ("name", "arguments")):
        raise Refused(400, f"tool_calls: got {str(call)[:60]!r}, expected functions with name and arguments, both texts")
    return ToolCall(function["name"], function["arguments"])


def _tools(body: Mapping[str, Any]) -> tuple[Mapping[str, object], ...]:
    tools = body.get("tools") or []
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(isinstance(function, dict) and isinstance(function.get("name"), str) for function in functions):
        raise Refused(400, f"tools: got {str(tools)[:60]!r}, expected functions with a name")
    return tuple(tools)


def _plain(content: object) -> str:
    """Return the words of a text, a list of messages or parts, or an object, joined by blank lines."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        inner = next((content[key] for key in ("content", "text") if key in content), None)
        return "\n\n".join(_plain(value) for value in content.values()) if inner is None else _plain(inner)
    if isinstance(content, list):
        return "\n\n".join(_plain(part) for part in content)
    return json.dumps(content)


def _schema(body: Mapping[str, Any]) -> Mapping[str, object] | None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return {}
    holder = wanted.get("json_schema") if kind == "json_schema" else None
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if not isinstance(schema, dict):
        raise Refused(400, f"response_format: got type {kind!r}, expected text, json_object, or json_schema with a schema")
    return schema


def _temperature(body: Mapping[str, Any]) -> float:
    value = body.get("temperature")
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise Refused(400, f"temperature: got {value!r}, expected 0 to 2")
    return float(value)


def _integer(body: Mapping[str, Any], name: str, *, usual: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(400, f"{name}: got {value!r}, expected {low} to {high}")
    return value


def _listed_question(key: str, answers: str, text: str) -> Question:
    if answers == "yes or no":
        return yes_no(key, text)
    if answers == "a few words":
        return short_text(key, text)
    if bounds := re.fullmatch(r"(-?\d+) to (-?\d+)", answers):
        low, high = int(bounds[1]), int(bounds[2])
        return score(key, text, high) if low == 1 and 2 <= high <= 9 else number(key, text, low, high)
    options = re.split(r"; [A-Z]: ", answers.removeprefix("A: "))
    return Question(key, text, "choice", tuple(options))


def _systemone_question(name: str, question: object) -> Question:
    kind = question.get("type") if isinstance(question, dict) else None
    if not isinstance(question, dict) or kind not in ("choice", "noul", "score"):
        raise Refused(422, f"question {name!r}: got type {kind!r}, expected choice, score or noul")
    text, criteria = _plain(question.get("instructions") or ""), question.get("criteria")
    if kind == "noul":
        return yes_no(name, text)
    if not isinstance(criteria, dict if kind == "choice" else list) or not 1 <= len(criteria) <= _LETTERS:
        raise Refused(422, f"question {name!r}: got unusable criteria, expected 1 to {_LETTERS} options or levels")
    if kind == "score":
        return Question(name, text, "score", tuple(str(level + 1) for level in range(len(criteria))))
    return _choice(name, text, tuple(criteria))


def _decisions_question(place: int, question: object) -> Question:
    kind = question.get("type") if isinstance(question, dict) else None
    if not isinstance(question, dict) or kind not in ("choice", "predicate", "score"):
        raise Refused(400, f"question {place}: got type {kind!r}, expected predicate, choice or score")
    name, text = str(question.get("name") or f"question_{place}"), _plain(question.get("instructions") or "")
    if kind == "predicate":
        return yes_no(name, text)
    listed, option = ("choices", "value") if kind == "choice" else ("levels", "label")
    entries = question.get(listed)
    if (
        not isinstance(entries, list)
        or not all(isinstance(entry, dict) and option in entry for entry in entries)
        or not entries
    ):
        raise Refused(400, f"question {name!r}: got unusable {listed}, expected objects with {option}")
    options = tuple(str(entry[option]) for entry in entries)
    return Question(name, text, "score", options) if kind == "score" else _choice(name, text, options)


def _choice(name: str, text: str, options: Sequence[str]) -> Question:
    # Numbers arrive as choices; scripts tell them apart from texts.
    numbers = all(re.fullmatch(r"-?\d+", option) for option in options)
    return Question(name, text, "number" if numbers else "choice", tuple(options))
