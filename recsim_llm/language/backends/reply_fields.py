"""Fields of a JSON response, read with checks: whatever a server sends ends as a value or as one ``bad_reply``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from recsim_llm.errors import BackendError
from recsim_llm.language.base.wire import TokenUsage

__all__ = ["bad_reply", "field", "number", "objects", "token_usage"]

_Value = TypeVar("_Value")


def bad_reply(text: str) -> BackendError:
    """Return the error for a response that makes no sense; the same request may get a better one."""
    return BackendError("bad_reply", text, retryable=True)


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
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise bad_reply(f"got {name} of type {type(value).__name__}, expected a number")
    return float(value)


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
    return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count >= 0), None)
