"""Runs with language users: caches, storms, limits, kills and secrets; against a real HTTP server on loopback."""

import json
import re

import numpy as np
import pyarrow.dataset as arrow
import pytest
from killed_calls import PAID, TWICE, kill_run, rows

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded, ConfigError, RecSimError
from recsim_llm.language.backends import scripted_forms
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.scenarios import load_scenario, resume, run

SMALL = {
    "users.model": "language",
    "users.count": 8,
    "max_pages": 3,
    "slate_size": 4,
    "seed": 3,
    "recommenders": ["random", "popularity"],
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Probes of servers are kept in a cache folder; ports come again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def scripted(**changes):
    return load_scenario("demo", SMALL | {"models.user": "scripted/genres"} | changes)


def served(server, **changes):
    model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "transport": "aiohttp", "realisation": "json"}
    return load_scenario("demo", SMALL | {"models.user": model} | changes)


def log_bytes(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in [folder / "segments.jsonl", *sorted(folder.glob("*/*.parquet"))]
    }


FAILED = "SELECT cause, count(*) FROM calls WHERE status = 'failed' GROUP BY cause"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(scripted(), tmp_path_factory.mktemp("runs") / "whole")


def test_every_page_is_one_call_and_every_decision_is_accounted_for(whole):
    pages = arrow.dataset(whole / "pages").to_table()
    asks = rows(whole, "SELECT count(*) FROM calls")[0][0]
    assert asks == len(pages)
    assert rows(whole, FAILED) == []
    assert set(pages["decided_by"].to_pylist()) == {"language"}
    assert set(pages["memories_dropped"].to_pylist()) == {0}


def test_clicks_happen_as_often_as_the_model_said(whole):
    impressions = arrow.dataset(whole / "impressions").to_table()
    chance = impressions["click_prob"].to_numpy().astype(float)
    clicks = float(impressions["clicked"].to_numpy(zero_copy_only=False).sum())
    assert abs(clicks - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("barrier", ["page", "visit"])
def test_a_second_run_from_the_cache_makes_no_call_and_writes_the_same_bytes(whole, tmp_path, barrier):
    again = run(scripted(barrier=barrier), tmp_path / "again", cache=whole)
    assert rows(again, PAID) == [(0,)]
    assert log_bytes(again) == log_bytes(whole)


def test_replay_needs_no_model(whole, tmp_path):
    again = run(scripted(**{"models.user": f"replay/{whole}"}), tmp_path / "again")
    assert log_bytes(again) == log_bytes(whole)


def test_replay_stops_where_nothing_was_recorded(whole, tmp_path):
    with pytest.raises(RecSimError, match="replay"):
        run(scripted(**{"models.user": f"replay/{whole}", "max_pages": 4}), tmp_path / "longer")


def test_a_replay_of_other_words_is_refused_and_leaves_nothing(whole, tmp_path):
    with pytest.raises(RecSimError, match="not recorded"):
        run(scripted(**{"models.user": f"replay/{whole}", "users.parameters.templates": "de"}), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("elicitation", "barrier"), [("json", "page"), ("logprobs", "visit"), ("samples", "page"), ("decision", "visit")]
)
def test_a_storm_leaves_the_log_of_a_perfect_server(tmp_path, elicitation, barrier):
    changes = {"models.user.realisation": elicitation, "barrier": barrier}
    with ChaosServer(seed=1, decision="systemone") as perfect:
        calm = run(served(perfect, **changes), tmp_path / "calm")
    with ChaosServer(seed=2, decision="systemone", faults=Faults.storm(0.3, hang_seconds=0.05)) as stormy:
        rough = run(served(stormy, **changes), tmp_path / "rough")
    assert log_bytes(rough) == log_bytes(calm)
    assert sum(count for _, count in rows(rough, FAILED)) >= 5


def test_a_run_that_cannot_go_on_says_why_and_resumes_to_the_same_end(tmp_path):
    with ChaosServer(seed=1) as perfect:
        scenario = served(perfect)
        calm = run(scenario, tmp_path / "calm")
        port = int(perfect.base_url.split(":")[2].split("/")[0])
    with (
        ChaosServer(seed=2, faults=Faults({"refusal": 0.2}, forever=1.0), port=port),
        pytest.raises(RecSimError, match="refus"),
    ):
        run(scenario, tmp_path / "rough")
    assert (tmp_path / "rough" / FILE_NAME).exists()
    with ChaosServer(seed=1, port=port):
        resume(tmp_path / "rough")
    assert log_bytes(tmp_path / "rough") == log_bytes(calm)


def test_a_limit_stops_the_run_and_a_higher_one_finishes_it(whole, tmp_path):
    out = tmp_path / "short"
    with pytest.raises(BudgetExceeded, match="nothing is lost: go on with a higher --max-calls"):
        run(scripted(**{"limits.calls": 7}), out)
    assert rows(out, PAID) == [(7,)]
    resume(out, limits={"calls": 1_000})
    assert log_bytes(out) == log_bytes(whole)
    assert rows(out, PAID) == rows(whole, PAID)


def test_a_wrong_limit_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"limits\.calls"):
        load_scenario("demo", SMALL | {"limits.calls": 0})


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_pay_nothing_twice(tmp_path):
    out, changes = tmp_path / "killed", {"users.count": 12, "models.user.concurrency": 1}
    with ChaosServer(seed=1, latency=0.01) as server:
        calm = run(served(server, **changes), tmp_path / "calm")
        assert kill_run(out, calm) == 20
    assert log_bytes(out) == log_bytes(calm)
    assert rows(out, TWICE) == []
    assert rows(out, PAID) == rows(calm, PAID)


def test_a_key_gets_into_no_file_and_no_error(tmp_path, monkeypatch, capsys):
    secret = "sk-planted-7f3a9c"
    monkeypatch.setenv("RECSIM_LLM_API_KEY", secret)
    out = tmp_path / "run"
    with ChaosServer(seed=1, api_key=secret, faults=Faults.storm(0.2, hang_seconds=0.05)) as server:
        run(served(server), out)
        assert main(["report", str(out), "--quiet"]) == 0
        monkeypatch.setenv("RECSIM_LLM_API_KEY", secret + "-wrong")
        with pytest.raises(RecSimError) as refused:
            run(served(server, **{"users.count": 9}), tmp_path / "refused")
    assert secret not in str(refused.value)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    printed = capsys.readouterr()
    assert secret not in printed.out + printed.err


def test_an_elicitation_that_the_server_ignores_is_refused_by_name(tmp_path):
    with ChaosServer(seed=1, schema=False) as server, pytest.raises(ConfigError, match="json"):
        run(served(server), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_remedy_for_percentages_that_do_not_sum_to_100_is_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scripted_forms, "_percents", lambda chances: [5 + round(50 * chance) for chance in chances])
    with ChaosServer(seed=1) as server:
        command = ["run", "demo", "--users", "language", "--model", "openai-compatible/chaos", "--base-url", server.base_url]
        command += ["--set", "models.user.realisation=json", "--n-users", "3", "--pages", "2", "--recommenders", "popularity"]
        command += ["--seed", "1", "--out", str(tmp_path / "run"), "--yes"]
        assert main([*command, "--quiet"]) == 2
        refused = capsys.readouterr().err
        assert "percentages do not sum to 100" in refused
        remedy = re.search(r"--set models\.user\.renormalise=true", refused)[0]
        assert main([*command, *remedy.split()]) == 0
    answered = rows(tmp_path / "run", PAID)[0][0]
    assert rows(tmp_path / "run", "SELECT count(*) FROM calls WHERE cause = 'renormalised'") == [(answered,)]
    said = f"{answered} answers whose percentages did not sum to 100 and were divided by their sum"
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in (tmp_path / "run" / "report.html").read_text()


def test_a_page_that_a_servers_context_does_not_hold_is_refused_before_it_is_asked(tmp_path):
    with ChaosServer(seed=1, context=900) as server:
        scenario = served(server, slate_size=20)
        with pytest.raises(ConfigError, match=r"in a context of 900; .*--slate-size"):
            run(scenario, tmp_path / "run")
        sent = server.requests["/v1/chat/completions"]
        with pytest.raises(ConfigError, match="in a context of 900"):
            run(scenario, tmp_path / "again")
        assert server.requests["/v1/chat/completions"] == sent


def test_prompts_shrink_to_the_context_that_a_server_tells(tmp_path):
    lengths = {}
    for context in (1 << 17, 1800):
        with ChaosServer(seed=1, context=context) as server:
            out = run(served(server, **{"users.parameters.templates": "en"}), tmp_path / str(context))
        lengths[context] = rows(out, "SELECT max(prompt_tokens) FROM calls")[0][0]
    assert lengths[1800] < lengths[1 << 17]
    assert lengths[1800] < 1800


@pytest.mark.parametrize(("model", "key"), [("language", ""), ("cascade", "language.")])
def test_a_prompt_budget_below_what_a_page_takes_is_told_with_one_that_does(model, key, tmp_path):
    told, key = [], f"users.parameters.{key}prompt_tokens"
    small = {"users.model": model, "users.count": 2, "max_pages": 1, "recommenders": ["random"]}
    folder = run(scripted(**small, **{key: 10}), tmp_path / "run", confirm=told.append)
    warned = told[0].warnings[-1]
    assert warned.startswith(f"prompts: got {key} 10, expected about ")
    assert json.loads((folder / "manifest.json").read_text())["users_warnings"][-1] == warned
    enough = int(re.search(r"expected about ([\d,]+) or more for a page of 4", warned)[1].replace(",", ""))
    run(scripted(**small, **{key: enough}), tmp_path / "enough", confirm=told.append)
    assert not [line for line in told[1].warnings if line.startswith("prompts: got")]


def test_renormalising_is_refused_where_nothing_states_percentages(tmp_path):
    model = {"name": "scripted/genres", "realisation": "logprobs", "renormalise": True}
    with pytest.raises(ConfigError, match="renormalise with the realisation logprobs"):
        run(scripted(**{"models.user": model}), tmp_path / "run")


def test_every_arm_that_asks_is_in_the_estimate(tmp_path):
    arms = [{"name": name, "recommender": "language", "settings": {"base": "popularity"}} for name in ("one", "two")]
    told = []
    scenario = scripted(**{"models.policy": "scripted/history", "recommenders": ["popularity", *arms]})
    out = run(scenario, tmp_path / "run", confirm=told.append)
    assert told[0].calls == 3 * 8 * 3 + 2 * 8 * 3
    assert rows(out, "SELECT count(*) FROM calls")[0][0] <= told[0].calls


def test_language_users_need_a_model(tmp_path):
    with pytest.raises(ConfigError, match="--model"):
        run(load_scenario("demo", SMALL), tmp_path / "run")


def test_choice_users_take_no_model(tmp_path):
    with pytest.raises(ConfigError, match="--users language"):
        run(scripted(**{"users.model": "choice"}), tmp_path / "run")


def test_the_oracle_is_refused_before_anything_is_asked(tmp_path):
    with pytest.raises(ConfigError, match="leave it out: --recommenders popularity"):
        run(scripted(recommenders=["popularity", "oracle"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fields_of_a_servers_own_go_with_every_request(tmp_path):
    with ChaosServer(seed=1) as server:
        out = run(served(server, **{"models.user.request": {"reasoning_effort": "low"}}), tmp_path / "run")
    assert rows(out, "SELECT DISTINCT model FROM calls") == [('openai-compatible/chaos {"reasoning_effort": "low"}',)]


def test_a_run_keeps_its_calibration_not_the_file(tmp_path):
    path = tmp_path / "calibration.json"
    Calibration(click_bias=-1.0).save(path)
    changes = {"users.parameters.calibration": str(path), "limits.calls": 5}
    with pytest.raises(BudgetExceeded):
        run(scripted(**changes), tmp_path / "run")
    path.unlink()
    resume(tmp_path / "run", limits={"calls": 1_000})
    direct = scripted(**{"users.parameters.calibration": {"click_bias": -1.0}})
    assert log_bytes(tmp_path / "run") == log_bytes(run(direct, tmp_path / "direct"))
