"""A real server, ``transformers serve``, with a tiny model: what our clients reach, and what a probe finds it to overlook."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from patience import PATIENCE

pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")
pytest.importorskip("uvicorn", reason="needs transformers[serving]")

from tiny_language_model import make_tiny_model

from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.elicitation import prepare, read, write_call
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.base.questions import Ask, Part, Prompt, choice, score, yes_no
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.probing.probe import probe, require

pytestmark = pytest.mark.slow

PROMPT = Prompt((Part("rules", "You browse films."), Part("page", '<page>\n1. "Title" (1999) | Comedy\n</page>')))
QUESTIONS = (yes_no("click_1", "Click?"), score("stars_1", "Stars?"), choice("next", "And then?", ("another", "leave")))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Folder of the model and address of a server that is ready."""
    folder = make_tiny_model(tmp_path_factory.mktemp("served") / "tiny", 1, hidden=16, layers=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shutil.which("transformers", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--log-level", "error"]
    settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    with (folder.parent / "log").open("wb") as log:
        process = subprocess.Popen([command, "serve", str(folder), *options], env=os.environ | settings, stdout=log, stderr=log)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}", folder.parent / "log")
        yield str(folder), f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_healthy(process, address, log):
    for _ in range(int(PATIENCE * 10)):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"no answer: {log.read_text(errors='replace')[-3000:]}")


def open_server(server, abilities=None):
    folder, address = server
    return OpenAIBackend(
        folder, base_url=address, api_key="none", timeout=PATIENCE, abilities=abilities, provider="openai-compatible"
    )


def send(server, call, abilities=None):
    async def main():
        backend = open_server(server, abilities)
        try:
            return await backend.send(call)
        finally:
            await backend.close()

    return asyncio.run(main())


@pytest.fixture(scope="module")
def report(server):
    """What the probe found; few calls at once are enough here."""
    return probe(open_server(server), most_concurrent=2)


def test_the_decision_endpoint_answers_over_plain_http(server):
    folder, address = server
    body = {
        "model": folder,
        "state": "a page of films",
        "questions": {
            "click": {"type": "noul", "instructions": "Would you click?"},
            "stars": {"type": "score", "instructions": "Stars?", "criteria": ["one", "two", "three"]},
        },
    }
    request = urllib.request.Request(
        f"{address}/systemone", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        answers = json.load(response)["answers"]
    assert 0 < answers["click"]["noul"] < 1
    assert sum(answers["stars"]["probabilities"].values()) == pytest.approx(1)


def test_the_client_gets_text(server):
    reply = send(server, write_call(PROMPT, 5, 0.0))
    assert reply.finish in ("stop", "length")
    assert reply.usage.prompt > 0


def test_the_client_gets_decisions(server):
    call = prepare(Ask(PROMPT, QUESTIONS), "decision")
    reply = send(server, call, Abilities(elicitations=("decision",), decision_path="/systemone"))
    for answer in read(call, reply, "decision"):
        assert len(answer.probabilities) == len(answer.question.options)
        assert sum(answer.probabilities) == pytest.approx(1)
    assert [sum(chances) for chances in reply.probabilities] == pytest.approx([1, 1, 1], abs=1e-3)


@pytest.mark.parametrize(("ability", "answer"), [("json", "ignored"), ("logprobs", "no"), ("decision", "yes")])
def test_the_probe_finds_what_works(report, ability, answer):
    (found,) = [finding for finding in report.findings if finding.ability == ability]
    assert found.answer == answer
    assert (ability in report.abilities.elicitations) == (answer == "yes")


def test_the_decision_endpoint_is_found_under_its_path(report):
    assert report.abilities.decision_path == "/systemone"


@pytest.mark.parametrize("elicitation", ["json", "logprobs"])
def test_an_elicitation_that_the_server_overlooks_is_refused_by_name(report, elicitation):
    with pytest.raises(ConfigError, match=f"got realisation '{elicitation}' for openai-compatible/.*expected one of decision"):
        require(report.abilities, elicitation, report.model)
