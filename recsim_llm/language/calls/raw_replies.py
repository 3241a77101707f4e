"""Raw replies as JSON text, exact in both directions: what the calls file keeps of an answer."""

from __future__ import annotations

import json
from typing import Any

from recsim_llm.language.base.wire import RawReply, TokenChoice, TokenUsage, ToolCall

__all__ = ["dump_reply", "load_reply"]

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def dump_reply(reply: RawReply) -> str:
    """Return a reply as one line of ASCII JSON; what is empty or usual is left out."""
    columns: dict[str, Any] = {"texts": reply.texts}
    if reply.tokens:
        columns["tokens"] = reply.tokens
    if reply.probabilities:
        columns["probabilities"] = reply.probabilities
    if reply.finish != "stop":
        columns["finish"] = reply.finish
    if reply.refusal:
        columns["refusal"] = reply.refusal
    if reply.usage != TokenUsage():
        columns["usage"] = reply.usage
    if reply.calls:
        columns["calls"] = reply.calls
    return _encode(columns)


def load_reply(text: str) -> RawReply:
    """Return the reply that ``dump_reply`` wrote.

    Raises:
        ValueError: the text is not such a line (also as TypeError, KeyError or AttributeError).
    """
    columns = json.loads(text)
    return RawReply(
        texts=tuple(columns["texts"]),
        tokens=tuple(tuple(_token(token) for token in tokens) for tokens in columns.get("tokens", ())),
        probabilities=tuple(tuple(row) for row in columns.get("probabilities", ())),
        finish=columns.get("finish", "stop"),
        refusal=columns.get("refusal", ""),
        usage=TokenUsage(*columns.get("usage", ())),
        calls=tuple(ToolCall(*call) for call in columns.get("calls", ())),
    )


def _token(columns: list[Any]) -> TokenChoice:
    text, alternatives = columns
    return TokenChoice(text, tuple((alternative, chance) for alternative, chance in alternatives))
