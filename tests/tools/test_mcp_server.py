"""The MCP server, tried with the official client: in memory, and as a process of its own over standard input and output."""

import asyncio
import json
import sys

import pytest
from patience import PATIENCE

from recsim_llm.data import open_dataset
from recsim_llm.tools.mcp_server import make_server
from recsim_llm.tools.service import ToolService
from recsim_llm.tools.tool_arguments import openai_tools

client = pytest.importorskip("mcp.client.client", reason="needs the package mcp: pip install '.[mcp]'")


@pytest.fixture(scope="module")
def service():
    return ToolService(open_dataset("fictional"))


def talk(server, conversation):
    async def run():
        async with client.Client(server, read_timeout_seconds=PATIENCE) as connected:
            return await conversation(connected)

    return asyncio.run(run())


def test_it_lists_the_tools_with_the_schemas_that_models_get(service):
    async def listed(connected):
        return (await connected.list_tools()).tools

    expected = {one["function"]["name"]: one["function"] for one in openai_tools(service.tools)}
    found = talk(make_server(service), listed)
    assert {tool.name: tool.input_schema for tool in found} == {name: one["parameters"] for name, one in expected.items()}
    assert {tool.name: tool.description for tool in found} == {name: one["description"] for name, one in expected.items()}


def test_a_call_is_answered_and_a_wrong_one_says_so(service):
    async def called(connected):
        good = await connected.call_tool("select", {"filter": "year >= 2015"})
        ranked = await connected.call_tool("rank", {})
        wrong = await connected.call_tool("select", {"filter": "genr = 1"})
        unknown = await connected.call_tool("fly", {})
        return good, ranked, wrong, unknown

    good, ranked, wrong, unknown = talk(make_server(service), called)
    assert [one.is_error for one in (good, ranked, wrong, unknown)] == [False, False, True, True]
    assert json.loads(good.content[0].text)["found"] == json.loads(ranked.content[0].text)["found"]
    assert "did you mean 'genre'" in json.loads(wrong.content[0].text)["error"]
    assert json.loads(unknown.content[0].text)["cause"] == "tool"


def test_a_client_reaches_it_over_standard_input_and_output():
    stdio = pytest.importorskip("mcp.client.stdio")
    command = [
        "-c",
        "import sys; from recsim_llm.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "tools",
        "fictional",
        "--mcp",
    ]

    async def called(connected):
        names = [tool.name for tool in (await connected.list_tools()).tools]
        result = await connected.call_tool("schema", {})
        return names, json.loads(result.content[0].text)

    names, told = talk(stdio.StdioServerParameters(command=sys.executable, args=command), called)
    assert names == ["schema", "select", "similar", "rank", "describe"]
    assert "Drama" in told["genres"]
