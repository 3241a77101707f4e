"""Fields of a JSON response, read with checks: whatever a server sends ends as a value or as one ``bad_reply``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from recsim_llm.errors import BackendError
from recsim_llm.language.base.wire import TokenUsage

__all__ = ["bad_reply", "field", "number", "objects", "token_usage", "whole_text"]

_Value = TypeVar("_Value")


_MOST_TOKENS = 1 << 40
"""No call has read or written more; a larger count is nonsense, and would not fit where counts are summed."""


def bad_reply(text: str, *, retryable: bool = True) -> BackendError:
    """Return the error for a response that makes no sense; the same request may get a better one, as a rule."""
    return BackendError("bad_reply", text, retryable=retryable)


def whole_text(text: str) -> str:
    """Return a text of the same length in which halves of characters, which UTF-8 cannot carry, are question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def field(holder: Mapping[str, object], key: str, kind: type[_Value], owner: str) -> _Value:
    """Return a field of an object.

    Raises:
        BackendError: it is missing or of another type.
    """
    value = holder.get(key)
    if not isinstance(value, kind):
        got = f"{key} of type {type(value).__name__}" if key in holder else f"no {key}"
        raise bad_reply(f"got {got} in {owner}, expected {kind.__name__}")
    return value


def number(value: object, name: str) -> float:
    """Return a number, which may be infinite.

    Raises:
        BackendError: it is something else, or not a number at all.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_reply(f"got {name} of type {type(value).__name__}, expected a number")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.nan
    if math.isnan(converted):
        raise bad_reply(f"got {name} that is no number or beyond all bounds, expected a number")
    return converted


def objects(values: Sequence[Any], name: str) -> list[dict[str, object]]:
    """Return a list whose elements all are JSON objects.

    Raises:
        BackendError: an element is something else.
    """
    wrong = next((value for value in values if not isinstance(value, dict)), None)
    if wrong is not None or None in values:
        raise bad_reply(f"got {name} with an element of type {type(wrong).__name__}, expected objects")
    return list(values)


def token_usage(body: Mapping[str, object]) -> TokenUsage:
    """Return the counts of tokens that a response tells, under the names of chat completions or of decisions."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return TokenUsage()
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    return TokenUsage(
        prompt=_count(usage, "prompt_tokens", "input_tokens"),
        cached=_count(details, "cached_tokens") if isinstance(details, dict) else None,
        completion=_count(usage, "completion_tokens", "output_tokens"),
    )


def _count(usage: Mapping[str, object], *names: str) -> int | None:
    counts = (usage.get(name) for name in names)
    return next((count for count in counts if isinstance(count, int) and _is_count(count)), None)


def _is_count(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
