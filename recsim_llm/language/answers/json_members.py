"""Which values of the objects in a text belong to which question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from recsim_llm.language.answers.loose_json import find_values

__all__ = ["Members", "question_members"]

_DEEPEST = 6
_KEY_NAMES = ("key", "name", "question", "id")
_VALUE_NAMES = frozenset({"value", "answer", "probability", "probabilities", "percent", "distribution", "response", "result"})


class Members(NamedTuple):
    """What the objects in a text say."""

    values: Mapping[int, list[object]]
    """All values that are given to each question, by its number."""
    objects: bool
    """Whether the text holds an object at all."""
    truncated: bool
    """Whether the text ends inside an object."""


def question_members(text: str, numbers: Mapping[str, int]) -> Members:
    """Return what the objects in a text say about each question.

    A question's key is a member of an object, of an object inside a wrapper, or the ``key`` of ``{"key": …, "value": …}``.

    Args:
        text: anything.
        numbers: the number of each question by its key in lower case.
    """
    if "{" not in text:
        return Members({}, False, False)
    parsed, truncated = find_values(text)
    found: dict[int, list[object]] = {}
    _collect(parsed, numbers, found, 0)
    return Members(found, _holds_object(parsed), truncated)


def _holds_object(parsed: list[object]) -> bool:
    return any(isinstance(value, dict) or (isinstance(value, list) and _holds_object(value)) for value in parsed)


def _collect(value: object, numbers: Mapping[str, int], found: dict[int, list[object]], depth: int) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for element in value:
            if isinstance(element, dict | list):
                _collect(element, numbers, found, depth + 1)
        return
    if not isinstance(value, dict):
        return
    entry = _entry(value, numbers)
    if entry is not None:
        found.setdefault(entry[0], []).append(entry[1])
        return
    for name, member in value.items():
        number = numbers.get(_fold(name))
        if number is not None:
            found.setdefault(number, []).append(_unwrapped(member))
        elif isinstance(member, dict | list):
            _collect(member, numbers, found, depth + 1)


def _fold(name: str) -> str:
    return re.sub(r"\\?[ _-]", "_", name.strip()).lower()


def _entry(value: Mapping[str, object], numbers: Mapping[str, int]) -> tuple[int, object] | None:
    """Return the question and the value of ``{"key": …, "value": …}``."""
    named = [numbers.get(_fold(key)) for name in _KEY_NAMES if isinstance(key := value.get(name), str)]
    keys = [number for number in named if number is not None]
    values = [member for name, member in value.items() if name.lower() in _VALUE_NAMES]
    return (keys[0], values[0]) if len(keys) == 1 and len(values) == 1 else None


def _unwrapped(member: object) -> object:
    """Return the value of ``{"value": …, "reason": …}``; anything else as it is."""
    if not isinstance(member, dict):
        return member
    values = [inner for name, inner in member.items() if name.lower() in _VALUE_NAMES]
    return values[0] if len(values) == 1 else member
