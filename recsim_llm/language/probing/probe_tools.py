"""Whether a model asks for tools by calls of their own: some servers accept ``tools`` and overlook them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.base.wire import Call, Message, RawReply

__all__ = ["find_tools"]

_SHELF = 417
"""What the tool has to be called with, which nothing but the prompt tells."""

_ASKED = (
    Message("system", "You look after a library. Use the tools."),
    Message("user", f"What stands on shelf {_SHELF}? Look with the tool select."),
)
_TOOLS = tuple(
    {
        "type": "function",
        "function": {
            "name": name,
            "description": about,
            "parameters": {
                "type": "object",
                "properties": {"shelf": {"type": "integer", "description": "Number of the shelf."}},
                "required": ["shelf"],
                "additionalProperties": False,
            },
        },
    }
    for name, about in (("select", "Tell what stands on a shelf."), ("clear", "Throw away what stands on a shelf."))
)
_CALL = Call("tools", _ASKED, (), 0.0, 200, tools=_TOOLS)


async def find_tools(send: Callable[[Call], Awaitable[RawReply]]) -> str:
    """Return in words which call a model makes of one of two tools.

    Raises:
        BackendError: the server refuses tools.
        ModelReplyError: it makes no call, another one, or one with other arguments.
    """
    reply = await send(_CALL)
    if not reply.calls:
        words = " ".join("".join(reply.texts[:1]).split())[:60]
        raise ModelReplyError(f"asked for a call of a tool, said {words!r}")
    call = reply.calls[0]
    if call.name != "select" or _loaded(call.arguments) != {"shelf": _SHELF}:
        raise ModelReplyError(f"asked to look at shelf {_SHELF}, called {call.name[:40]}({call.arguments[:60]})")
    return f"asked to look at shelf {_SHELF}, called {call.name}({call.arguments})"


def _loaded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return None
