"""A real server, llama.cpp's ``llama-server``, with a tiny model: schema, log-probabilities, samples, seeds.

Runs where the environment variable RECSIM_LLM_LLAMA_SERVER names the program; docs/servers/llama-cpp.md says how to build it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from patience import PATIENCE

pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")

from gguf_file import write_gguf
from tiny_language_model import make_tiny_model

from recsim_llm.language.answers.elicitation import prepare, write_call
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.wire import Call, Message
from recsim_llm.language.probing.probe import probe

PROGRAM = Path(os.environ.get("RECSIM_LLM_LLAMA_SERVER", ""))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PROGRAM.is_file(), reason="RECSIM_LLM_LLAMA_SERVER names no llama-server; see docs/servers/llama-cpp.md"
    ),
]

PROMPT = Prompt((Part("rules", "You browse films."), Part("page", '<page>\n1. "Title" (1999) | Comedy\n</page>')))
QUESTIONS = (yes_no("click_1", "Click?"), score("stars_1", "Stars?"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of the model."""
    return make_tiny_model(tmp_path_factory.mktemp("llama") / "tiny", 1, context=8192)


@pytest.fixture(scope="module")
def address(folder):
    """Address of a server that is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = write_gguf(folder, folder.parent / "tiny.gguf")
    options = [
        "--model",
        model,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--parallel",
        "8",
        "--ctx-size",
        "65536",
        "--threads",
        "1",
    ]
    with (folder.parent / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *options], stdout=log, stderr=log)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}", folder.parent / "log")
        yield f"http://127.0.0.1:{port}/v1"
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


def open_server(address):
    settings = {"api_key": "none", "abilities": None, "provider": "openai-compatible"}
    return OpenAIBackend("tiny", base_url=address, timeout=PATIENCE, **settings)


def send(address, call):
    async def main():
        backend = open_server(address)
        try:
            return await backend.send(call)
        finally:
            await backend.close()

    return asyncio.run(main())


def test_a_schema_is_obeyed(address):
    call = prepare(Ask(PROMPT, QUESTIONS), "json")
    stated = json.loads(send(address, call).texts[0])
    assert set(stated) == {"click_1", "stars_1"}
    assert 0 <= stated["click_1"] <= 100
    assert len(stated["stars_1"]) == 5


def test_each_token_has_twenty_alternatives(address):
    reply = send(address, prepare(Ask(PROMPT, QUESTIONS), "logprobs")._replace(max_tokens=4))
    for token in reply.tokens[0]:
        assert len(token.alternatives) >= 20
        assert 0 < sum(math.exp(chance) for _, chance in token.alternatives) <= 1.001


def test_the_first_token_is_as_likely_as_in_transformers(address, folder):
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    call = write_call(PROMPT, 1, 0.0)._replace(logprobs=True)
    (token, *_), *_ = send(address, call).tokens
    tokenizer, model = AutoTokenizer.from_pretrained(folder), LlamaForCausalLM.from_pretrained(folder)
    messages = [{"role": message.role, "content": message.content} for message in call.messages]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    numbers = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        chances = torch.log_softmax(model(numbers).logits[0, -1].float(), dim=-1)
    expected = sorted(chances.tolist(), reverse=True)[:20]
    assert sorted((chance for _, chance in token.alternatives), reverse=True)[:20] == pytest.approx(expected, abs=0.01)


def test_one_call_brings_several_samples(address):
    call = Call("text", (Message("system", "You invent."), Message("user", "Words.")), (), 1.0, 16, samples=4)
    texts = send(address, call).texts
    assert len(texts) == 4
    assert len(set(texts)) > 1


@pytest.mark.parametrize("ability", ["answers", "seed", "n", "prefix_cache"])
def test_the_probe_finds_what_works(address, ability):
    report = probe(open_server(address), most_concurrent=2)
    assert {finding.ability: finding.answer for finding in report.findings}[ability] == "yes"
