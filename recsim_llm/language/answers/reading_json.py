"""Replies as one JSON object of percentages.

A yes-or-no question has the percentage of yes, every other question a list of percentages, one an option, in order; an
object with the names of all options is read too. Percentages may be strings (``"70%"``). They are read as shares of 1 only
where no number in the whole object is above 1 and one has decimals. A list must sum to 100 percent, give or take what comes
of whole numbers: half a percent an option. Any other sum is a failure, or, where that is declared, divided out and noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from recsim_llm.language.answers.json_members import question_members
from recsim_llm.language.answers.loose_json import CONTRADICTION, parse
from recsim_llm.language.answers.question_lists import check_questions
from recsim_llm.language.answers.reading import answer_text, excerpt, floored, nothing_read, refuse_refusals, unreadable
from recsim_llm.language.answers.reading_words import read_text
from recsim_llm.language.base.questions import Answer, Question
from recsim_llm.language.base.wire import RawReply

__all__ = ["read_json"]

_ROUNDING = 0.5
"""Percent that rounding to whole numbers takes from an option or adds to it at most."""
_EXACT = 1e-6
_RENORMALISE = "have them divided by their sum, --set models.user.renormalise=true"

_PERCENTAGE = re.compile(r"\s{0,9}([+-]?[0-9]{1,9}(?:\.[0-9]{1,18})?)\s{0,9}(%|percent)?\s{0,9}")
_SCHEMA_WORDS = frozenset({"integer", "array", "string", "number", "boolean", "object"})


def read_json(questions: tuple[Question, ...], raw: RawReply, text: str, *, renormalise: bool = False) -> tuple[Answer, ...]:
    """Return the answers in one object, in the order of the questions.

    Args:
        questions: what was asked.
        raw: the reply that the text belongs to.
        text: one of its texts.
        renormalise: divide percentages that do not sum to 100 by their sum; such an ``Answer`` says so.

    Raises:
        ModelReplyError: there is no such object, or it does not hold one usable value for each question.
    """
    refuse_refusals(raw)
    values = _read_exact(questions, text)
    if values is None:
        values = _search(questions, raw, answer_text(raw, text))
    numbers = [
        [] if question.kind == "text" else _numbers(question, value) for question, value in zip(questions, values, strict=True)
    ]
    scale = _scale(numbers, values)
    return tuple(
        [
            Answer(question, (), _text(question, value))
            if question.kind == "text"
            else _answer(question, said, scale, renormalise)
            for question, value, said in zip(questions, values, numbers, strict=True)
        ]
    )


@lru_cache(maxsize=512)
def _numbers_of_keys(questions: tuple[Question, ...]) -> Mapping[str, int]:
    check_questions(questions)
    return MappingProxyType({question.key.lower(): number for number, question in enumerate(questions)})


def _read_exact(questions: Sequence[Question], text: str) -> list[object] | None:
    """Return the values of a reply that is an object of just these keys; None for any other."""
    value = parse(text)
    if not isinstance(value, dict) or len(value) != len(questions):
        return None
    values = [value.get(question.key) for question in questions]
    return None if any(value is None or isinstance(value, dict) for value in values) else values


def _search(questions: tuple[Question, ...], raw: RawReply, shown: str) -> list[object]:
    """Return the value of each question in whatever objects a text holds."""
    members = question_members(shown, _numbers_of_keys(questions))
    if members.truncated:
        cause = "cut_off" if raw.finish == "length" else "not_json"
        raise unreadable(cause, "an object without its end", "a complete JSON object")
    if not members.values:
        raise nothing_read(questions, raw, shown, "missing" if members.objects else "not_json")
    values = [_one(question, members.values.get(number, [])) for number, question in enumerate(questions)]
    absent = [question.key for question, value in zip(questions, values, strict=True) if value is None]
    if absent:
        echoes = all(isinstance(value, dict) and _is_schema(value) for said in members.values.values() for value in said)
        cause = "echo" if echoes else "cut_off" if raw.finish == "length" else "missing"
        named = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        raise unreadable(cause, f"no answer to {named}", f"answers to all {len(questions)} questions")
    return values


def _one(question: Question, said: Sequence[object]) -> object:
    """Return the only thing that is said, None for nothing."""
    values = [value for value in said if value is not None and not (isinstance(value, dict) and _is_schema(value))]
    if not values:
        return None
    if any(value != values[0] for value in values[1:]):
        raise unreadable("contradiction", f"several answers to {question.key}", "one")
    return values[0]


def _is_schema(value: Mapping[str, object]) -> bool:
    kind = value.get("type")
    return isinstance(kind, str) and kind in _SCHEMA_WORDS


def _numbers(question: Question, value: object) -> list[float]:
    """Return the percentages, or shares of 1, that a value states: one for yes or no, else one an option."""
    if type(value) is int and question.kind == "yes_no" and 0 <= value <= 100:
        return [float(value)]  # Nearly every value of nearly every reply.
    if isinstance(value, str) and value == CONTRADICTION:
        raise unreadable("contradiction", f"several answers to {question.key}", "one")
    if isinstance(value, dict):
        return [_number(question, member) for member in _by_option(question, value)]
    if question.kind == "yes_no":
        return [_number(question, value)]
    if not isinstance(value, list) or len(value) != len(question.options):
        raise _no_probability(question, value)
    return [_number(question, member) for member in value]


def _by_option(question: Question, value: Mapping[str, object]) -> list[object]:
    """Return the members of an object that names every option, by its label or its text, in order."""
    names: dict[str, int] = {}
    for written in (question.options, question.labels):
        names |= {name.strip().lower(): number for number, name in enumerate(written)}
    found = {names.get(name.strip().lower(), -1): member for name, member in value.items()}
    if len(value) != len(question.options) or found.keys() != set(range(len(question.options))):
        raise _no_probability(question, value)
    return [found[number] for number in range(len(question.options))]


def _number(question: Question, value: object) -> float:
    if isinstance(value, str):
        stated = _PERCENTAGE.fullmatch(value)
        if stated is None:
            raise _no_probability(question, value)
        value = float(stated[1])
    if not isinstance(value, int | float):
        raise _no_probability(question, value)
    if isinstance(value, bool) or not 0 <= value <= 100:
        raise unreadable("out_of_range", f"{_shown(value)} for {question.key}", "percentages from 0 to 100")
    return float(value)


def _scale(numbers: Sequence[Sequence[float]], values: Sequence[object]) -> float:
    """Return 100 where the numbers are shares of 1, else 1."""
    if any(number > 1 for said in numbers for number in said):
        shares = [said[0] for said in numbers if len(said) == 1 and 0 < said[0] < 1]
        if shares and not _has_percent_sign(values):
            # Below one percent, or a share of 1 where percent was asked for: whoever takes the one may be wrong by a hundred.
            raise unreadable("not_a_probability", f"{shares[0]:.6g} beside percentages", "whole percentages only")
        return 1.0
    decimals = any(number != int(number) for said in numbers for number in said)
    return 100.0 if decimals and not _has_percent_sign(values) else 1.0


def _has_percent_sign(value: object) -> bool:
    if isinstance(value, dict):
        return _has_percent_sign(list(value.values()))
    if isinstance(value, list):
        return any(_has_percent_sign(member) for member in value)
    return isinstance(value, str) and bool((stated := _PERCENTAGE.fullmatch(value)) and stated[2])


def _answer(question: Question, numbers: Sequence[float], scale: float, renormalise: bool) -> Answer:
    if len(numbers) == 1:
        return Answer(question, _yes_or_no(numbers[0] * scale))
    total = sum(numbers) * scale
    sound = abs(total - 100.0) <= _ROUNDING * len(numbers) + _EXACT
    if total <= 0 or not (sound or renormalise):
        expected = f"100; {_RENORMALISE}" if total > 0 else "100"
        raise unreadable("out_of_range", f"a sum of {total:.6g} percent for {question.key}", expected)
    return Answer(question, floored(numbers), renormalised=not sound)


@lru_cache(maxsize=1024)
def _yes_or_no(percent: float) -> tuple[float, ...]:
    return floored((percent, 100.0 - percent))


def _text(question: Question, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = _shown(value)
    if not isinstance(value, str):
        raise unreadable("not_an_option", f"no words for {question.key}", "a string")
    if value == CONTRADICTION:
        raise unreadable("contradiction", f"several answers to {question.key}", "one")
    said = read_text(question, value)
    if said.cause:
        raise unreadable(said.cause, f"{excerpt(value)} for {question.key}", "a few words")
    return said.words


def _no_probability(question: Question, value: object) -> Exception:
    got = excerpt(value) if isinstance(value, str) else f"a {type(value).__name__}"
    wanted = "the percentage of yes" if question.kind == "yes_no" else f"a list of {len(question.options)} percentages"
    return unreadable("not_a_probability", f"{got} for {question.key}", wanted)


def _shown(value: float) -> str:
    # int() to text is refused beyond 4,300 digits.
    return f"{value:.15g}" if isinstance(value, float) else str(value) if abs(value) < 10**18 else "a huge number"
