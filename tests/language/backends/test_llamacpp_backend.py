"""A llama.cpp server of our own, with a tiny model: the same answers whatever ran before, and no process left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest
from patience import PATIENCE

pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")
pytest.importorskip("xllamacpp", reason="needs recsim_llm[small-models]")

import contextlib

from gguf_file import write_gguf
from tiny_language_model import make_tiny_model

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.backends import llama_server
from recsim_llm.language.backends.llamacpp_backend import open_llamacpp
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.wire import Abilities

ABILITIES = Abilities(elicitations=("forced",), forced="grammar", slots=1)
LEADS = ("first, take it?", "and the second one, would you?", "leave now?")
RUN_THAT_IS_KILLED = """
import asyncio, os, signal, sys
from recsim_llm.language.backends.llamacpp_backend import open_llamacpp
backend = open_llamacpp(sys.argv[1])
asyncio.run(backend._server.start(backend))
if sys.argv[2] == "copy":
    # A copy of the run holds the other end of the server's input.
    if os.fork() == 0:
        import time
        time.sleep(600)
        os._exit(0)
print(backend._server._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
PROBE_THAT_IS_STOPPED = """
import os, signal, sys
from recsim_llm.cli.main import main
from recsim_llm.language.backends.llama_server import LlamaServer
start = LlamaServer.start
async def stop(server, user):
    address = await start(server, user)
    if not told:
        told.append(server._process.pid)
        os.kill(os.getpid(), signal.SIGTERM)
    return address
told = []
LlamaServer.start = stop
status = main(["probe", sys.argv[1]])
print(*told)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A GGUF file."""
    folder = make_tiny_model(tmp_path_factory.mktemp("llama") / "tiny", 1)
    return write_gguf(folder, folder.parent / "tiny.gguf")


def call(user, lead, page=1):
    parts = (
        Part("rules", "You browse films. " * 20),
        Part("persona", f"You are {user}. " * 20),
        Part("page", f"Page {page}. " * 9),
    )
    return prepare(Ask(Prompt(parts), (yes_no("click_1", "Click?", lead),)), "forced", forced="grammar")


def answers(model, calls):
    """Return the alternatives of the answer's token of each call, one after another, of a server of their own."""

    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            return [(await backend.send(one)).tokens[0][-1].alternatives for one in calls]
        finally:
            await backend.close()

    return asyncio.run(main())


def test_answers_are_the_same_bits_whatever_ran_before(model):
    (alone,) = answers(model, [call("Ada", LEADS[2], page=2)])
    after_the_page = answers(model, [call("Ada", lead, page=2) for lead in LEADS])[-1]
    others = [call(user, LEADS[0], page=page) for page in (1, 2) for user in ("Bob", "Ada", "Cleo")]
    after_others = answers(model, [*others, call("Ada", LEADS[2], page=2)])[-1]
    assert len(alone) > 1
    assert after_the_page == alone
    assert after_others == alone


def test_a_call_that_comes_while_another_is_answered_changes_nothing_about_it(model):
    # Stars take two tokens: while the first one is computed the next call arrives, which is about somebody else.
    stars = score("stars_1", "Stars?", lead="first, stars:")
    calls = [call(user, LEADS[0])._replace(questions=(stars,)) for user in ("Ada", "Bob", "Cleo") * 8]

    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            return await asyncio.gather(*(backend.send(one) for one in calls))
        finally:
            await backend.close()

    seen = defaultdict(set)
    for one, reply in zip(calls, asyncio.run(main()), strict=True):
        # Of the two ways to begin, a blank or a blank with a digit, the server draws one; behind the digit nothing is open.
        seen[one.messages].update(token.alternatives for token in reply.tokens[0] if len(token.alternatives) > 1)
    assert sorted(map(len, seen.values())) == [2, 2, 2]


def test_a_call_that_is_sent_again_is_read_from_its_beginning(model):
    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            return [await backend.send(call("Ada", LEADS[place])) for place in (0, 1, 1, 2)]
        finally:
            await backend.close()

    _, first, again, other = asyncio.run(main())
    assert first.usage.cached > 0
    assert again.usage.cached == 0
    assert again.tokens[0][-1].alternatives == first.tokens[0][-1].alternatives
    # What was read anew is kept for the next question.
    assert other.usage.cached > 0


def test_of_a_users_next_page_only_the_page_is_read(model):
    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            usages = [(await backend.send(call(user, LEADS[0], page=page))).usage for page in (1, 2) for user in ("Ada", "Bob")]
        finally:
            await backend.close()
        return usages

    first, other, again, _ = asyncio.run(main())
    assert first.cached == 0
    assert 0 < other.cached < again.cached
    assert again.prompt - again.cached < 0.4 * again.prompt


def test_the_name_is_that_of_the_content(model, tmp_path):
    copy = tmp_path / "tiny.gguf"
    copy.write_bytes(model.read_bytes())
    assert open_llamacpp(copy).name == open_llamacpp(model).name
    copy.write_bytes(model.read_bytes()[:-4] + b"\0\0\0\x40")
    assert open_llamacpp(copy).name != open_llamacpp(model).name


def test_after_a_crash_the_next_call_starts_another_server(model):
    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            before = await backend.send(call("Ada", LEADS[0]))
            process = backend._server._process
            process.kill()
            process.wait(PATIENCE)
            after = await backend.send(call("Ada", LEADS[0]))
        finally:
            await backend.close()
        return before, after

    before, after = asyncio.run(main())
    # Which of them was drawn says nothing.
    assert after.tokens[0][-1].alternatives == before.tokens[0][-1].alternatives


def test_a_crash_in_a_call_is_told_and_can_be_tried_again(model):
    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            await backend._server.start(backend)
            process = backend._server._process
            process.send_signal(signal.SIGSTOP)
            sent = asyncio.create_task(backend.send(call("Ada", LEADS[0])))
            await asyncio.sleep(0)
            process.kill()
            await asyncio.to_thread(process.wait, PATIENCE)
            with pytest.raises(BackendError, match=r"the server ended \(exit status -9\)") as crash:
                await sent
        finally:
            await backend.close()
        return crash.value

    error = asyncio.run(main())
    assert error.cause == "connection"
    assert error.retryable


def test_close_ends_the_server_once_nobody_uses_it(model):
    async def main():
        one = open_llamacpp(model).with_abilities(ABILITIES)
        other = one.with_abilities(ABILITIES)
        await one.send(call("Ada", LEADS[0]))
        await other.send(call("Ada", LEADS[1]))
        process = one._server._process
        await one.close()
        assert process.poll() is None
        await other.close()
        await other.close()
        assert process.poll() is not None
        with pytest.raises(ConfigError, match="got a call after close"):
            await other.send(call("Ada", LEADS[0]))

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("copies", ["alone", "copy"])
def test_a_run_that_is_killed_leaves_no_server(model, copies):
    run = subprocess.Popen(
        [sys.executable, "-c", RUN_THAT_IS_KILLED, str(model), copies],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    server = int(run.stdout.readline())
    try:
        assert run.wait(PATIENCE) == -signal.SIGKILL
        ended = time.monotonic() + PATIENCE
        while is_running(server) and time.monotonic() < ended:
            time.sleep(0.05)
        assert not is_running(server)
    finally:
        run.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        # What nobody has waited for is still listed.
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return os.path.isdir("/proc/self") is False


def test_a_file_that_is_no_model_is_one_line(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF tokenizer.chat_template" + bytes(1000))
    with pytest.raises(
        ConfigError, match=r"^model [^\n]*broken\.gguf: cannot be loaded \([^\n]*GGUF file is version [^\n]*get it again[^\n]*$"
    ):
        answers(path, [call("Ada", LEADS[0])])


def test_of_a_file_that_was_cut_off_llama_cpps_own_error_is_told(model, tmp_path):
    path = tmp_path / "cut.gguf"
    path.write_bytes(model.read_bytes()[:-5000])
    with pytest.raises(ConfigError, match=r"cannot be loaded \([^\n]*corrupted or incomplete\), expected a GGUF file[^\n]*$"):
        answers(path, [call("Ada", LEADS[0])])


def test_a_package_that_cannot_be_imported_is_told_and_not_the_file(model, tmp_path, monkeypatch):
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('no such library')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(
        ConfigError, match=r"^xllamacpp cannot be imported \(ImportError: no such library\), [^\n]*; pip install xllamacpp$"
    ):
        answers(model, [call("Ada", LEADS[0])])


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_signal_in_a_probe_is_one_line_and_the_server_ends_first(model, tmp_path):
    command = [sys.executable, "-c", PROBE_THAT_IS_STOPPED, f"llamacpp/{model}"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (
        143,
        "recsim-llm: stopped by SIGTERM; nothing is left half-written; the same command begins anew\n",
    )
    assert not is_running(int(done.stdout))


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    path = tmp_path / "plain.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(ConfigError, match=r"got no chat template, expected a model trained for chat"):
        open_llamacpp(path)


def test_the_package_that_is_missing_is_named(model, monkeypatch):
    monkeypatch.setattr(llama_server, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"got no package xllamacpp, [^\n]*; pip install xllamacpp$"):
        open_llamacpp(model)


def test_what_is_no_model_is_refused():
    with pytest.raises(ConfigError, match=r"got neither a GGUF file nor a packaged model, expected .* smollm2, gemma3-270m$"):
        open_llamacpp("smollm")


def test_nobody_without_the_key_is_answered(model):
    import urllib.error
    import urllib.request

    async def main():
        backend = open_llamacpp(model).with_abilities(ABILITIES)
        try:
            address = await backend._server.start(backend)
            with pytest.raises(urllib.error.HTTPError) as refusal:
                await asyncio.to_thread(urllib.request.urlopen, f"{address}/v1/chat/completions", b"{}")
            refusal.value.close()
            return refusal.value.code
        finally:
            await backend.close()

    assert asyncio.run(main()) == 401
