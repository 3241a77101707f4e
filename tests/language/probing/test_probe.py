"""Probing a server: what it only pretends is found out, what it can do is kept."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from recsim_llm.errors import BackendError, ConfigError, DataError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.backends import scripted_forms
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.http_backend import Response
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.scripted import Scripted, ScriptedReplies, resolve_script
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.base.wire import Abilities, RawReply, TokenChoice, TokenUsage
from recsim_llm.language.chaos import requests
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.language.probing.probe import ProbeFinding, ProbeReport, load_probe, probe, probe_backend, require, save_probe
from recsim_llm.language.probing.probe_bursts import find_concurrency
from recsim_llm.language.probing.probe_checks import Checks
from recsim_llm.language.probing.probe_choice import rank
from recsim_llm.language.probing.probe_costs import CostMeter, WayCost
from recsim_llm.language.probing.probe_page import ASK
from recsim_llm.language.probing.probe_report import UNFINISHED, probe_file
from recsim_llm.language.providers import Roles, probe_model

EVERYTHING = ("decision", "logprobs", "forced", "json", "samples")


@contextmanager
def chaos(script="genres", **settings):
    with ChaosServer(script, seed=1, **settings) as server:
        yield server


def probed(backend_class=AiohttpBackend, *, key="sk-planted-key", most_concurrent=2, **settings):
    """Probe a server with these settings."""
    with chaos(**settings) as server:
        return probe(backend_class("chaos", base_url=server.base_url, api_key=key), most_concurrent=most_concurrent)


def answers(report):
    return {finding.ability: finding.answer for finding in report.findings}


@pytest.mark.parametrize("backend_class", [AiohttpBackend, OpenAIBackend])
@pytest.mark.parametrize("decision", ["systemone", "decisions"])
def test_a_server_that_can_do_everything_is_seen_to(backend_class, decision):
    report = probed(backend_class, decision=decision)
    # Its script is that of a shopper, who asks for no tools.
    assert {ability for ability, answer in answers(report).items() if answer != "yes"} == {"tools"}, report.rows()
    assert report.abilities == Abilities(
        elicitations=EVERYTHING,
        samples=8,
        seed=True,
        prefix_cache=True,
        concurrency=report.abilities.concurrency,
        decision_path=f"/{decision}",
        forced="chat",
        schemas=True,
        context=1 << 17,
    )
    assert tuple(report.costs) == EVERYTHING


def test_a_model_that_calls_tools_is_seen_to():
    report = probed(script="agent")
    assert (answers(report)["tools"], report.abilities.tools) == ("yes", True)


KEPT = {"kind": "north", "told": {"code": 418, "line": "Wuu"}}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"entries": [KEPT, KEPT]}, "yes"),
        ({"entries": [KEPT, {"kind": "south", "told": KEPT["told"] | {"more": False}}]}, "yes"),
        ({"entries": [KEPT] * 3}, "no"),
        ({"entries": [KEPT, KEPT | {"kind": "west"}]}, "no"),
        ({"entries": [KEPT, {"kind": "north", "told": {"code": 7, "line": "Wuu"}}]}, "no"),
        ({"entries": [KEPT, {"kind": "north", "told": {"code": True, "line": "Wuu"}}]}, "no"),
        ({"entries": [KEPT, {"kind": "north", "told": {"code": 418, "line": "The wind blows"}}]}, "no"),
        ({"entries": [KEPT, {"kind": "north", "told": {"code": 418}}]}, "no"),
        ({"entries": [KEPT, {"kind": "north", "told": KEPT["told"] | {"other": 1}}]}, "no"),
        ("The wind blows", "no"),
        (BackendError("refused", "400: maxLength is not supported", retryable=False, status=400), "refused (400, refused)"),
    ],
)
def test_schemas_are_kept_where_every_part_of_one_is(said, answer):
    reply = said if isinstance(said, BackendError) else RawReply((json.dumps(said),))
    stand_in = ScriptedReplies([reply])
    checks = Checks(stand_in, most_concurrent=1)
    checks._keeps_schema = True
    finding = asyncio.run(checks._look("schemas", checks._schemas))
    assert (finding.answer, checks.abilities.schemas) == (answer, answer == "yes")
    assert stand_in.calls[0].form == "json"


def test_a_server_that_overlooks_tools_has_none():
    report = probed()
    assert (answers(report)["tools"], report.abilities.tools) == ("no", False)


@pytest.mark.parametrize(
    ("settings", "ability", "answer", "lost"),
    [
        ({"schema": False}, "json", "ignored", "json"),
        ({"logprobs": False}, "logprobs", "ignored", "logprobs"),
        ({"decision": None}, "decision", "no", "decision"),
        ({"seeded": False}, "seed", "ignored", None),
    ],
)
def test_what_a_server_overlooks_is_found_out(settings, ability, answer, lost):
    report = probed(**{"decision": "systemone"} | settings)
    besides = {"tools": "no"} | ({"schemas": "no"} if lost == "json" else {})
    assert {name: found for name, found in answers(report).items() if found != "yes"} == {ability: answer} | besides
    assert report.abilities.schemas is (lost != "json")
    # Without log-probabilities a question asked alone is answered by samples, which come last.
    ways = ("decision", "json", "samples", "forced") if lost == "logprobs" else EVERYTHING
    assert report.abilities.elicitations == tuple(way for way in ways if way != lost)
    assert report.abilities.seed is (ability != "seed")
    assert bool(report.abilities.decision_path) is (ability != "decision")


@pytest.mark.parametrize("backend_class", [AiohttpBackend, OpenAIBackend])
@pytest.mark.parametrize(("lone", "context"), [(None, 2048), ("grammar", 1024), (None, None), ("grammar", None)])
def test_the_context_that_a_server_tells_is_found(backend_class, lone, context):
    async def look(base_url):
        backend = backend_class("chaos", base_url=base_url, api_key="none")
        try:
            return await backend.read_properties()
        finally:
            await backend.close()

    with chaos(lone=lone, context=context) as server:
        told = asyncio.run(look(server.base_url))
    assert (told.context, told.slots) == (context, 4 if lone == "grammar" else 0)


async def properties_of(answers):
    """Read the properties of a server whose two addresses answer in a certain way."""

    class Told(AiohttpBackend):
        async def _get(self, address):
            return Response(200, {}, json.dumps(answers["props" if address.endswith("/props") else "models"]).encode())

    backend = Told("own", base_url="http://127.0.0.1:9/v1", api_key="none")
    try:
        return (await backend.read_properties()).context
    finally:
        await backend.close()


@pytest.mark.parametrize(
    ("props", "models", "context"),
    [
        ({"default_generation_settings": {"n_ctx": 512}}, {"data": [{"id": "own", "max_model_len": 4096}]}, 512),
        ({"default_generation_settings": {"n_ctx": 512}}, {"data": [{"id": "own", "meta": {"n_ctx_train": 8192}}]}, 512),
        ({}, {"data": [{"id": "other", "max_model_len": 4096}]}, None),
        ({"default_generation_settings": {"n_ctx": 0}}, {"data": [{"id": "own", "max_model_len": True}]}, None),
        ({"default_generation_settings": []}, {"data": [3]}, None),
        ([], "models", None),
    ],
)
def test_what_is_told_of_a_context_is_believed_only_where_it_is_the_models_own(props, models, context):
    assert asyncio.run(properties_of({"props": props, "models": models})) == context


def test_json_whose_percentages_do_not_sum_to_100_works_only_where_they_are_renormalised(monkeypatch):
    monkeypatch.setattr(scripted_forms, "_percents", lambda chances: [5 + round(50 * chance) for chance in chances])
    report = probed()
    assert answers(report)["json"] == "no"
    assert report.abilities.elicitations == ("logprobs", "forced", "samples")
    assert report.abilities.ways(True) == report.abilities.renormalised == ("logprobs", "forced", "json", "samples")
    with pytest.raises(ConfigError, match=r"--set models\.user\.renormalise=true"):
        require(report.abilities, "json", report.model)
    require(report.abilities, "json", report.model, renormalise=True)
    assert ProbeReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_tells_what_it_cost_and_where_it_looked():
    with chaos() as server:
        report = probe(AiohttpBackend("chaos", base_url=server.base_url, api_key="none"), most_concurrent=2)
        assert report.calls == server.requests.total()
    assert (report.model, report.base_url) == ("openai-compatible/chaos", server.base_url)
    assert report.latency_seconds > 0
    assert report.prompt_tokens > 0
    assert report.when.endswith("+00:00")


def test_a_server_that_refuses_the_key_is_asked_nothing_more():
    report = probed(api_key="another")
    assert report.calls == 1
    assert answers(report).pop("answers") == "refused (401, authentication)"
    assert {finding.answer for finding in report.findings[1:]} == {"unknown"}
    assert report.abilities.elicitations == ()
    assert not report.answers
    assert "sk-planted-key" not in repr(report)


def test_a_model_that_the_server_does_not_have_is_refused():
    with chaos() as server:
        report = probe(AiohttpBackend("other", base_url=server.base_url, api_key="none"), most_concurrent=1)
    assert answers(report)["answers"] == "refused (404, refused)"
    assert not report.answers


def test_failures_that_pass_are_not_taken_for_missing_abilities():
    rates = dict.fromkeys(("rate_limit", "rate_limit_bare", "server_error", "overloaded", "reset", "truncated", "html"), 0.12)

    async def run(base_url):
        waits = []

        async def pause(seconds):
            waits.append(seconds)

        checks = Checks(AiohttpBackend("chaos", base_url=base_url, api_key="none"), most_concurrent=1, pause=pause)
        try:
            return await checks.run(), checks.abilities, waits
        finally:
            await checks._backend.close()

    faults = Faults(rates, retry_after=0.0)
    with chaos(decision="systemone", faults=faults) as server:
        findings, abilities, waits = asyncio.run(run(server.base_url))
        assert server.faults.total() > 10
    assert abilities.elicitations == EVERYTHING, findings
    assert max(waits) <= 5


def test_a_probe_leaves_the_backend_as_it_was():
    with chaos() as server:
        backend = AiohttpBackend("chaos", base_url=server.base_url, api_key="none", abilities=Abilities(elicitations=("json",)))
        probe(backend, most_concurrent=1)
        assert backend.abilities == Abilities(elicitations=("json",))
        again = asyncio.run(probed_and_closed(backend))
    assert again.answers


async def probed_and_closed(backend):
    try:
        return await probe_backend(backend, most_concurrent=1)
    finally:
        await backend.close()


def test_a_probe_runs_where_an_event_loop_runs_already():
    async def notebook(base_url):
        return probe(AiohttpBackend("chaos", base_url=base_url, api_key="none"), most_concurrent=1)

    with chaos() as server:
        assert asyncio.run(notebook(server.base_url)).answers


def test_an_interrupted_probe_is_broken_off(monkeypatch):
    started, broken_off = threading.Event(), threading.Event()

    class Silent:
        name, local, abilities = "test/silent", True, None

        async def send(self, call):
            started.set()
            try:
                await asyncio.wait_for(asyncio.get_running_loop().create_future(), 20)
            except asyncio.CancelledError:
                broken_off.set()
                raise

    def interrupted(future, timeout=None):
        started.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(concurrent.futures.Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe(Silent())
    assert broken_off.wait(20)


def test_a_model_in_this_process_is_probed_too():
    report = probe(Scripted(resolve_script("genres")), most_concurrent=1)
    assert report.base_url == ""
    # One call either way: questions asked alone go before a list of them.
    assert report.abilities.elicitations == ("decision", "forced", "logprobs", "json", "samples")


def test_a_reply_that_no_schema_bound_is_not_taken_for_json():
    fenced = RawReply(('```json\n{"code": 417}\n```',))
    replies = ScriptedReplies([fenced])
    assert asyncio.run(Checks(replies, most_concurrent=1)._json())[0] == "ignored"


class AlwaysTheSame(Scripted):
    """A model that overlooks the temperature, as ``transformers serve`` does for some."""

    async def send(self, call):
        return await super().send(call._replace(temperature=0.0))


def test_samples_that_do_not_vary_are_no_samples():
    report = probe(AlwaysTheSame(resolve_script("genres")), most_concurrent=1)
    assert answers(report)["samples"] == "ignored"
    assert "samples" not in report.abilities.elicitations


@pytest.mark.parametrize(
    ("texts", "answer", "samples"),
    [(("a",), "ignored", 1), (("a",) * 8, "no", 1), (("a", "b"), "no", 2), (tuple("abcdefgh"), "yes", 8)],
)
def test_several_replies_count_if_they_differ(texts, answer, samples):
    checks = Checks(ScriptedReplies([RawReply(texts)]), most_concurrent=1)
    assert asyncio.run(checks._several())[0] == answer
    assert checks.abilities.samples == samples


@pytest.mark.parametrize(("texts", "answer"), [("aaab", "yes"), ("aabb", "ignored"), ("abca", "ignored"), ("aaaa", "unknown")])
def test_a_seed_must_hold_and_must_matter(texts, answer):
    checks = Checks(ScriptedReplies([RawReply((text,)) for text in texts]), most_concurrent=1)
    assert asyncio.run(checks._seed())[0] == answer
    assert checks.abilities.seed is (answer == "yes")


# One question alone


@pytest.mark.parametrize("backend_class", [AiohttpBackend, OpenAIBackend])
@pytest.mark.parametrize(("lone", "way"), [("grammar", "grammar"), ("prefill", "prefill"), ("completions", "completions")])
def test_the_most_exact_way_to_ask_one_question_is_found(backend_class, lone, way):
    report = probed(backend_class, lone=lone)
    assert report.abilities.forced == way, report.rows()
    assert report.abilities.slots == (4 if way == "grammar" else 0)
    assert answers(report)["repeatable"] == "yes"


def test_a_model_that_keeps_no_format_is_asked_one_question_at_a_time():
    class Rambling(Scripted):
        """Writes prose whatever is asked, and lists the answers where a reply is begun for it."""

        async def send(self, call):
            reply = await super().send(call)
            return reply if call.form in ("forced", "text") else replace(reply, texts=("It is a fine page.",), tokens=())

    report = probe(Rambling(resolve_script("genres")), most_concurrent=1)
    assert report.abilities.elicitations == ("decision", "forced")
    assert answers(report)["labels"] == "no"
    assert answers(report)["logprobs"] == "no"


@pytest.mark.parametrize(
    ("working", "forced", "cheap", "order"),
    [
        (("json", "forced"), "grammar", True, ("forced", "json")),
        (("json", "forced"), "chat", False, ("json", "forced")),
        (("samples", "forced"), "chat", False, ("forced", "samples")),
        (("forced", "samples"), "samples", True, ("samples", "forced")),
        (("forced", "logprobs"), "grammar", True, ("logprobs", "forced")),
        # In this process all questions are one call.
        (("json", "logprobs", "forced", "decision"), "", True, ("decision", "forced", "logprobs", "json")),
    ],
)
def test_exact_ways_go_first_where_they_are_cheap(working, forced, cheap, order):
    assert rank(working, Abilities(elicitations=(), forced=forced), cheap=cheap) == order


def test_a_report_says_why_a_way_is_taken():
    report = replace(
        REPORT,
        findings=(ProbeFinding("answers", "yes", ""), ProbeFinding("logprobs", "no", "")),
        abilities=Abilities(elicitations=("forced",), forced="grammar"),
    )
    assert report.rows()[-1] == (
        "a run takes",
        "forced",
        "the model's own probabilities, a call a question behind one page (logprobs no)",
    )


# Time


def test_what_a_timeout_hides_is_looked_for_again():
    slow = BackendError("timeout", "got no end", retryable=True)
    good = RawReply(('{"code": 417}',))
    checks = Checks(ScriptedReplies([slow, good, slow, slow]), most_concurrent=1, pause=no_pause)
    assert asyncio.run(checks._look("json", checks._json)).answer == "unknown"
    assert checks.calls == 4


async def no_pause(_):
    pass


def slowly_probed(seconds, **more):
    """Probe a model that takes so many seconds for a page, and some for a few words; return findings and what it can."""
    clock = Clock()

    class Slow(Scripted):
        async def send(self, call):
            clock.now += seconds["page" if call.questions else "words"]
            return await super().send(call)

    checks = Checks(Slow(resolve_script("genres")), most_concurrent=1, clock=clock, **more)
    return {finding.ability: finding for finding in asyncio.run(checks.run())}, checks.abilities


def test_after_its_time_a_probe_says_what_it_did_not_look_for():
    findings, abilities = slowly_probed({"words": 0.1, "page": 26.0})
    assert findings["decision"].answer == "yes"
    assert abilities.elicitations == ("decision", "forced")
    assert findings["json"] == ProbeFinding("json", "unknown", findings["json"].evidence)
    assert findings["json"].evidence.startswith("not looked for: 50 s are over")


@pytest.mark.parametrize("seconds", [4.0, 30.0])
def test_a_server_that_is_slow_to_answer_is_looked_at_as_closely(seconds):
    findings, abilities = slowly_probed({"words": seconds, "page": seconds})
    assert findings["json"].answer == findings["concurrency"].answer == "yes"
    assert abilities == slowly_probed({"words": 0.0, "page": 0.0})[1]


def test_the_way_that_is_wanted_is_looked_for_first():
    findings, _ = slowly_probed({"words": 0.1, "page": 26.0}, wanted="json")
    assert findings["json"].answer == "yes"
    assert list(findings).index("decision") < list(findings).index("json")
    assert findings["logprobs"].answer == "unknown"
    findings, _ = slowly_probed({"words": 0.1, "page": 26.0}, wanted="logprobs")
    assert findings["logprobs"].answer == "yes"


def test_what_an_earlier_probe_did_not_get_to_is_looked_for_again(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with chaos() as server:
        settings = ModelSettings(name="openai-compatible/chaos", base_url=server.base_url)
        report = probe_model(settings)
        missed = ProbeFinding("json", "unknown", "not looked for: 50 s are over")
        findings = tuple(missed if finding.ability == "json" else finding for finding in report.findings)
        few = replace(report.abilities, elicitations=("samples",))
        save_probe(replace(report, findings=findings, abilities=few))
        asked = settings.model_copy(update={"realisation": "json"})
        with Roles({"user": settings}) as roles:
            assert roles.role("user").elicitation == "samples"
        with Roles({"user": asked}) as roles:
            assert roles.role("user").elicitation == "json"
        save_probe(replace(report, findings=findings, abilities=few))
        monkeypatch.setattr("recsim_llm.language.providers.probe", lambda *_, **__: replace(report, findings=findings))
        with pytest.raises(ConfigError, match=r"did not tell whether it works \(not looked for: 50 s are over"):
            Roles({"user": asked}).role("user")


@pytest.mark.parametrize(
    ("finding", "said", "address"),
    [
        (ProbeFinding("answers", "unknown", f"{UNFINISHED}: 240 s were left"), "when the machine has less to do", ""),
        (ProbeFinding("answers", "refused (404, refused)", "status 404"), "check the address", "http://127.0.0.1:1/v1"),
        (ProbeFinding("answers", "no", "empty"), "try another model", ""),
    ],
)
def test_a_model_without_an_answer_is_told_with_what_may_help(finding, said, address):
    nothing = ProbeReport(
        model="a/b", base_url=address, when="", findings=(finding,), abilities=Abilities(elicitations=(), concurrency=1)
    )
    with pytest.raises(ConfigError, match=said) as caught:
        save_probe(nothing)
    assert "\n" not in str(caught.value)


def test_the_cost_of_a_page_follows_what_was_seen():
    meter, call = CostMeter(), prepare(ASK, "json")
    for read_anew, written in ((100, 1), (300, 50), (500, 10)):
        usage = TokenUsage(prompt=read_anew + 20, cached=20, completion=written)
        meter.add(call, RawReply(("x",), usage=usage), 0.5 + read_anew / 100 + written / 10)
    known = Abilities(elicitations=(), forced="grammar", concurrency=1)
    alone, together = meter.cost("forced", known), meter.cost("json", known)
    assert alone.calls == 22
    assert together.calls == 1
    assert together.seconds == pytest.approx(0.5 + together.read / 100 + together.written / 10, rel=0.01)
    assert alone.cached == pytest.approx(21 / 22 * alone.read, rel=0.1)


# Alternatives of a token


@pytest.mark.parametrize(("cap", "asked"), [(5, 5), (8, 8), (19, 19), (20, 20)])
def test_a_cap_on_alternatives_is_found_and_kept_to(monkeypatch, cap, asked):
    monkeypatch.setattr(requests, "MOST_ALTERNATIVES", cap)
    report = probed()
    assert answers(report)["logprobs"] == "yes"
    assert report.abilities.alternatives == asked
    finding = next(finding for finding in report.findings if finding.ability == "logprobs")
    assert (f"no more than {cap}" in finding.evidence) is (cap < 20)


@pytest.mark.parametrize("cap", [2, 4])
def test_fewer_alternatives_than_options_are_no_way_to_a_decision(monkeypatch, cap):
    monkeypatch.setattr(requests, "MOST_ALTERNATIVES", cap)
    report = probed()
    finding = next(finding for finding in report.findings if finding.ability == "logprobs")
    assert finding.answer == "no"
    assert f"questions of at most {cap} options" in finding.evidence
    assert finding.evidence.endswith("realisations that remain: json, samples, forced")
    assert report.abilities.elicitations == ("json", "samples", "forced")


def test_log_probabilities_that_are_refused_cost_one_more_call(monkeypatch):
    monkeypatch.setattr(requests, "MOST_ALTERNATIVES", 1)
    with chaos() as server:
        checks = Checks(AiohttpBackend("chaos", base_url=server.base_url, api_key="none"), most_concurrent=1)
        finding = asyncio.run(looked_and_closed(checks))
    assert finding.answer == "refused (400, refused)"
    assert checks.calls == 2


async def looked_and_closed(checks):
    try:
        return await checks._look("logprobs", checks._logprobs)
    finally:
        await checks._backend.close()


def test_a_capped_server_is_asked_for_what_it_allows(monkeypatch):
    monkeypatch.setattr(requests, "MOST_ALTERNATIVES", 5)
    with chaos() as server:
        backend = AiohttpBackend("chaos", base_url=server.base_url, api_key="none")
        capped = backend.with_abilities(probe(backend, most_concurrent=1).abilities)
        call = prepare(ASK, "logprobs")
        reply = asyncio.run(sent_and_closed(capped, call))
    assert len(read(call, reply, "logprobs")) == len(ASK.questions)


async def sent_and_closed(backend, call):
    try:
        return await backend.send(call)
    finally:
        await backend.close()


class Certain(Scripted):
    """A model whose log-probabilities are those after temperature 0."""

    async def send(self, call):
        reply = await super().send(call)
        return replace(reply, tokens=tuple(tuple(certainly(token) for token in tokens) for tokens in reply.tokens))


def certainly(token):
    return TokenChoice(token.token, tuple((text, 0.0 if text == token.token else -9999.0) for text, _ in token.alternatives))


def test_probabilities_after_temperature_0_are_not_the_models_own():
    report = probe(Certain(resolve_script("genres")), most_concurrent=1)
    assert answers(report)["logprobs"] == "ignored"
    assert "logprobs" not in report.abilities.elicitations


# Bursts


class Clock:
    """A clock that stands still unless it is told to go on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def bursts(throughput, most=64, limit=1 << 10):
    """Find the concurrency of a server that is this fast at so many calls at once and turns away those above a limit."""
    clock, flying, sizes = Clock(), [0], []

    async def send():
        flying[0] += 1
        await asyncio.sleep(0)
        size = flying[0]
        await asyncio.sleep(0)
        flying[0] -= 1
        if size > limit:
            raise BackendError("rate_limit", "got status 429", retryable=True, status=429)
        if not flying[0]:
            sizes.append(size)
            clock.now += size / throughput(size)

    return asyncio.run(find_concurrency(send, most, clock=clock)), sizes


def test_bursts_grow_while_throughput_does():
    (most, answer, _), sizes = bursts(lambda size: 10 * size)
    assert (most, answer) == (64, "yes")
    assert sizes == [1, 2, 4, 8, 16, 32, 64]


def test_bursts_end_when_two_bring_no_fifth_more():
    (most, _, evidence), sizes = bursts(lambda size: 10 * min(size, 4) + size / 10)
    assert most == 4
    assert sizes == [1, 2, 4, 8, 16]
    assert "at 4 at once" in evidence


def test_a_call_that_is_turned_away_ends_the_bursts():
    (most, _, evidence), sizes = bursts(lambda size: 10 * size, limit=8)
    assert most == 8
    assert sizes == [1, 2, 4, 8]
    assert "16 of 16 calls at once failed: got status 429" in evidence


def test_bursts_end_when_time_is_up():
    (most, _, _), sizes = bursts(lambda size: size / 15)
    assert sizes == [1, 2]
    assert most == 2


def test_a_server_with_a_limit_is_found_to_have_one():
    report = probed(concurrency=4, latency=0.02, most_concurrent=8)
    assert 1 <= report.abilities.concurrency <= 4


# Reports

REPORT = ProbeReport(
    model="openai-compatible/org/a model",
    base_url="http://localhost:8000/v1",
    when="2026-01-02T03:04:05+00:00",
    findings=(ProbeFinding("answers", "yes", "said 'é'"), ProbeFinding("json", "ignored", "said 'rain'")),
    abilities=Abilities(elicitations=("decision", "samples"), samples=8, decision_path="/systemone"),
    latency_seconds=0.0125,
    prompt_tokens=101.5,
    calls=17,
    seconds=21.5,
    costs={"samples": WayCost(calls=8, read=7000, cached=0, written=800, seconds=None)},
)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "recsim_llm" / "probes"


def test_a_report_survives_as_json():
    assert ProbeReport.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"format": 3},
        {**REPORT.to_json(), "when_not": ""},
        {**REPORT.to_json(), "findings": [1]},
        {**REPORT.to_json(), "abilities": {"realisations": ["dice"]}},
        {key: value for key, value in REPORT.to_json().items() if key != "when"},
    ],
)
def test_damaged_values_are_no_report(values):
    with pytest.raises(DataError, match="probe again"):
        ProbeReport.from_json(values)


def test_a_report_has_rows():
    rows = REPORT.rows()
    assert rows[0] == ("answers", "yes", "said 'é'")
    assert rows[2][:2] == ("latency", "12 ms")
    assert rows[3][:2] == ("prompt_tokens", "102")
    assert rows[4] == ("a page by samples", "", "8 calls, 7,000 tokens read (0 cached), 800 written, time unknown")
    assert rows[5][:2] == ("realisations", "decision, samples")
    assert rows[6][:2] == ("a run takes", "decision")


def test_a_table_shows_what_was_said_as_it_was():
    console = Console(width=120, file=io.StringIO())
    console.print(replace(REPORT, findings=(ProbeFinding("json", "ignored", "said '[bold]rain[/bold]'"),)).table())
    assert "said '[bold]rain[/bold]'" in console.file.getvalue()


def test_a_kept_report_is_found_again(cache):
    assert load_probe(REPORT.model, REPORT.base_url) is None
    path = save_probe(REPORT)
    assert path.parent == cache
    assert load_probe(REPORT.model, REPORT.base_url + "/") == REPORT


def test_reports_of_different_models_and_servers_lie_apart(cache):
    names = [("openai-compatible/a/b", "u"), ("openai-compatible/a-b", "u"), ("openai-compatible/a/b", "v"), ("../../x", "u")]
    files = [probe_file(*name) for name in names]
    assert len(set(files)) == 4
    assert {path.parent for path in files} == {cache}


def test_a_report_of_an_earlier_release_counts_as_none(cache):
    path = save_probe(REPORT)
    path.write_text(json.dumps(REPORT.to_json() | {"format": 1}))
    assert load_probe(REPORT.model, REPORT.base_url) is None


def test_a_damaged_file_is_named(cache):
    path = save_probe(REPORT)
    path.write_text("{")
    with pytest.raises(DataError, match="remove the file") as caught:
        load_probe(REPORT.model, REPORT.base_url)
    assert str(path) in str(caught.value)


def test_a_server_that_did_not_answer_is_not_remembered(cache):
    findings = (ProbeFinding("answers", "refused (401, authentication)", "got status 401"),)
    with pytest.raises(ConfigError, match="status 401"):
        save_probe(replace(REPORT, findings=findings))
    assert not cache.exists()


def test_what_a_model_can_do_may_be_asked_of_it():
    require(REPORT.abilities, "samples", REPORT.model)


def test_what_a_model_cannot_do_is_refused_with_what_it_can():
    with pytest.raises(ConfigError) as caught:
        require(REPORT.abilities, "json", "openai-compatible/x")
    assert str(caught.value) == (
        "got realisation 'json' for openai-compatible/x, which does not keep to the schema in response_format, expected one of "
        "decision, samples; run `recsim-llm probe openai-compatible/x` to look again"
    )


def test_a_model_that_can_do_nothing_is_refused():
    with pytest.raises(ConfigError, match="no other way"):
        require(Abilities(elicitations=()), "samples", "openai-compatible/x")
