"""HTTP backends: requests as servers want them, replies checked, failures by cause, no secret in any text."""

from __future__ import annotations

import asyncio
import gzip
import json
import traceback
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from small_server import chat_reply, serve

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.http_backend import retry_seconds
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.payloads import build_request, parse_body, read_response
from recsim_llm.language.base.questions import choice, number, score, short_text, yes_no
from recsim_llm.language.base.wire import Abilities, Call, Message, TokenUsage

KEY = "sk-planted/Zq7-93kd"
MESSAGES = (Message("system", "Rules."), Message("user", "Page."))
QUESTIONS = (
    yes_no("click_1", "Do you click?"),
    score("stars_1", "How many stars?"),
    choice("next", "What next?", ("go on", "leave")),
    number("pages", "How many pages?", 0, 3),
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_call(form="labels", **changes):
    return Call(form, MESSAGES, QUESTIONS, 0.0, 50)._replace(**changes)


def request(call, *, decision_path="", **settings):
    abilities = Abilities(elicitations=(), decision_path=decision_path)
    return build_request(call, **{"model": "m", "provider": "openai-compatible", "abilities": abilities} | settings)


@pytest.fixture(params=[OpenAIBackend, AiohttpBackend])
def backend_class(request):
    return request.param


def send(backend_class, handler, call=None, **settings):
    """Serve a handler, send one call to it, and return the reply."""

    async def run():
        async with serve(handler) as base_url:
            backend = backend_class("m", **{"base_url": base_url, "api_key": KEY, "timeout": PATIENCE} | settings)
            try:
                return await backend.send(call or a_call())
            finally:
                await backend.close()

    return asyncio.run(run())


def answering(body=None, **response):
    async def handler(request):
        await request.read()
        if body is not None:
            return web.json_response(body, **response)
        return web.Response(**response)

    return handler


def failure(backend_class, handler, **settings):
    with pytest.raises(BackendError) as caught:
        send(backend_class, handler, **settings)
    return caught.value


# Requests


def test_labels_go_to_chat_completions_with_little_else():
    path, body = request(a_call())
    assert path == "/chat/completions"
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Rules."}, {"role": "user", "content": "Page."}],
        "temperature": 0.0,
        "max_tokens": 50,
    }


def test_log_probabilities_samples_and_seed_are_asked_for_where_wanted():
    _, body = request(a_call(logprobs=True, samples=8, seed=3))
    assert body["logprobs"] is True
    assert (body["top_logprobs"], body["n"], body["seed"]) == (20, 8, 3)


def test_further_fields_go_with_chat_requests_and_never_replace_the_calls_own():
    more = {"reasoning_effort": "low", "temperature": 1.0}
    assert request(a_call(), more=more)[1] == request(a_call())[1] | {"reasoning_effort": "low"}
    path = "/systemone"
    assert request(a_call("decision"), more=more, decision_path=path) == request(a_call("decision"), decision_path=path)


def test_further_fields_reach_the_server_and_are_part_of_the_name(backend_class):
    async def handler(asked):
        body = await asked.json()
        return web.json_response({"choices": [{"message": {"content": body["reasoning_effort"]}, "finish_reason": "stop"}]})

    assert send(backend_class, handler, more={"reasoning_effort": "low"}).texts == ("low",)
    plain, more = ({"base_url": "http://127.0.0.1:1/v1", "api_key": KEY} | extra for extra in ({}, {"more": {"a": 1}}))
    assert backend_class("m", **plain).name != backend_class("m", **more).name


def test_openai_is_told_the_limit_of_tokens_by_its_newer_name():
    _, body = request(a_call(), provider="openai")
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body


def test_a_schema_is_sent_as_a_strict_response_format():
    schema = {"type": "object"}
    _, body = request(a_call("json", schema=schema))
    wanted = {"name": "answers", "strict": True, "schema": schema}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}


def test_a_form_with_a_schema_needs_one():
    with pytest.raises(ConfigError, match="without a schema"):
        request(a_call("json"))


def test_systemone_gets_all_messages_as_state_and_keyed_questions():
    path, body = request(a_call("decision"), decision_path="/systemone")
    assert path == "/systemone"
    assert body == {
        "model": "m",
        "state": "Rules.\n\nPage.",
        "questions": {
            "click_1": {"type": "noul", "instructions": "Do you click?"},
            "stars_1": {"type": "score", "instructions": "How many stars?", "criteria": ["1", "2", "3", "4", "5"]},
            "next": {"type": "choice", "instructions": "What next?", "criteria": {"go on": None, "leave": None}},
            "pages": {
                "type": "choice",
                "instructions": "How many pages?",
                "criteria": {"0": None, "1": None, "2": None, "3": None},
            },
        },
    }


def test_decisions_gets_messages_and_listed_questions():
    path, body = request(a_call("decision"), decision_path="/decisions")
    assert path == "/decisions"
    assert body["input"][0] == {"type": "message", "role": "system", "content": "Rules."}
    predicate, stars, following, pages = body["questions"]
    assert predicate == {"type": "predicate", "name": "click_1", "instructions": "Do you click?"}
    assert stars["levels"] == [{"label": level} for level in "12345"]
    assert following["choices"] == [{"value": "go on"}, {"value": "leave"}]
    assert (pages["type"], len(pages["choices"])) == ("choice", 4)


def test_a_request_of_openais_decisions_has_the_fields_that_its_client_knows():
    params = pytest.importorskip("openai.types.decision_create_params", reason="a client of before the endpoint")
    pydantic = pytest.importorskip("pydantic")
    _, body = request(a_call("decision"), decision_path="/decisions")
    adapter = pydantic.TypeAdapter(params.DecisionCreateParams)
    assert adapter.validate_python(body, extra="forbid")["model"] == "m"


@pytest.mark.parametrize(("path", "most"), [("/systemone", 64), ("/decisions", 400)])
def test_an_endpoint_takes_only_so_many_questions(path, most):
    questions = tuple(yes_no(f"click_{slot}", "Do you?") for slot in range(most + 1))
    with pytest.raises(ConfigError, match=f"got {most + 1} questions, expected 1 to {most}"):
        request(a_call("decision", questions=questions), decision_path=path)
    assert request(a_call("decision", questions=questions[1:]), decision_path=path)


@pytest.mark.parametrize("question", [short_text("why", "Why?"), choice("next", "Next?", ("go", "go"))])
def test_an_endpoint_cannot_answer_questions_without_distinct_options(question):
    with pytest.raises(ConfigError, match=question.key):
        request(a_call("decision", questions=(question,)), decision_path="/systemone")


@pytest.mark.parametrize("path", ["", "/elsewhere"])
def test_a_decision_is_only_sent_to_a_known_endpoint(path):
    with pytest.raises(ConfigError, match="endpoint"):
        request(a_call("decision"), decision_path=path)


# Replies


def read(body, call=None, path="/chat/completions"):
    return read_response(call or a_call(), path, body)


def test_a_reply_has_texts_finish_and_usage():
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    reply = read(chat_reply("a", "b", usage=usage))
    assert reply.texts == ("a", "b")
    assert (reply.finish, reply.refusal, reply.tokens) == ("stop", "", ())
    assert reply.usage == TokenUsage(9, 4, 2)


def test_texts_are_in_the_order_of_their_indices():
    body = chat_reply("a", "b")
    body["choices"].reverse()
    assert read(body).texts == ("a", "b")


def test_a_count_that_is_not_told_is_none():
    assert read(chat_reply("a", usage={"prompt_tokens": None, "completion_tokens": True})).usage == TokenUsage()


def test_a_cut_off_sample_shows():
    body = chat_reply("a", "b")
    body["choices"][1]["finish_reason"] = "length"
    assert read(body).finish == "length"


def test_a_refusal_needs_no_content():
    body = chat_reply("a")
    body["choices"][0]["message"] = {"content": None, "refusal": "I cannot."}
    reply = read(body)
    assert (reply.texts, reply.refusal) == (("",), "I cannot.")


def alternatives(*pairs):
    return [{"token": token, "logprob": logprob} for token, logprob in pairs]


def test_alternatives_come_likeliest_first_and_hold_the_token_itself():
    body = chat_reply("yes")
    listed = {"token": "yes", "logprob": -0.5, "top_logprobs": alternatives(("no", -2.0), (" yes", -1.0))}
    body["choices"][0]["logprobs"] = {"content": [listed]}
    (token,) = read(body, a_call(logprobs=True)).tokens[0]
    assert token.token == "yes"
    assert token.alternatives == (("yes", -0.5), (" yes", -1.0), ("no", -2.0))


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["yes"], "token_logprobs": [-0.1]}])
def test_log_probabilities_that_are_not_there_give_no_tokens(logprobs):
    body = chat_reply("yes")
    body["choices"][0]["logprobs"] = logprobs
    assert read(body, a_call(logprobs=True)).tokens == ()


@pytest.mark.parametrize(
    "body",
    [
        None,
        "<html></html>",
        [],
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        {"choices": ["a"]},
        {"choices": [{}]},
        {"choices": [{"message": {}}]},
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": ["a"]}}]},
    ],
)
def test_a_body_without_an_answer_is_a_bad_reply(body):
    with pytest.raises(BackendError) as caught:
        read(body)
    assert (caught.value.cause, caught.value.retryable) == ("bad_reply", True)


SYSTEMONE = {
    "click_1": {"type": "noul", "noul": 0.7},
    "stars_1": {"type": "score", "probabilities": {"4": 0.5, "0": 0.1, "1": 0.1, "2": 0.1, "3": 0.2}},
    "next": {"type": "choice", "probabilities": {"leave": 0.9, "go on": 0.1}},
    "pages": {"type": "choice", "probabilities": {"0": 0.25, "1": 0.25, "2": 0.25, "3": 0.25}},
}
DECISIONS = [
    {"type": "predicate", "name": "click_1", "probability": 0.7},
    {
        "type": "score",
        "name": "stars_1",
        "probabilities": [
            {"label": str(level), "value": level - 1, "probability": p} for level, p in enumerate([0.1, 0.1, 0.1, 0.2, 0.5], 1)
        ],
    },
    {"type": "choice", "probabilities": [{"value": "leave", "probability": 0.9}, {"value": "go on", "probability": 0.1}]},
    {"type": "choice", "name": "pages", "probabilities": [{"value": str(value), "probability": 0.25} for value in range(4)]},
]


@pytest.mark.parametrize(("path", "answers"), [("/systemone", SYSTEMONE), ("/decisions", DECISIONS)])
def test_decisions_are_in_the_order_of_questions_and_options(path, answers):
    body = {"answers": answers, "usage": {"input_tokens": 30, "output_tokens": 0, "input_tokens_details": {"cached_tokens": 8}}}
    reply = read(body, a_call("decision"), path)
    assert reply.probabilities == (
        pytest.approx((0.7, 0.3)),
        (0.1, 0.1, 0.1, 0.2, 0.5),
        (0.1, 0.9),
        (0.25, 0.25, 0.25, 0.25),
    )
    assert reply.usage == TokenUsage(30, 8, 0)
    assert reply.texts == ()


def test_a_refused_question_is_empty_and_the_others_stand():
    refused = [{"type": "refusal", "name": None}, *DECISIONS[1:]]
    assert read({"answers": refused}, a_call("decision"), "/decisions").probabilities[:2] == ((), (0.1, 0.1, 0.1, 0.2, 0.5))
    refused = SYSTEMONE | {"click_1": {"type": "refusal"}}
    assert read({"answers": refused}, a_call("decision"), "/systemone").probabilities[0] == ()


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/systemone", None),
        ("/systemone", {key: SYSTEMONE[key] for key in list(SYSTEMONE)[1:]}),
        ("/systemone", SYSTEMONE | {"click_1": {"type": "noul", "noul": "yes"}}),
        ("/systemone", SYSTEMONE | {"click_1": {"type": "noul", "noul": 1.2}}),
        ("/systemone", SYSTEMONE | {"next": {"probabilities": {"go on": 0.1, "leave": 0.5}}}),
        ("/systemone", SYSTEMONE | {"next": {"probabilities": {"go on": 0.1}}}),
        ("/decisions", DECISIONS[1:]),
        ("/decisions", [*DECISIONS[:3], DECISIONS[0]]),
        ("/decisions", [*DECISIONS[:3], {"type": "choice", "probabilities": [{"value": ["0"], "probability": 1.0}]}]),
    ],
)
def test_an_incomplete_decision_is_a_bad_reply(path, answers):
    with pytest.raises(BackendError, match="expected") as caught:
        read({"answers": answers}, a_call("decision"), path)
    assert (caught.value.cause, caught.value.retryable) == ("bad_reply", True)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "logprobs", "top_logprobs", "token", "answers", "usage", "click_1"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON, st.sampled_from(["/chat/completions", "/systemone", "/decisions"]))
def test_any_body_is_a_reply_or_a_bad_reply(body, path):
    with suppress(BackendError):
        read(body, a_call("labels" if path.startswith("/chat") else "decision", logprobs=True), path)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_bad_reply(content):
    with suppress(BackendError):
        parse_body(content)


def test_endless_nesting_is_a_bad_reply():
    with pytest.raises(BackendError, match="expected JSON"):
        parse_body(b"[" * 200_000)


# Over the network


def test_a_call_travels_as_one_authorised_json_request(backend_class):
    seen = []

    async def handler(request):
        seen.append((request.method, request.path, request.headers["Authorization"], await request.json()))
        return web.json_response(chat_reply("click_1: yes"))

    reply = send(backend_class, handler)
    assert reply.texts == ("click_1: yes",)
    assert seen == [("POST", "/v1/chat/completions", f"Bearer {KEY}", request(a_call())[1])]


def test_a_decision_goes_to_the_endpoint_of_the_abilities(backend_class):
    paths = []

    async def handler(request):
        paths.append(request.path)
        return web.json_response({"answers": SYSTEMONE})

    abilities = Abilities(elicitations=(), decision_path="/systemone")
    reply = send(backend_class, handler, a_call("decision"), abilities=abilities)
    assert paths == ["/v1/systemone"]
    assert len(reply.probabilities) == len(QUESTIONS)


def test_without_known_abilities_no_decision_endpoint_is_tried(backend_class):
    with pytest.raises(ConfigError, match="probe"):
        send(backend_class, answering({"answers": SYSTEMONE}), a_call("decision"))


def test_a_compressed_reply_is_read(backend_class):
    body = gzip.compress(json.dumps(chat_reply("a")).encode())
    handler = answering(body=None, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async def compressed(request):
        response = await handler(request)
        response.body = body
        return response

    assert send(backend_class, compressed).texts == ("a",)


def test_calls_run_side_by_side(backend_class):
    async def run():
        together = asyncio.Barrier(120)

        async def handler(request):
            await together.wait()
            return web.json_response(chat_reply("a"))

        async with serve(handler) as base_url:
            backend = backend_class("m", base_url=base_url, api_key=KEY, timeout=PATIENCE)
            try:
                return await asyncio.gather(*[backend.send(a_call()) for _ in range(120)])
            finally:
                await backend.close()

    assert len(asyncio.run(run())) == 120


def test_questions_about_one_prompt_take_turns_where_a_server_keeps_prompts_in_places(backend_class):
    under_way, most, bodies = Counter(), Counter(), []
    calls = [
        Call("forced", (Message("system", user), Message("user", "Films.")), (yes_no("click_1", "?", lead),), 0.0, 5)
        for lead in ("first?", "second?", "third?")
        for user in ("Ada", "Bob")
    ]

    async def run():
        # Two prompts are under way at once, or nobody would get past this.
        together = asyncio.Barrier(2)

        async def handler(request):
            body = await request.json()
            user = body["messages"][0]["content"]
            under_way[user] += 1
            most[user] = max(most[user], under_way[user])
            bodies.append(body)
            await together.wait()
            under_way[user] -= 1
            return web.json_response(chat_reply("yes"))

        async with serve(handler) as base_url:
            abilities = Abilities(elicitations=("forced",), forced="grammar", slots=4)
            backend = backend_class("m", base_url=base_url, api_key=KEY, timeout=PATIENCE, abilities=abilities)
            try:
                await asyncio.gather(*[backend.send(call) for call in calls])
            finally:
                await backend.close()

    asyncio.run(run())
    assert set(most.values()) == {1}
    assert len(bodies) == len(calls)
    # A slot that is named while it is busy is given another prompt's keys and values.
    assert not any("id_slot" in body for body in bodies)


@pytest.mark.parametrize(
    ("status", "cause", "retryable"),
    [
        (429, "rate_limit", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
        (408, "server", True),
        (409, "server", True),
        (500, "server", True),
        (502, "server", True),
        (401, "authentication", False),
        (403, "authentication", False),
        (400, "refused", False),
        (404, "refused", False),
        (422, "refused", False),
        (307, "refused", False),
    ],
)
def test_a_status_has_a_cause(backend_class, status, cause, retryable):
    error = failure(backend_class, answering({"error": {"message": "so it is"}}, status=status))
    assert (error.cause, error.retryable, error.status) == (cause, retryable, status)
    assert str(error).startswith(f"got status {status} from openai-compatible/m (so it is), expected 200; ")


def test_a_redirect_is_not_followed(backend_class):
    paths = []

    async def handler(request):
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert failure(backend_class, handler).status == 302
    assert paths == ["/v1/chat/completions"]


def test_an_empty_account_is_not_asked_again(backend_class):
    error = failure(backend_class, answering({"error": {"message": "Pay.", "code": "insufficient_quota"}}, status=429))
    assert (error.cause, error.retryable) == ("quota", False)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": "Unexpected fields"}', "Unexpected fields"),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b"<html><h1>Bad\r\nGateway</h1></html>", "Bad Gateway"),
        (b"", "no reason given"),
    ],
)
def test_the_reason_is_found_where_servers_put_it(backend_class, body, words):
    assert f"({words})" in str(failure(backend_class, answering(body=None, status=400, text=body.decode())))


def test_a_wait_in_seconds_is_passed_on(backend_class):
    assert failure(backend_class, answering({}, status=429, headers={"Retry-After": "1.5"})).retry_after == 1.5


def test_a_wait_until_a_date_is_counted_from_now(backend_class):
    until = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    error = failure(backend_class, answering({}, status=503, headers={"Retry-After": until}))
    assert 3500 < error.retry_after <= 3600


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
    ],
)
def test_every_spelling_of_a_wait_is_understood(told, seconds):
    assert retry_seconds({"retry-after": told}, NOW) == seconds


def test_no_wait_is_told_where_there_is_none():
    assert retry_seconds({}, NOW) is None


@pytest.mark.parametrize("body", ['{"choices": [{"mess', "<html>Sign in</html>", "", '"text"', '{"choices": []}'])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_a_good_status_with_a_bad_body_is_a_bad_reply(backend_class, body, content_type):
    error = failure(backend_class, answering(text=body, content_type=content_type))
    assert (error.cause, error.retryable, error.status) == ("bad_reply", True, None)
    assert str(error).startswith("openai-compatible/m: got ")


def test_a_hanging_server_is_a_timeout(backend_class):
    async def handler(request):
        await asyncio.Event().wait()

    error = failure(backend_class, handler, timeout=0.05)
    assert (error.cause, error.retryable) == ("timeout", True)
    assert "within 0.05 s" in str(error)


def test_a_dripping_server_is_a_timeout(backend_class):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.001)

    assert failure(backend_class, handler, timeout=0.05).cause == "timeout"


def test_a_server_that_hangs_up_is_a_broken_connection(backend_class):
    async def handler(request):
        request.transport.close()
        return web.Response()

    error = failure(backend_class, handler)
    assert (error.cause, error.retryable, error.status) == ("connection", True, None)


def test_a_body_that_ends_early_is_a_broken_connection(backend_class):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"choices": ')
        request.transport.close()
        return response

    assert failure(backend_class, handler).cause == "connection"


def test_something_that_does_not_speak_http_is_a_broken_connection(backend_class):
    async def run():
        async def talk(reader, writer):
            await reader.readline()
            writer.write(b"220 mail ready\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            backend = backend_class("m", base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY)
            try:
                await backend.send(a_call())
            finally:
                await backend.close()

    with pytest.raises(BackendError) as caught:
        asyncio.run(run())
    assert caught.value.cause == "connection"


def unreachable(backend_class):
    async def run():
        async with serve(answering({})) as base_url:
            pass
        backend = backend_class("m", base_url=base_url, api_key=KEY)
        try:
            await backend.send(a_call())
        finally:
            await backend.close()

    with pytest.raises(BackendError) as caught:
        asyncio.run(run())
    return caught.value


def test_nobody_at_the_address_is_a_broken_connection(backend_class):
    error = unreachable(backend_class)
    assert (error.cause, error.retryable) == ("connection", True)
    assert "check the address" in str(error)
    assert "Timeout" not in str(error)


def test_a_host_whose_name_cannot_be_is_a_broken_connection(backend_class):
    async def run():
        backend = backend_class("m", base_url="http://127.0.0..1/v1", api_key="none")
        try:
            await backend.send(a_call())
        finally:
            await backend.close()

    with pytest.raises(BackendError, match="check the address") as caught:
        asyncio.run(run())
    assert (caught.value.cause, caught.value.retryable) == ("connection", True)


# Secrets


async def echoing(request):
    """Answer with what was received, as some gateways do."""
    await request.read()
    return web.json_response({"error": {"message": f"bad header {request.headers['Authorization']} " * 9}}, status=401)


async def echoing_as_page(request):
    await request.read()
    return web.Response(text=f"<p>{'x' * 70} {request.headers['Authorization']}</p>", status=500, content_type="text/html")


async def echoing_as_answer(request):
    await request.read()
    return web.Response(text=f"{'x' * 60} {request.headers['Authorization']}")


async def echoing_as_code(request):
    await request.read()
    return web.json_response({"error": {"code": 3, "detail": [KEY, {KEY: KEY.replace("/", "%2F")}]}}, status=422)


@pytest.mark.parametrize("handler", [echoing, echoing_as_page, echoing_as_answer, echoing_as_code])
def test_no_text_of_a_failure_holds_the_key(backend_class, handler):
    with pytest.raises(BackendError) as caught:
        send(backend_class, handler)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    # Some tools show the variables of each frame; those of this file hold the key, those of the package must not.
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    locals_of_package = repr([frame.locals for frame in frames if "recsim_llm/language" in frame.filename])
    text = "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error), locals_of_package])
    assert "[hidden]" in text or handler is echoing_as_answer
    for length in range(8, len(KEY) + 1):
        assert KEY[:length] not in text
    assert "%2FZq7" not in text


def test_a_broken_connection_does_not_tell_the_key(backend_class):
    error = unreachable(backend_class)
    assert error.__context__ is None
    assert KEY not in "".join([str(error), repr(error), *traceback.format_exception(error)])


def test_a_message_is_one_line_of_at_most_300_characters(backend_class):
    error = failure(backend_class, answering({"error": {"message": "line\n\x1b[31mred\u2028" * 500}}, status=400))
    assert len(str(error)) <= 300
    assert str(error).isprintable()
    assert str(error).endswith("what the server takes")


def test_a_backend_does_not_show_its_key(backend_class):
    backend = backend_class("m", base_url="https://example.org/v1/", api_key=KEY)
    assert KEY not in repr(backend)
    assert "https://example.org/v1'" in repr(backend)


@pytest.mark.parametrize("key", ["", "secret\n", "secret key", "sécret"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(backend_class, key):
    with pytest.raises(ConfigError, match="API key") as caught:
        backend_class("m", base_url="http://localhost/v1", api_key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http://user:secret@localhost/v1",
        "http://localhost/v1?key=secret",
        "http://localhost/v1#secret",
        "http://local host/v1",
        "http://localhost:99999/v1",
        "http://[::1/v1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_unseen(backend_class, address):
    with pytest.raises(ConfigError, match="base URL") as caught:
        backend_class("m", base_url=address, api_key=KEY)
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


# A backend's life


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.2/v1", True),
        ("http://[::1]:8000/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://192.168.0.2/v1", False),
        ("http://localhost.example.org/v1", False),
    ],
)
def test_a_backend_knows_its_name_and_whether_it_is_local(backend_class, address, local):
    backend = backend_class("org/m", base_url=address, api_key=KEY, provider="openai")
    assert (backend.name, backend.local, backend.abilities) == ("openai/org/m", local, None)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_time(backend_class, timeout):
    with pytest.raises(ConfigError, match="timeout"):
        backend_class("m", base_url="http://localhost/v1", api_key=KEY, timeout=timeout)


def test_other_abilities_make_another_backend(backend_class):
    backend = backend_class("m", base_url="http://localhost/v1", api_key=KEY, timeout=3)
    abilities = Abilities(elicitations=("json",))
    other = backend.with_abilities(abilities)
    assert (other.name, other.timeout, other.abilities) == (backend.name, 3, abilities)
    assert backend.abilities is None


def test_a_backend_that_never_called_closes(backend_class):
    asyncio.run(backend_class("m", base_url="http://localhost/v1", api_key=KEY).close())


def test_a_closed_backend_takes_no_call(backend_class):
    async def run(base_url):
        backend = backend_class("m", base_url=base_url, api_key=KEY)
        await backend.close()
        await backend.send(a_call())

    with pytest.raises(ConfigError, match="after close"):
        asyncio.run(run("http://localhost/v1"))


def test_a_backend_belongs_to_one_event_loop(backend_class):
    async def run(backend):
        with pytest.raises(BackendError):
            await backend.send(a_call())

    backend = backend_class("m", base_url="http://127.0.0.1:9/v1", api_key=KEY)

    async def twice():
        await run(backend)
        with pytest.raises(ConfigError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, backend.send(a_call()))
        await backend.close()

    asyncio.run(twice())


def test_local_calls_do_not_go_through_a_proxy(backend_class, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert send(backend_class, answering(chat_reply("a"))).texts == ("a",)
