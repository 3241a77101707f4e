"""What a dry run foretells is what the run then asks of a server, and nothing is asked or written to find out."""

import json
import sqlite3
from contextlib import closing

import pytest

from recsim_llm.cli.main import main
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.scenarios import load_scenario
from recsim_llm.scenarios.dry_run import forecast_run

USED = "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM calls WHERE cache_hit = 0 AND role LIKE ?"
PRICES = {"input": 2.0, "output": 8.0}


@pytest.fixture(scope="module")
def server():
    with ChaosServer(seed=1) as running:
        yield running


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Probes are looked up and kept here; fits stay where they are."""
    monkeypatch.setattr("recsim_llm.language.probing.probe_report.cache_folder", lambda: tmp_path / "probes")


def arguments(server, form, **more):
    model = {
        "name": "openai-compatible/chaos",
        "base_url": server.base_url,
        "realisation": form,
        "samples": 3,
        "prices": PRICES,
    }
    settings = {"models.user": model, **more}
    sets = [part for key, value in settings.items() if value is not None for part in ("--set", f"{key}={json.dumps(value)}")]
    small = ["--n-users", "25", "--pages", "4", "--slate-size", "4", "--seed", "5", "--recommenders", "random,popularity"]
    return ["run", "demo", "--users", "language", *small, *sets, "--yes", "--quiet"]


def used(folder, role="%"):
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        return connection.execute(USED, [role]).fetchone()


def assert_foretold(path, found):
    told = json.loads(path.read_text())
    for name, real in zip(("calls", "prompt_tokens", "answer_tokens"), found, strict=True):
        assert told[name]["value"] == pytest.approx(real, rel=0.2), name
        assert told[name]["low"] <= real <= told[name]["high"], name
    return told


@pytest.mark.parametrize(("form", "memory"), [("json", "with memory"), ("logprobs", "without"), ("samples", "with memory")])
def test_a_run_costs_what_its_dry_run_said(form, memory, server, tmp_path):
    more = {"visits": 2} if memory == "with memory" else {"users.parameters.prompt_tokens": 0}
    command, table, out = arguments(server, form, **more), tmp_path / "told.json", tmp_path / "run"
    before = server.served
    assert main([*command, "--dry-run", "--out", str(out), "--json", str(table)]) == 0
    assert server.served == before
    assert [path.name for path in tmp_path.iterdir()] == ["told.json"]
    assert main([*command, "--out", str(out)]) == 0
    calls, read, written = used(out)
    told = assert_foretold(table, (calls, read, written))
    assert told["cost"]["value"] == pytest.approx((2 * read + 8 * written) / 1e6, rel=0.2)
    assert told["forms"] == {"user": form}


def test_a_call_a_question_is_foretold(server, tmp_path):
    command = arguments(server, "forced")
    assert main(["probe", "openai-compatible/chaos", "--base-url", server.base_url, "--quiet"]) == 0
    assert main([*command, "--dry-run", "--json", str(tmp_path / "told.json")]) == 0
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    found = used(tmp_path / "run")
    told = assert_foretold(tmp_path / "told.json", found)
    assert told["forms"] == {"user": "forced"}
    with closing(sqlite3.connect(tmp_path / "run" / "calls.sqlite")) as connection:
        (pages,) = connection.execute("SELECT count(DISTINCT parts) FROM calls WHERE cache_hit = 0").fetchone()
    assert found[0] == 10 * pages


def test_speech_and_calibration_cost_what_their_dry_runs_said(server, tmp_path):
    run = tmp_path / "run"
    assert main(["run", "demo", "--n-users", "30", "--seed", "5", "--out", str(run), "--quiet"]) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    model = ["--model", "openai-compatible/chaos", "--base-url", server.base_url, "--quiet"]
    speak = ["speak", str(run), "--reviews", "5", "--reasons", "5", "--interviews", "5", *model]
    served = server.served
    assert main([*speak, "--dry-run", "--json", str(tmp_path / "speech.json")]) == 0
    assert server.served == served
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert main(speak) == 0
    assert_foretold(tmp_path / "speech.json", used(run))
    calibrate = ["calibrate", "fictional", str(tmp_path / "c.json"), "--n-users", "10", "--seed", "1", *model]
    served = server.served
    assert main([*calibrate, "--dry-run", "--json", str(tmp_path / "told.json")]) == 0
    assert (server.served, (tmp_path / "c.json").exists()) == (served, False)
    assert main(calibrate) == 0
    assert json.loads((tmp_path / "told.json").read_text())["calls"]["value"] == server.served - served >= 20


def test_personas_cost_what_their_dry_run_said_once_somebody_consents(server, tmp_path, capsys):
    personas = ["personas", "fictional", str(tmp_path / "p.json"), "--n-users", "12", "--seed", "1", "--quiet"]
    personas += ["--model", "openai-compatible/chaos", "--base-url", server.base_url]
    priced = ["--set", f"models.user.prices={json.dumps(PRICES)}"]
    served = server.served
    assert main([*personas, *priced, "--dry-run", "--json", str(tmp_path / "told.json")]) == 0
    assert server.served == served
    assert sorted(path.name for path in tmp_path.iterdir()) == ["told.json"]
    dear = ["--set", 'models.user.prices={"input": 1000, "output": 1000}']
    assert main([*personas, *dear]) == 2
    assert "without anyone to ask, expected consent; pass --yes" in capsys.readouterr().err
    assert not (tmp_path / "p.json").exists()
    assert main([*personas, *dear, "--yes"]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    with closing(sqlite3.connect(tmp_path / "p.calls.sqlite")) as connection:
        calls, read, _ = connection.execute(USED, ["user"]).fetchone()
    assert (told["calls"]["value"], told["forms"]) == (calls, {"user": "text"})
    assert told["prompt_tokens"]["value"] == pytest.approx(read, rel=0.2)
    assert told["cost"]["value"] > 0


def test_an_audit_costs_what_its_dry_run_said(server, tmp_path):
    model = ["--model", "openai-compatible/chaos", "--base-url", server.base_url, "--yes", "--quiet"]
    audit = ["audit", "slots", "--data", "fictional", "--n-users", "8", "--seed", "3", *model, "--out", str(tmp_path / "audit")]
    served = server.served
    assert main([*audit, "--dry-run", "--json", str(tmp_path / "told.json")]) == 0
    assert (server.served, (tmp_path / "audit").exists()) == (served, False)
    assert main(audit) == 0
    assert_foretold(tmp_path / "told.json", used(tmp_path / "audit"))


@pytest.mark.parametrize("name", ["injection", "item-agents"])
def test_the_texts_of_an_audit_are_foretold(name, tmp_path):
    audit = ["audit", name, "--data", "fictional", "--n-users", "3", "--seed", "3", "--model", "scripted/genres", "--quiet"]
    assert main([*audit, "--dry-run", "--json", str(tmp_path / "told.json")]) == 0
    assert main([*audit, "--out", str(tmp_path / "audit")]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    with closing(sqlite3.connect(tmp_path / "audit" / "calls.sqlite")) as connection:
        (calls,) = connection.execute("SELECT count(*) FROM calls WHERE cache_hit = 0").fetchone()
    assert told["calls"]["value"] == calls


def test_a_part_of_many_users_speaks_for_all(tmp_path, monkeypatch):
    scenario = load_scenario(
        "demo",
        {
            "users.model": "language",
            "models.user.name": "scripted/genres",
            "users.count": 60,
            "max_pages": 3,
            "seed": 2,
            "recommenders": ["random"],
        },
    )
    whole = forecast_run(scenario)
    monkeypatch.setattr("recsim_llm.scenarios.dry_run._USERS", 20)
    part = forecast_run(scenario)
    assert (part.users, part.everyone) == (20, 60)
    assert part.calls.value == pytest.approx(whole.calls.value, rel=0.2)
    assert part.calls.high - part.calls.low > whole.calls.high - whole.calls.low


def test_what_nobody_measured_is_said(server, capsys):
    command = [part for part in arguments(server, "auto") if part != "--quiet"]
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "the form is a guess for user; `recsim-llm probe` finds it out" in said
    assert "unknown; `recsim-llm probe` measures it" in said
    assert main(["probe", "openai-compatible/chaos", "--base-url", server.base_url, "--quiet"]) == 0
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "is a guess" not in said
    assert " s\n" in said


def test_the_time_of_a_model_here_is_foretold_once_it_was_probed(capsys):
    small = {"users.model": "language", "users.count": 5, "recommenders": ["random"]}
    scenario = load_scenario("demo", {**small, "models.user": {"name": "scripted/genres"}})
    assert forecast_run(scenario).seconds is None
    assert main(["probe", "scripted/genres", "--quiet"]) == 0
    found = forecast_run(scenario)
    assert found.seconds.value > 0.0
    said = next(line for line in found.lines() if line.startswith("time"))
    assert " 0 [0, 0] s" not in said


def test_without_a_model_nothing_will_be_asked(capsys):
    assert main(["compare", "demo", "--dry-run"]) == 0
    assert capsys.readouterr().out == "no language model will be asked\n"
