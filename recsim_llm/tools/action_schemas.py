"""What a model may write that asks for tools in JSON, as a JSON Schema, where it can be held to one.

Every text, list and number in it has an end, and all of them together are cut to the room of one reply, so that no model can
fill its reply with one argument that never closes. What an action says can still be wrong: a filter that is none, an id that
nothing has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from recsim_llm.tools.agent_prompts import PATH
from recsim_llm.tools.tool_arguments import ANSWER, Tool

__all__ = ["ActionSchemas"]

_TOKENS_AN_ACTION = 120
"""Of a reply's room: more actions than fit are not allowed at once."""
_TOKENS_OF_NAMES = 40
_LEAST_TOKENS = 10
_CHARACTERS_A_TOKEN = 2
"""Fewer than in prose: filters are quotes, signs and numbers."""


class ActionSchemas(NamedTuple):
    """Schemas of the actions of one page."""

    tokens: int
    """Most tokens of a reply."""
    positions: int
    """Of the page: most ids of an answer."""
    largest_id: int
    """Of any item."""

    def allow(self, tools: Sequence[Tool], *, most: int, shown: int, paths: int | None) -> dict[str, object]:
        """Return the schema of a reply: ``{"actions": [...]}``, each of them a tool with arguments of its own.

        Args:
            tools: those that may be asked for, the answer among them or alone.
            most: actions, 1 or more; of those, as many as there is room for.
            shown: candidates whose ids the model was told: an answer has at least as many of them as the page takes.
            paths: number of the last path that there is; None: tools take no path.
        """
        actions = min(most, max(1, self.tokens // _TOKENS_AN_ACTION))
        room = max(_LEAST_TOKENS, self.tokens // actions - _TOKENS_OF_NAMES)
        more = {} if paths is None else {"path": {**PATH["path"], "maximum": paths}}
        kinds = [self._action(tool, room, shown, more) for tool in tools]
        each = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        return _object({"actions": {"type": "array", "items": each, "minItems": 1, "maxItems": actions}}, ["actions"])

    def _action(self, tool: Tool, room: int, shown: int, more: Mapping[str, Any]) -> dict[str, object]:
        described = tool.arguments.model_json_schema()
        fields = {name: self._bounded(field, room) for name, field in (described.get("properties", {}) | dict(more)).items()}
        if tool.name == ANSWER.name:
            least = max(1, min(self.positions, shown))
            fields["item_ids"] |= {"minItems": least, "maxItems": max(self.positions, least)}
        arguments = _object(fields, described.get("required", []))
        return _object({"tool": {"type": "string", "enum": [tool.name]}, "arguments": arguments}, ["tool", "arguments"])

    def _bounded(self, field: Mapping[str, Any], room: int) -> dict[str, Any]:
        """Return what a field may hold, without the words about it."""
        kind = field["type"]
        if kind == "string":
            return {"type": kind, "maxLength": min(field["maxLength"], room * _CHARACTERS_A_TOKEN)}
        if kind == "integer":
            return {"type": kind, "minimum": field["minimum"], "maximum": field.get("maximum", self.largest_id)}
        if kind == "array":
            # Each id with its comma and blank, a digit a token.
            most = max(1, room // (len(str(self.largest_id)) + 2))
            bounds = {"minItems": field.get("minItems", 0), "maxItems": min(field["maxItems"], most)}
            return {"type": kind, "items": self._bounded(field["items"], room), **bounds}
        return {"type": kind}


def _object(properties: Mapping[str, object], required: Sequence[str]) -> dict[str, object]:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}
