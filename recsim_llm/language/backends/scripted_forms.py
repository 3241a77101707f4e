"""The forms in which a scripted model writes its answers: lines with tokens, JSON, sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import RawReply, TokenChoice

__all__ = ["CHARACTERS_A_TOKEN", "Distributions", "cut", "instance", "line_tokens", "percentages", "sentence"]

CHARACTERS_A_TOKEN = 4
"""Characters that count as one token."""
Distributions = Sequence[tuple[float, ...]]
"""A probability for each option of each question; empty for text."""

_VERDICTS = ("It was worth my time", "It did not hold my attention", "It was about what I had expected", "It surprised me")
_REASONS = ("the pace was right", "the ending felt forced", "the story had heart", "I had seen most of it before")


def cut(reply: RawReply, max_tokens: int) -> RawReply:
    """Return a reply cut off after so many tokens of four characters each, with its ``finish`` set to ``length`` if it was."""
    room = max_tokens * CHARACTERS_A_TOKEN
    if all(len(text) <= room for text in reply.texts):
        return reply
    tokens = tuple(_kept(line, room) for line in reply.tokens)
    return replace(reply, texts=tuple(text[:room] for text in reply.texts), tokens=tokens, finish="length")


def instance(schema: Mapping[str, Any], known: Mapping[str, object]) -> object:
    """Return a value that a JSON Schema allows: known values where their names and types fit, the least elsewhere.

    Knows ``type``, ``properties``, ``items``, ``prefixItems``, ``minItems``, ``minimum``, ``maxLength``, ``enum``, ``const``
    and ``anyOf``, of which it takes the first.
    """
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("anyOf"):
        return instance(schema["anyOf"][0], known)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: _member(name, inner, known) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        first = [instance(inner, {}) for inner in schema.get("prefixItems", [])]
        return first + [instance(schema.get("items") or {}, {})] * (schema.get("minItems", 0) - len(first))
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"boolean": True, "null": None}.get(str(kind), "fine"[: schema.get("maxLength")])


def line_tokens(questions: Sequence[Question], picks: Sequence[str], asked: Distributions) -> tuple[TokenChoice, ...]:
    """Return the tokens of lines, with exact log-probabilities at those that carry an answer.

    Args:
        questions: one a line.
        picks: what is written for each.
        asked: a probability for each option of each; empty for text.
    """
    tokens = []
    for number, (question, pick, chances) in enumerate(zip(questions, picks, asked, strict=True)):
        pieces = re.findall(r"\d|_|[^\W\d_]+", question.key)
        tokens += [TokenChoice(piece, ((piece, 0.0),)) for piece in ["\n"] * (number > 0) + pieces + [":"]]
        if question.kind == "text":
            tokens += [TokenChoice(f" {word}", ((f" {word}", 0.0),)) for word in pick.split(" ")]
            continue
        ranked = sorted(zip(question.labels, chances, strict=True), key=lambda pair: -pair[1])
        alternatives = tuple((f" {label}", math.log(chance)) for label, chance in ranked if chance > 0)
        tokens.append(TokenChoice(f" {pick}", alternatives))
    return tuple(tokens)


def percentages(questions: Sequence[Question], asked: Distributions, text: str) -> dict[str, object]:
    """Return what JSON states for each question: percent yes, whole percentages that sum to 100, or words."""
    stated: dict[str, object] = {}
    for question, chances in zip(questions, asked, strict=True):
        if question.kind == "text":
            stated[question.key] = sentence(text, question.key)
        else:
            stated[question.key] = round(100 * chances[0]) if question.kind == "yes_no" else _percents(chances)
    return stated


def sentence(text: str, salt: str) -> str:
    """Return a sentence that is a hash of a text and a salt."""
    word = int.from_bytes(blake2b(f"{salt}\n{text}".encode(), digest_size=8).digest(), "little")
    reason, verdict = word % len(_REASONS), word // len(_REASONS) % len(_VERDICTS)
    return f"{_VERDICTS[verdict]}; {_REASONS[reason]} ({word % 1000:03d})."


def _kept(tokens: Sequence[TokenChoice], room: int) -> tuple[TokenChoice, ...]:
    kept, length = [], 0
    for choice in tokens:
        length += len(choice.token)
        if length > room:
            break
        kept.append(choice)
    return tuple(kept)


def _member(name: str, schema: Mapping[str, Any], known: Mapping[str, object]) -> object:
    fitting = {"integer": int, "number": int, "array": list, "string": str}.get(str(schema.get("type")))
    if fitting is not None and isinstance(known.get(name), fitting):
        return known[name]
    return instance(schema, {})


def _percents(chances: Sequence[float]) -> list[int]:
    """Return whole percentages that sum to 100, by the method of the largest remainder."""
    percents = [math.floor(100 * chance) for chance in chances]
    order = sorted(range(len(chances)), key=lambda option: percents[option] - 100 * chances[option])
    for option in order[: 100 - sum(percents)]:
        percents[option] += 1
    return percents
