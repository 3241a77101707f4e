"""What providers really answer, one test a row of ``docs/servers/answers.md``, over HTTP and with both clients."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from server_answers import GOOD, SHAPES, Shape, error, message
from small_server import chat_reply, serve

import recsim_llm.language
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.errors import BackendError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.payloads import read_response
from recsim_llm.language.backends.refusals import find_error, judge, read_words, status_of
from recsim_llm.language.base.questions import Ask, Part, Prompt, yes_no
from recsim_llm.language.calls.raw_replies import dump_reply, load_reply
from recsim_llm.scenarios.schema import load_scenario, parse_overrides

PAGE = Path(__file__).parents[3] / "docs" / "servers" / "answers.md"
ASK = Ask(Prompt((Part("rules", "Rules."), Part("page", "Page."))), (yes_no("leave", "Do you leave?"),))
CALL = prepare(ASK, "logprobs")._replace(logprobs=False)


@pytest.fixture(params=[OpenAIBackend, AiohttpBackend])
def backend_class(request):
    return request.param


def respond(shape):
    body = shape.body if isinstance(shape.body, bytes) else json.dumps(shape.body).encode()

    async def handler(request):
        await request.read()
        return web.Response(body=body, status=shape.status, headers={"Content-Type": "application/json"} | shape.headers)

    return handler


def send(backend_class, handler, **settings):
    async def run():
        async with serve(handler) as base_url:
            backend = backend_class("m", **{"base_url": base_url, "api_key": "none", "timeout": PATIENCE} | settings)
            try:
                return await backend.send(CALL)
            finally:
                await backend.close()

    return asyncio.run(run())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_is_an_answer_or_a_failure_with_cause_words_and_advice(backend_class, shape):
    if not shape.cause:
        reply = send(backend_class, respond(shape))
        assert read(CALL._replace(samples=1), reply, "samples")[0].value == "yes"
        assert load_reply(dump_reply(reply)) == reply
        "".join(reply.texts).encode()
        return
    with pytest.raises((BackendError, ModelReplyError)) as caught:
        read(CALL._replace(samples=1), send(backend_class, respond(shape)), "samples")
    text = str(caught.value)
    assert (caught.value.cause, getattr(caught.value, "retryable", False)) == (shape.cause, shape.again), text
    assert shape.words in text
    assert shape.advice in text
    assert text.isprintable()
    assert len(text) <= 400
    assert ", expected " in text


def test_the_page_lists_every_shape_with_a_source():
    rows = [
        line.split("|")[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [a-z]", line.lower())
    ]
    listed = [row[0].strip() for row in rows if row[0].strip() not in ("shape", "cause")]
    assert listed == [shape.name for shape in SHAPES]
    cited = [row for row in rows if re.search(r"\[[\w.-]+/[\w.-]+#\d+\]\(https://github.com/", row[-1])]
    assert len(cited) >= 25


def test_every_setting_that_a_message_of_the_language_room_names_can_be_set():
    sources = Path(recsim_llm.language.__file__).parent.rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    named = sorted(set(re.findall(r"--set ([a-z][\w.]+=\w+)", text)))
    assert len(named) >= 8
    for pair in named:
        key, _, value = pair.replace("ROLE", "user").partition("=")
        changes = parse_overrides([f"{key}={ {'BYTES': 100_000_000, 'N': 1}.get(value, value) }"])
        if ".prices." in key:
            changes = {"models.user.prices.input": 1, "models.user.prices.output": 1} | changes
        if key.startswith("users.parameters."):
            assert key.rpartition(".")[2] in LanguageParameters.__annotations__
        role = {} if key == "models.writer" else {"models.user.name": "openai-compatible/m"}
        load_scenario("demo", {"users.model": "language", **role, **changes})


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 02 Jan 2026 03:04:35 +99999999999", None),
        ("99999999999999999999999999999999 Jan 2026", None),
        ("1e400", None),
        ("-inf", None),
        ("", None),
    ],
)
def test_an_odd_wait_is_no_wait_or_a_number(backend_class, told, seconds):
    shape = Shape("", error("later"), 429, headers={"Retry-After": told})
    with pytest.raises(BackendError) as caught:
        send(backend_class, respond(shape))
    assert (caught.value.cause, caught.value.retry_after) == ("rate_limit", seconds)


def test_a_wait_in_milliseconds_is_finer():
    shape = Shape("", error("later"), 429, headers={"Retry-After": "1", "retry-after-ms": "250"})
    with pytest.raises(BackendError) as caught:
        send(AiohttpBackend, respond(shape))
    assert caught.value.retry_after == 0.25


def endless(sent, status=200, packed=False):
    """Send a hundred megabytes unless the client hangs up; note what went out."""
    piece = b" " * (1 << 20)

    async def handler(request):
        response = web.StreamResponse(status=status, headers={"Content-Encoding": "gzip"} if packed else {})
        await response.prepare(request)
        zipped = gzip.compress(piece * 100) if packed else b""
        for number in range(100):
            await response.write(zipped[number << 14 : (number + 1) << 14] if packed else piece)
            sent.append(number)
        return response

    return handler


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_without_end_is_not_read_to_its_end(backend_class, packed):
    sent = []
    with pytest.raises(BackendError, match=r"more than 65,536 bytes, .*--set models\.user\.body_limit=BYTES") as caught:
        send(backend_class, endless(sent, packed=packed), body_limit=1 << 16)
    assert (caught.value.cause, caught.value.retryable) == ("bad_reply", True)
    assert packed or len(sent) < 30


def test_an_error_without_end_keeps_its_status(backend_class):
    sent = []
    with pytest.raises(BackendError, match="got status 503") as caught:
        send(backend_class, endless(sent, status=503))
    assert caught.value.cause == "overloaded"
    assert len(sent) < 30


def test_a_body_up_to_the_limit_is_read(backend_class):
    body = json.dumps(chat_reply(GOOD)).encode()
    shape = Shape("", body + b" " * (2048 - len(body)))
    assert send(backend_class, respond(shape), body_limit=2048).texts == (GOOD,)
    with pytest.raises(BackendError, match="more than 2,047 bytes"):
        send(backend_class, respond(shape), body_limit=2047)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["content_filter", 429, "m"])
)
KEYS = st.sampled_from(
    [
        "error",
        "message",
        "detail",
        "code",
        "type",
        "loc",
        "msg",
        "metadata",
        "choices",
        "content",
        "refusal",
        "reasoning",
        "text",
    ]
)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(BODIES, st.sampled_from([302, 400, 401, 402, 404, 413, 429, 500, 503, 524]))
def test_any_error_has_a_cause_and_words(body, status):
    told = read_words(json.dumps(body).encode())
    refusal = judge(status, told)
    assert refusal.cause
    assert refusal.advice
    assert isinstance(told.words, str)


@given(BODIES)
def test_any_good_status_is_an_error_or_not(body):
    told = find_error(body)
    assert told is None or 300 <= status_of(told) < 600


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8))
def test_any_content_is_a_text_or_a_bad_reply(content):
    try:
        texts = read_response(CALL, "/chat/completions", message(content)).texts
    except BackendError as failure:
        texts = (failure.cause,)
    assert all(isinstance(text, str) for text in texts)
    "".join(texts).encode()
