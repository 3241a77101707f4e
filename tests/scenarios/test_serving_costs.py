"""What a thousand requests cost: told by arm, beside the clicks, apart from the log."""

import json
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.recommenders import Popularity
from recsim_llm.report import read_serving, thousand_table
from recsim_llm.report.serving_costs import thousand_rows
from recsim_llm.scenarios import load_scenario, resume, run, serving

ARMS = [
    "popularity",
    *({"name": name, "recommender": name, "settings": {"base": "popularity"}} for name in ("language", "chat")),
]
SMALL = {
    "users.count": 6,
    "max_pages": 2,
    "slate_size": 3,
    "seed": 3,
    "recommenders": ARMS,
    "models.policy": "scripted/policy",
}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("runs") / "played")


def costs(folder):
    return {cost.arm: cost for cost in read_serving(folder)}


def test_each_arm_is_told_its_own_calls(played):
    told = costs(played)
    assert (told["popularity"].model_calls, told["popularity"].model_hits) == (0, 0)
    assert told["language"].model_calls + told["language"].model_hits == told["language"].pages
    assert told["chat"].model_calls + told["chat"].model_hits == 2 * told["chat"].pages
    assert told["chat"].prompt_tokens > told["language"].prompt_tokens > 0
    assert told["chat"].completion_tokens > 0
    assert {cost.dollars for cost in told.values()} == {None}


def test_the_sum_over_arms_is_what_the_calls_file_says(played):
    assert main(["report", str(played), "--quiet"]) == 0
    content = json.loads((played / "metrics.json").read_text())
    for name, column in (("calls", "model_calls"), ("hits", "model_hits"), ("prompt_tokens", "prompt_tokens")):
        assert sum(row[name] for row in content["language_model_calls"]) == sum(row[column] for row in content["serving"])


def test_a_thousand_requests_are_told_in_proportion(played):
    (row,) = [cells for arm, cells in thousand_rows(read_serving(played)) if arm == "chat"]
    told = costs(played)["chat"]
    assert row[0].value == f"{round(1000 * told.model_calls / told.pages):,}"
    assert row[4].value == "–"


@pytest.mark.parametrize("verb", ["run", "compare"])
def test_report_and_terminal_tell_it_of_runs_and_comparisons(verb, tmp_path, capsys):
    small = ["--n-users", "6", "--pages", "2", "--recommenders", "popularity,language", "--seed", "3", "--yes"]
    main([verb, "demo", *small, "--set", "models.policy=scripted/policy", "--out", str(tmp_path / "run")])
    assert "1,000 requests" in capsys.readouterr().out
    assert "Seconds of serving" in (tmp_path / "run" / "report.html").read_text()


def test_without_a_model_of_policies_nothing_is_told(tmp_path):
    plain = {key: value for key, value in SMALL.items() if key != "models.policy"} | {"recommenders": ["popularity"]}
    out = run(load_scenario("demo", plain), tmp_path / "run")
    assert pq.read_table(out / "serving.parquet")["model_calls"].to_pylist() == [None]
    assert thousand_table(read_serving(out)) is None


def test_an_arm_that_was_stopped_counts_every_time_it_was_served(played, tmp_path):
    out = tmp_path / "short"
    with pytest.raises(BudgetExceeded):
        run(load_scenario("demo", SMALL | {"limits.calls": 15}), out)
    resume(out, limits={"calls": 10_000})
    told, whole = costs(out), costs(played)
    assert told["chat"].served == 2
    assert sum(cost.model_calls for cost in told.values()) == sum(cost.model_calls for cost in whole.values())


def test_dollars_are_told_where_prices_are_known(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ChaosServer(seed=1) as server:
        model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "realisation": "json"}
        model |= {"prices": {"input": 1000.0, "output": 2000.0}}
        changes = {"recommenders": ARMS[:2], "models.policy": model}
        out = run(load_scenario("demo", SMALL | changes), tmp_path / "run")
    told = costs(out)
    assert told["popularity"].dollars == 0
    read, written = told["language"].prompt_tokens, told["language"].completion_tokens
    assert told["language"].dollars == pytest.approx((1000 * read + 2000 * written) / 1e6)


def test_two_runs_compared_tell_it_of_the_arms_that_are_compared(tmp_path, capsys):
    for name, arms in (("first", ARMS[:2]), ("second", [ARMS[0], ARMS[2]])):
        run(load_scenario("demo", SMALL | {"recommenders": arms}), tmp_path / name)
    runs = [str(tmp_path / name) for name in ("first", "second")]
    assert main(["compare", *runs, "--out", str(tmp_path / "compared")]) == 0
    said, page = capsys.readouterr().out, (tmp_path / "compared" / "report.html").read_text()
    told = {line.split()[0]: line for line in said.partition("1,000 requests")[2].splitlines() if line.strip()}
    assert {"popularity", "language", "chat"} <= told.keys()
    assert "Serving</a></h2>" in page
    (row,) = [cells for arm, cells in thousand_rows(read_serving(tmp_path / "second")) if arm == "chat"]
    assert row[2].value in told["chat"]
    assert row[2].value in page


def test_two_runs_without_a_model_of_policies_tell_no_costs(tmp_path, capsys):
    plain = {key: value for key, value in SMALL.items() if key != "models.policy"}
    for name, arm in (("first", "popularity"), ("second", "random")):
        run(load_scenario("demo", plain | {"recommenders": [arm]}), tmp_path / name)
    main(["compare", *(str(tmp_path / name) for name in ("first", "second")), "--out", str(tmp_path / "compared")])
    assert "1,000 requests" not in capsys.readouterr().out


class _Later(Popularity):
    """Talks, and its acts are there when a test says so."""

    reads_text = False

    def start(self, requests):
        """Do nothing."""

    def respond(self, dialogues, k):
        raise AssertionError

    def begin_turns(self, dialogues, k):
        self.replies = [Future(), Future()]
        return SimpleNamespace(replies=self.replies)


def test_what_goes_on_at_the_same_time_is_counted_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(serving.time, "perf_counter", lambda: now[0])
    later = _Later()
    served = serving.ServedRecommender(later, "later")
    for _ in range(2):
        served.begin_turns(SimpleNamespace(turn=np.ones(2)), 3)
        for seconds, reply in zip((2.0, 1.0), later.replies, strict=True):
            now[0] += seconds
            reply.set_result(None)
        now[0] += 10.0
    cost = served.cost("")
    assert (cost["recommend_seconds"], cost["pages"]) == (6.0, 4)
