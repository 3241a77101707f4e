"""Whether a model keeps to JSON Schemas such as those of an agent's actions: servers know different parts of the language."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.base.wire import Call, Message, RawReply

__all__ = ["find_schemas"]

_POEM = (Message("system", "You are a poet."), Message("user", "Write a poem of four lines about the wind."))
_KINDS, _LOWEST, _HIGHEST, _LETTERS, _MOST = ("north", "south"), 417, 419, 3, 2
"""Nothing in a poem about the wind is a number from 417 to 419, and its lines are longer than three letters."""


def _entry(kind: str) -> dict[str, object]:
    fields = {
        "code": {"type": "integer", "minimum": _LOWEST, "maximum": _HIGHEST},
        "line": {"type": "string", "maxLength": _LETTERS},
        "more": {"type": "boolean"},
    }
    # An optional member: some servers refuse any.
    return _object({"kind": {"type": "string", "enum": [kind]}, "told": _object(fields, ["code", "line"])}, ["kind", "told"])


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_SCHEMA = _object(
    {"entries": {"type": "array", "items": {"anyOf": [_entry(kind) for kind in _KINDS]}, "minItems": _MOST, "maxItems": _MOST}},
    ["entries"],
)
_CALL = Call("json", _POEM, (), 0.0, 400, schema=_SCHEMA)


async def find_schemas(send: Callable[[Call], Awaitable[RawReply]]) -> str:
    """Return in words what a model wrote under a schema with alternatives, an optional member and bounds of every kind.

    Raises:
        BackendError: the server refuses such a schema.
        ModelReplyError: the reply does not keep to it.
    """
    text = "".join((await send(_CALL)).texts[:1])
    shown = " ".join(text.split())[:80]
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        stated = None
    entries = stated.get("entries") if isinstance(stated, dict) and len(stated) == 1 else None
    if not isinstance(entries, list) or len(entries) != _MOST or not all(map(_fits, entries)):
        raise ModelReplyError(f"under a schema with alternatives, optional members and bounds, said {shown!r}")
    return f"asked for a poem under a schema with alternatives, optional members and bounds, said {shown!r}"


def _fits(entry: object) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"kind", "told"} or entry["kind"] not in _KINDS:
        return False
    told = entry["told"]
    if not isinstance(told, dict) or not {"code", "line"} <= told.keys() <= {"code", "line", "more"}:
        return False
    code, line = told["code"], told["line"]
    kept = type(code) is int and _LOWEST <= code <= _HIGHEST and isinstance(line, str) and len(line) <= _LETTERS
    return kept and isinstance(told.get("more", True), bool)
