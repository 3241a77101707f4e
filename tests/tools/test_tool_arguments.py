"""How tools are described to a model, and how their arguments are read."""

import json

import pytest

from recsim_llm.errors import ToolError
from recsim_llm.tools.tool_arguments import ANSWER, TOOLS, find_tool, openai_tools, read_arguments


def test_the_schemas_are_those_of_chat_completions():
    described = {one["function"]["name"]: one for one in openai_tools([*TOOLS.values(), ANSWER])}
    assert set(described) == {"schema", "select", "similar", "rank", "describe", "friends", "answer"}
    for one in described.values():
        assert one["type"] == "function"
        assert one["function"]["description"]
        shape = one["function"]["parameters"]
        assert (shape["type"], shape["additionalProperties"]) == ("object", False)
        assert set(shape["required"]) <= set(shape["properties"])
        assert all("description" in field for field in shape["properties"].values())
    similar = described["similar"]["function"]["parameters"]
    assert similar["required"] == ["item_id"]
    assert similar["properties"]["count"]["maximum"] == 100


def test_the_schemas_are_the_same_bytes_each_time():
    assert json.dumps(openai_tools(TOOLS.values())) == json.dumps(openai_tools(TOOLS.values()))


@pytest.mark.parametrize(
    ("tool", "values", "says"),
    [
        ("similar", {}, "similar: item_id: got nothing, expected a whole number"),
        ("similar", {"item_id": "7"}, "similar: item_id: got '7', expected a whole number"),
        ("similar", {"item_id": 7, "count": 1000}, "expected a whole number from 1 to 100"),
        ("similar", {"item_id": 2**80}, "expected a whole number"),
        ("select", {"filtr": "x"}, "did you mean 'filter'"),
        ("rank", [1, 2], "rank: got no object of arguments, expected one by name: item_ids"),
        ("describe", {"item_ids": []}, "expected a list"),
        ("describe", {"item_ids": [7] * 21}, "of length at most 20"),
        ("select", {"filter": "(" * 501}, "expected text of length at most 500"),
        ("select", {"filter": "x" * 600}, "select: filter: got"),
    ],
)
def test_wrong_arguments_say_what_was_expected(tool, values, says):
    with pytest.raises(ToolError) as caught:
        read_arguments(TOOLS[tool], values)
    assert says in str(caught.value)
    assert caught.value.cause == "arguments"
    assert len(str(caught.value)) <= 300


def test_an_unknown_tool_says_which_there_are():
    with pytest.raises(ToolError, match=r"got tool 'selct', expected one of .*; did you mean 'select'") as caught:
        find_tool("selct", TOOLS.values())
    assert caught.value.cause == "tool"
