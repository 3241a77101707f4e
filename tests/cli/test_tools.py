"""The verb tools: what it shows, one call of a tool, and what it refuses."""

import json

import pytest

from recsim_llm.cli.main import main


def test_the_tools_are_shown_and_written_as_schemas(tmp_path, capsys):
    assert main(["tools", "fictional", "--json", str(tmp_path / "tools.json")]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("schema", "select", "similar", "rank", "describe"))
    written = json.loads((tmp_path / "tools.json").read_text())
    assert [one["function"]["name"] for one in written] == ["schema", "select", "similar", "rank", "describe"]


def call(capsys, *arguments):
    status = main(["tools", "fictional", *arguments])
    return status, json.loads(capsys.readouterr().out)


def test_one_tool_is_called(capsys):
    status, told = call(capsys, "select", '{"filter": "genre = \'Drama\' and year >= 2010"}')
    assert status == 0
    assert told["found"] >= told["candidates"] > 0
    assert all("Drama" in one["genres"] and one["year"] >= 2010 for one in told["first_candidates"])


def test_a_wrong_call_is_shown_and_ends_with_two(capsys):
    status, told = call(capsys, "describe", '{"item_ids": [987654321]}')
    assert (status, told["cause"]) == (2, "item")


def test_for_a_user_what_they_rated_is_no_candidate(capsys):
    anybody = call(capsys, "rank")[1]["candidates"]
    assert call(capsys, "rank", "--user", "1", "--base", "item-knn")[1]["candidates"] < anybody


def test_friends_come_from_a_file(tmp_path, capsys):
    pairs = tmp_path / "friends.csv"
    pairs.write_text("user_id,friend_id\n1,2\n3,1\n1,1\n1,99999999\n")
    _, told = call(capsys, "friends", "--user", "1", "--friends", str(pairs))
    assert told["friends"] == 2
    assert told["candidates"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["select", "{broken"], "expected arguments as JSON"),
        (["select", "[1]"], "expected a JSON object"),
        (["select", "[" * 100_000], "expected arguments as JSON"),
        (["--user", "99999999"], "--user: got '99999999', expected one of the"),
        (["--user", "x"], "--user: got 'x'"),
        (["--base", "language"], "tools, base: got 'language'"),
        (["--base", "oracle"], "tools, base: got 'oracle'"),
        (["rank", "--mcp"], "got --mcp with a call"),
        (["--friends", "missing.csv"], "missing.csv"),
    ],
)
def test_what_cannot_work_is_one_line(arguments, says, capsys):
    assert main(["tools", "fictional", *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
