"""Comparisons whose users come block by block, under one limit on what language models may use up."""

import json
import sqlite3
from contextlib import closing

import pytest
from stopped_runs import log_bytes

from recsim_llm.cli.main import main
from recsim_llm.comparison import Judging
from recsim_llm.errors import BudgetExceeded
from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import block_limits, load_scenario
from recsim_llm.scenarios.block_limits import BlockLimits
from recsim_llm.scenarios.compare import compare, compare_again
from recsim_llm.shards.sharding import Sharding

BLOCKS = Judging(until_decided=True, block=4, effect=0.001)
SMALL = {
    "data": "fictional-100",
    "users.count": 16,
    "users.model": "language",
    "models.user": "scripted/genres",
    "max_pages": 2,
    "slate_size": 3,
    "seed": 3,
    "recommenders": ["popularity", "random"],
}


def scenario(**changes):
    return load_scenario("demo", SMALL | changes)


def used(folder):
    """Return calls and tokens of all blocks together."""
    query = "SELECT count(*), sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)) FROM calls WHERE cache_hit = 0"
    total = [0, 0]
    for file in folder.glob(f"blocks/*/{FILE_NAME}"):
        with closing(sqlite3.connect(file)) as connection:
            calls, tokens = connection.execute(query).fetchone()
            total = [total[0] + calls, total[1] + (tokens or 0)]
    return total


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a comparison that nothing limits, its result and its calls."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, compare(scenario(), folder, BLOCKS), used(folder)[0]


@pytest.mark.parametrize("sharding", [None, Sharding("inline", 2)], ids=["without shards", "in shards"])
def test_all_blocks_together_keep_the_limit_and_go_on_under_a_higher_one(whole, sharding, tmp_path):
    _, free, calls = whole
    assert free.sequential.users == 16
    assert free.sequential.limit is None
    most = calls * 5 // 8
    ended = compare(scenario(**{"limits.calls": most}), tmp_path / "run", BLOCKS, sharding=sharding)
    assert ended.sequential.limit == "calls"
    assert ended.sequential.users == ended.users == 8
    assert calls // 2 < used(tmp_path / "run")[0] <= most
    assert "limit on calls was used up after 8 users in whole blocks" in ended.notes[0]
    again = compare_again(tmp_path / "run", sharding=sharding)
    assert again.to_json() == ended.to_json()
    assert used(tmp_path / "run")[0] <= most
    # Of two shards each needs a call of its own to go on.
    on = compare_again(tmp_path / "run", limits={"calls": calls + 2}, sharding=sharding)
    assert used(tmp_path / "run")[0] == calls
    assert on.to_json() == free.to_json()


def test_without_a_limit_nothing_is_said_of_one(whole):
    folder, comparison, _ = whole
    assert not any("limit" in note for note in comparison.notes)
    assert "limit" not in json.loads((folder / "manifest.json").read_text())["sequential"]


def test_tokens_of_all_blocks_are_limited_together(whole, tmp_path):
    folder, _, _ = whole
    most = used(folder)[1] // 2
    ended = compare(scenario(**{"limits.tokens": most}), tmp_path / "run", BLOCKS)
    assert ended.sequential.limit == "tokens"
    # A reply may be longer than the mean of those before.
    assert used(tmp_path / "run")[1] < 1.1 * most


def test_a_limit_that_the_first_block_needs_leaves_nothing_to_judge(tmp_path):
    with pytest.raises(BudgetExceeded, match="limit calls: got 3 used of 3 allowed"):
        compare(scenario(**{"limits.calls": 3}), tmp_path / "run", BLOCKS)
    assert used(tmp_path / "run")[0] == 3


def test_a_limit_on_calls_about_a_user_is_none_of_all_blocks(tmp_path):
    with pytest.raises(BudgetExceeded, match="limit calls_a_user"):
        compare(scenario(**{"limits.calls_a_user": 1}), tmp_path / "run", BLOCKS)


def test_the_command_says_how_it_ended_and_goes_on(whole, tmp_path, capsys):
    folder, _, calls = whole
    flags = [f"--set={key}={value}" for key, value in SMALL.items() if key != "recommenders"]
    flags += ["--recommenders", "popularity,random", "--until-decided", "--block", "4", "--effect", "0.001"]
    out = tmp_path / "run"
    assert main(["compare", "demo", *flags, "--max-calls", str(calls * 5 // 8), "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "limit on calls was used up after 8 users" in said
    assert "limit on calls was used up" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["resume", str(out), "--max-calls", str(calls), "--quiet"]) == 0
    differing = ("manifest.json", "comparison_settings.json")
    assert log_bytes(out, *differing).keys() == log_bytes(folder, *differing).keys()


def test_time_that_blocks_took_is_gone_for_those_after_them(monkeypatch, tmp_path):
    now = [100.0]
    monkeypatch.setattr(block_limits.time, "monotonic", lambda: now[0])
    limits = BlockLimits(LimitSettings(seconds=10.0, calls_a_user=2))
    now[0] += 4
    assert limits.left(tmp_path) == {"seconds": 6.0, "calls_a_user": 2}
    now[0] += 40
    assert limits.left(tmp_path)["seconds"] == 0
