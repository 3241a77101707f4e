"""One question asked alone, as a server reads it off the wire: behind a lead, under a grammar, or at the end of a message."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from recsim_llm.language.base.questions import Question, choice, number, score, yes_no
from recsim_llm.language.base.wire import Message, RawReply, TokenChoice

__all__ = ["Lone", "answer_alone", "read_lone", "read_plain", "with_other_words"]

_ASKED = r"([^\n]+) \((yes or no|-?\d+ to -?\d+|A: [^\n]+)\)"
_SPOKEN = re.compile(rf"\n\n{_ASKED}\nAnswer with nothing else\.\Z")
_SPOKEN_LEAD = re.compile(rf"{_ASKED}:\s?")
_GRAMMAR_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"(?:^|item |Take |Stars for )(\d+)\b")
_OTHER = (("\n", 0.2), (" I", 0.1))
"""What else the reply could begin with, and how likely that is."""
_VARIANT = 0.25
"""Share of a label that is written without the blank before it."""


class Lone(NamedTuple):
    """A question that was asked alone."""

    messages: tuple[Message, ...]
    """The prompt, without the question."""
    question: Question | None
    """What is asked; None where a reply is to be continued that begins no known question."""


def read_lone(messages: tuple[Message, ...], body: Mapping[str, Any], *, continues: bool) -> Lone | None:
    """Return the question that a chat request asks alone; None where it asks none.

    Args:
        messages: of the request.
        body: the request's JSON object.
        continues: the server continues a last message of the assistant.
    """
    last = messages[-1]
    if last.role == "assistant" and continues:
        return Lone(messages[:-1], _led(last.content, str(body.get("grammar") or "")))
    spoken = _SPOKEN.search(last.content) if last.role == "user" else None
    if spoken is None:
        return None
    text, answers = spoken.groups()
    return Lone((*messages[:-1], last._replace(content=last.content[: spoken.start()])), _made(_key(text, answers), answers))


def read_plain(prompt: str) -> Lone:
    """Return the question with which a plain text ends."""
    text, _, lead = prompt.rpartition("\n\n")
    return Lone((Message("user", text),), _led(lead, ""))


def answer_alone(reply: RawReply) -> RawReply:
    """Return the reply to one question, ``KEY: LABEL``, without its key."""
    texts = tuple(text.partition(": ")[2] for text in reply.texts)
    return replace(reply, texts=texts, tokens=tuple(line[-1:] for line in reply.tokens), finish="length")


def with_other_words(reply: RawReply) -> RawReply:
    """Return a reply whose alternatives hold what a model could say besides, and each label in two spellings."""
    return replace(reply, tokens=tuple((*map(_spread, line[:1]), *line[1:]) for line in reply.tokens))


def _spread(token: TokenChoice) -> TokenChoice:
    labels = math.log(1.0 - sum(chance for _, chance in _OTHER))
    plain, bare = math.log(1.0 - _VARIANT), math.log(_VARIANT)
    spelled = [(text, chance + labels + plain) for text, chance in token.alternatives]
    spelled += [(text.strip().capitalize(), chance + labels + bare) for text, chance in token.alternatives]
    spelled += [(text, math.log(chance)) for text, chance in _OTHER]
    return TokenChoice(token.token, tuple(sorted(spelled, key=lambda pair: -pair[1])))


def _led(lead: str, grammar: str) -> Question | None:
    """Return the question of a lead: ``TEXT (HINT):``, or words that end like a question."""
    spoken = _SPOKEN_LEAD.fullmatch(lead)
    if spoken is not None:
        text, answers = spoken.groups()
        return _made(_key(text, answers), answers)
    words = _GRAMMAR_WORD.findall(grammar.partition("(")[2])
    labels = tuple(dict.fromkeys(json.loads(f'"{word}"').lower() for word in words))
    if not lead.rstrip().endswith(("?", ":")):
        return None
    stars = labels[:1] == ("1",) if labels else re.search(r"star|satisf|1 to \d", lead) is not None
    answers = f"1 to {len(labels) or 5}" if stars else "yes or no"
    if labels[:1] == ("a",):
        answers = "; ".join(f"{label.upper()}: {label}" for label in labels)
    return _made(_key(lead, answers), answers)


def _key(text: str, answers: str) -> str:
    """Return the key under which scripts know a question."""
    kind = "leave" if answers == "yes or no" else "satisfaction"
    item = _NUMBER.search(text)
    return f"{'click' if kind == 'leave' else 'stars'}_{item[1]}" if item else kind


def _made(key: str, answers: str) -> Question:
    if answers == "yes or no":
        return yes_no(key, key)
    bounds = re.fullmatch(r"(-?\d+) to (-?\d+)", answers)
    if bounds is None:
        return choice(key, key, tuple(re.split(r"; [A-Z]: ", answers.removeprefix("A: "))))
    low, high = int(bounds[1]), int(bounds[2])
    return score(key, key, high) if low == 1 and 2 <= high <= 9 else number(key, key, low, high)
