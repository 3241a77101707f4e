"""The catalog tools as they are described to a model: names, words, typed arguments, and their OpenAI schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError, ToolError, one_of
from recsim_llm.language.base.safe_text import safe_text

__all__ = [
    "ANSWER",
    "TOOLS",
    "Answer",
    "Arguments",
    "Describe",
    "Friends",
    "Rank",
    "Schema",
    "Select",
    "Similar",
    "Tool",
    "find_tool",
    "openai_tools",
    "read_arguments",
]

_Id = Annotated[int, Field(ge=0, lt=2**62)]
_SHOWN = 300


class Arguments(FrozenSettings):
    """Arguments of a tool; the line under each is what a model reads of it."""

    model_config = ConfigDict(use_attribute_docstrings=True, hide_input_in_errors=True)


class Schema(Arguments):
    """Tell the columns of the catalog, its genres, and how many items it has."""


class Select(Arguments):
    """Find the items that meet a filter and put those that may be shown on the list of candidates."""

    filter: str = Field(default="", max_length=500)
    """For instance: genre = 'Drama' and year >= 1990 and not retired. Empty: every item."""
    narrow: bool = False
    """True keeps only those candidates that meet the filter, and adds none."""


class Similar(Arguments):
    """Find items like one of them and put them on the list of candidates."""

    item_id: _Id
    """The item."""
    count: int = Field(default=20, ge=1, le=100)
    """How many."""


class Rank(Arguments):
    """Rank items for this visitor by what others like them took, the best first, and order the candidates so."""

    item_ids: Annotated[list[_Id], Field(max_length=100)] = Field(default_factory=list)
    """Which items; they become candidates. Empty: the candidates, or where there are none the best of all items."""


class Describe(Arguments):
    """Tell title, year, genres and description of items."""

    item_ids: Annotated[list[_Id], Field(min_length=1, max_length=20)]
    """Which items."""


class Friends(Arguments):
    """Find what friends of this visitor liked and put it on the list of candidates."""

    count: int = Field(default=20, ge=1, le=100)
    """How many items."""


class Answer(Arguments):
    """End with the page to show: ids of candidates, the first position first."""

    item_ids: Annotated[list[_Id], Field(min_length=1, max_length=100)]
    """Ids from the list of candidates."""


class Tool(NamedTuple):
    """One tool."""

    name: str
    """What it is called by."""
    arguments: type[Arguments]
    """What it takes; its docstring says what it does."""

    @property
    def about(self) -> str:
        """What it does, one line."""
        return (self.arguments.__doc__ or "").strip()


_KINDS: tuple[type[Arguments], ...] = (Schema, Select, Similar, Rank, Describe, Friends)
TOOLS: Mapping[str, Tool] = MappingProxyType({kind.__name__.lower(): Tool(kind.__name__.lower(), kind) for kind in _KINDS})
"""The tools over a catalog, by name."""
ANSWER = Tool("answer", Answer)
"""What an agent ends with; no tool over the catalog."""


def openai_tools(tools: Iterable[Tool], *, more: Mapping[str, Any] = MappingProxyType({})) -> list[dict[str, Any]]:
    """Return the tools as chat completions take them, the same bytes each time.

    Args:
        tools: which.
        more: further properties that each of them gets, as JSON Schema by name.
    """
    described = []
    for tool in tools:
        parameters = tool.arguments.model_json_schema()
        fields = {name: _plain(schema) for name, schema in parameters.get("properties", {}).items()} | dict(more)
        required = parameters.get("required", [])
        shape = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
        described.append({"type": "function", "function": {"name": tool.name, "description": tool.about, "parameters": shape}})
    return described


def read_arguments(tool: Tool, values: object) -> Arguments:
    """Return the arguments of a call.

    Args:
        tool: which is called.
        values: as a model gave them, an object by name.

    Raises:
        ToolError: they are not what the tool takes.
    """
    if not isinstance(values, Mapping):
        names = ", ".join(tool.arguments.model_fields) or "none"
        raise ToolError(f"{tool.name}: got no object of arguments, expected one by name: {names}", cause="arguments")
    try:
        return tool.arguments.read(values, tool.name)
    except ConfigError as error:
        raise ToolError(safe_text(str(error), _SHOWN), cause="arguments") from error


def find_tool(name: object, known: Iterable[Tool]) -> Tool:
    """Return the tool of a name.

    Raises:
        ToolError: there is none.
    """
    tools = {tool.name: tool for tool in known}
    if not isinstance(name, str) or name not in tools:
        got = safe_text(str(name), 40)
        raise ToolError(f"got tool '{got}', expected {one_of(got, tools)}", cause="tool")
    return tools[name]


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a property without what says the same again: a title made of its name."""
    return {name: _plain(value) if isinstance(value, Mapping) else value for name, value in schema.items() if name != "title"}
