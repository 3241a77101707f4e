"""The chaos server: right answers over HTTP, every fault as described, the same storm for the same seed."""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import NamedTuple

import pytest
from patience import PATIENCE

from recsim_llm.errors import ConfigError
from recsim_llm.language.chaos.faults import FAULTS, HARMLESS, FaultDice, Faults
from recsim_llm.language.chaos.server import ChaosServer, main

CHAT = "/chat/completions"
LISTED = """Rules.

- click_1 (yes or no): Open item 1?
- stars_1 (1 to 5): How many stars?
- mood (A: calm; B: angry; C: sad): Which mood?
- age (0 to 20): How old?

Answer one line a question."""
PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}
PERCENTS = {"type": "array", "items": PERCENT}
SCHEMA = {"type": "object", "properties": {"click_1": PERCENT, "stars_1": PERCENTS, "mood": PERCENTS, "age": PERCENTS}}
JSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "answers", "strict": True, "schema": SCHEMA}}
WEIGHTS = {"click_1": (0.3, 0.7), "stars_1": (1, 2, 4, 2, 1), "mood": (1, 4, 5), "age": (*[0] * 20, 1)}
LINES = "click_1: no\nstars_1: 3\nmood: C\nage: 20"


def known(text, question):
    return WEIGHTS[question.key]


class Got(NamedTuple):
    status: int
    headers: dict
    content: bytes

    @property
    def body(self):
        return json.loads(self.content)

    @property
    def text(self):
        return self.body["choices"][0]["message"]["content"]


def fetch(server, path, body=None, *, timeout=PATIENCE, key=None):
    """Send one request over a connection of its own."""
    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", f"/v1{path}", content, headers)
        response = connection.getresponse()
        return Got(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def send(server, body):
    """Send one chat request and return the connection, its reply unread."""
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    content = json.dumps(body).encode()
    head = f"POST /v1{CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(head.encode() + content)
    return connection


def ask(user="A page.", system=LISTED, **more):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return {"model": "chaos", "messages": messages, "temperature": 0} | more


def fault_server(name, **settings):
    return ChaosServer(known, seed=1, faults=Faults({name: 1.0}, most_in_a_row=1, hang_seconds=0.2), **settings)


@pytest.fixture(scope="module")
def server():
    """A server without faults."""
    with ChaosServer(known, seed=1, decision="systemone") as running:
        yield running


def test_lines_answer_the_questions_listed_in_the_system_message(server):
    assert fetch(server, CHAT, ask()).text == LINES


def test_logprobs_are_those_of_the_script(server):
    content = fetch(server, CHAT, ask(logprobs=True, top_logprobs=5)).body["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in content) == LINES
    answer = next(entry for entry in content if entry["token"] == " no")
    assert answer["logprob"] == pytest.approx(math.log(0.7))
    assert [(entry["token"], entry["logprob"]) for entry in answer["top_logprobs"]] == [
        (" no", pytest.approx(math.log(0.7))),
        (" yes", pytest.approx(math.log(0.3))),
    ]


def test_at_most_as_many_alternatives_as_asked_for(server):
    content = fetch(server, CHAT, ask(logprobs=True, top_logprobs=2)).body["choices"][0]["logprobs"]["content"]
    assert max(len(entry["top_logprobs"]) for entry in content) == 2


def test_a_schema_gets_percentages(server):
    stated = json.loads(fetch(server, CHAT, ask(response_format=JSON_FORMAT)).text)
    assert stated == {"click_1": 30, "stars_1": [10, 20, 40, 20, 10], "mood": [10, 40, 50], "age": [0] * 20 + [100]}


def test_a_schema_is_binding_whatever_the_prompt_says(server):
    schema = {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "blue"]},
            "count": {"type": "integer", "minimum": 3},
            "flags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        },
    }
    wish = ask("Say hello.", "Be brief.", response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert json.loads(fetch(server, CHAT, wish).text) == {"colour": "red", "count": 3, "flags": [True, True]}


def test_samples_follow_the_script_and_the_seed(server):
    wish = ask(n=400, temperature=1, seed=3)
    texts = [choice["message"]["content"] for choice in fetch(server, CHAT, wish).body["choices"]]
    again = [choice["message"]["content"] for choice in fetch(server, CHAT, wish).body["choices"]]
    assert texts == again
    assert abs(sum("click_1: yes" in text for text in texts) - 120) < 5 * math.sqrt(400 * 0.3 * 0.7)


def test_samples_without_a_seed_are_drawn_anew():
    with ChaosServer(known, seed=1) as server:
        texts = {fetch(server, CHAT, ask(temperature=1)).text for _ in range(20)}
    assert len(texts) > 3


def test_a_server_may_overlook_seeds():
    with ChaosServer(known, seed=1, seeded=False) as server:
        texts = {fetch(server, CHAT, ask(temperature=1, seed=3)).text for _ in range(20)}
    assert len(texts) > 3


def test_repair_messages_change_nothing(server):
    wish = ask(n=5, temperature=1, seed=3)
    more = [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "That could not be read."}]
    repaired = wish | {"messages": wish["messages"] + more}
    assert fetch(server, CHAT, repaired).body["choices"] == fetch(server, CHAT, wish).body["choices"]


def test_free_text_depends_on_the_prompt(server):
    texts = {fetch(server, CHAT, ask(f"Review film {film}.", "Write a review.")).text for film in (1, 1, 2)}
    assert len(texts) == 2


def test_a_reply_is_cut_off_at_its_token_limit(server):
    choice = fetch(server, CHAT, ask(max_tokens=3)).body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (LINES[:12], "length")


def test_content_may_come_in_parts(server):
    wish = ask()
    wish["messages"] = [
        {"role": "developer", "content": [{"type": "text", "text": LISTED}]},
        {"role": "user", "content": [{"type": "text", "text": "A page."}]},
    ]
    assert fetch(server, CHAT, wish).text == LINES


def test_usage_tells_tokens_of_prefixes_seen_before():
    with ChaosServer(known, seed=1) as server:
        system = f"{'word ' * 400}\n\n{LISTED}"
        usages = [fetch(server, CHAT, ask(user, system)).body["usage"] for user in ("One page.", "Another page.")]
    first, second = (usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
    assert first == 0
    assert 400 < second <= usages[1]["prompt_tokens"]
    assert usages[1]["completion_tokens"] == len(LINES) // 4
    assert usages[1]["total_tokens"] == usages[1]["prompt_tokens"] + usages[1]["completion_tokens"]


def test_the_model_is_listed(server):
    assert [entry["id"] for entry in fetch(server, "/models").body["data"]] == ["chaos"]


SYSTEMONE = {
    "model": "chaos",
    "state": "Rules.\n\nA page.",
    "questions": {
        "click_1": {"type": "noul", "instructions": "Open item 1?"},
        "stars_1": {"type": "score", "instructions": "Stars?", "criteria": ["1", "2", "3", "4", "5"]},
        "mood": {"type": "choice", "instructions": "Mood?", "criteria": {"calm": None, "angry": "very", "sad": None}},
    },
}


def test_system_one_answers_in_the_shape_of_transformers(server):
    body = fetch(server, "/systemone", SYSTEMONE).body
    assert body["answers"]["click_1"] == {"type": "noul", "noul": 0.3}
    assert body["answers"]["stars_1"]["probabilities"] == {"0": 0.1, "1": 0.2, "2": 0.4, "3": 0.2, "4": 0.1}
    assert body["answers"]["stars_1"]["score"] == pytest.approx(2.0)
    assert body["answers"]["mood"]["probabilities"] == {"calm": 0.1, "angry": 0.4, "sad": 0.5}
    assert body["answers"]["mood"]["choice"] == "sad"
    assert body["usage"] == {"input_tokens": 3, "output_tokens": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0},
        {"questions": {}},
        {"questions": {"click_1": {"type": "predicate"}}},
        {"questions": {"age": {"type": "choice", "criteria": dict.fromkeys(map(str, range(27)))}}},
        {"questions": {"mood": {"type": "choice", "criteria": ["calm"]}}},
        {"questions": {f"click_{slot}": {"type": "noul"} for slot in range(65)}},
    ],
)
def test_system_one_refuses_what_transformers_refuses(server, change):
    assert fetch(server, "/systemone", SYSTEMONE | change).status == 422


DECISIONS = {
    "model": "chaos",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A page."}]}],
    "questions": [
        {"type": "predicate", "name": "click_1", "instructions": "Open item 1?"},
        {
            "type": "score",
            "name": "stars_1",
            "instructions": "Stars?",
            "levels": [{"label": str(level)} for level in range(1, 6)],
        },
        {"type": "choice", "name": "mood", "instructions": "?", "choices": [{"value": "a"}, {"value": "b"}, {"value": "c"}]},
    ],
}


def test_decisions_answer_in_the_shape_of_openai():
    from openai.types.decision import Decision

    with ChaosServer(known, seed=1, decision="decisions") as server:
        body = fetch(server, "/decisions", DECISIONS).body
    click, stars, mood = Decision.model_validate(body, strict=True).answers
    assert (click.type, click.probability) == ("predicate", 0.3)
    assert [(entry.label, entry.probability) for entry in stars.probabilities][2] == ("3", 0.4)
    assert (mood.choice, [entry.probability for entry in mood.probabilities]) == ("c", [0.1, 0.4, 0.5])


def test_chat_replies_have_the_shape_of_openai(server):
    from openai.types.chat import ChatCompletion

    wish = ask(logprobs=True, top_logprobs=3, response_format=JSON_FORMAT)
    assert ChatCompletion.model_validate(fetch(server, CHAT, wish).body, strict=False).choices[0].message.role == "assistant"


def test_a_server_may_have_no_decision_endpoint():
    with ChaosServer(known, seed=1) as server:
        assert {fetch(server, path, SYSTEMONE).status for path in ("/systemone", "/decisions")} == {404}


def test_a_server_may_overlook_schemas_and_logprobs():
    with ChaosServer(known, seed=1, schema=False, logprobs=False) as server:
        choice = fetch(server, CHAT, ask(response_format=JSON_FORMAT, logprobs=True)).body["choices"][0]
    assert choice["message"]["content"] == LINES
    assert choice["logprobs"] is None


def test_a_server_that_overlooks_schemas_still_follows_the_prompt():
    system = LISTED.replace("Answer one line a question.", "Answer with one JSON object.")
    with ChaosServer(known, seed=1, schema=False) as server:
        text = fetch(server, CHAT, ask(system=system, response_format=JSON_FORMAT)).text
    fence = text.split("```")[1].removeprefix("json")
    assert json.loads(fence)["click_1"] == 30


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (ask(model="other"), 404),
        (ask(stream=True), 400),
        (ask() | {"messages": []}, 400),
        (ask() | {"messages": [{"role": "wizard", "content": "x"}]}, 400),
        (ask(top_logprobs=21), 400),
        (ask(temperature="hot"), 400),
        (ask(temperature=3), 400),
        (ask(max_tokens=0), 400),
        (ask(n=0), 400),
        (ask(response_format={"type": "xml"}), 400),
    ],
)
def test_bad_requests_are_refused_with_a_reason(server, wish, status):
    got = fetch(server, CHAT, wish)
    assert got.status == status
    assert "expected" in got.body["error"]["message"]


def test_a_wrong_key_is_refused():
    with ChaosServer(known, seed=1, api_key="right") as server:
        assert fetch(server, CHAT, ask(), key="wrong").status == 401
        assert fetch(server, CHAT, ask()).status == 401
        assert fetch(server, CHAT, ask(), key="right").text == LINES


def test_a_script_that_breaks_its_contract_is_a_server_error_with_a_reason():
    with ChaosServer(lambda text, question: (), seed=1) as server:
        got = fetch(server, CHAT, ask())
    assert got.status == 500
    assert "expected 2" in got.body["error"]["message"]


def test_requests_and_right_answers_are_counted():
    with fault_server("empty") as server:
        for _ in range(2):
            fetch(server, CHAT, ask())
        fetch(server, "/models")
        assert server.requests == {"/v1/chat/completions": 2, "/v1/models": 1}
        assert (server.served, server.faults) == (1, {"empty": 1})


@pytest.mark.parametrize(
    ("name", "status", "waits"),
    [("rate_limit", 429, "0.05"), ("rate_limit_bare", 429, None), ("server_error", 500, None), ("overloaded", 503, None)],
)
def test_fault_status(name, status, waits):
    with fault_server(name) as server:
        got = fetch(server, CHAT, ask())
    assert (got.status, got.headers.get("retry-after")) == (status, waits)
    assert name in got.body["error"]["message"]


def test_fault_reset():
    with fault_server("reset") as server, pytest.raises(ConnectionResetError):
        fetch(server, CHAT, ask())


def test_fault_hang_outlasts_the_client():
    with ChaosServer(known, seed=1, faults=Faults({"hang": 1.0}, most_in_a_row=1, hang_seconds=PATIENCE)) as server:
        with send(server, ask()):
            while not server.faults:
                fetch(server, "/models")
        assert fetch(server, CHAT, ask()).text == LINES


def test_fault_hang_ends_with_a_broken_connection():
    with fault_server("hang") as server, pytest.raises(ConnectionResetError):
        fetch(server, CHAT, ask())


def test_fault_drip_gives_the_right_answer_in_pieces():
    with fault_server("drip") as server:
        pieces = []
        with send(server, ask()) as connection:
            while piece := connection.recv(65536):
                pieces.append(piece)
        assert server.served == 1
    assert len(pieces) > 3
    body = json.loads(b"".join(pieces).split(b"\r\n\r\n", 1)[1])
    assert body["choices"][0]["message"]["content"] == LINES


def test_fault_truncated():
    with fault_server("truncated") as server:
        got = fetch(server, CHAT, ask())
    assert got.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(got.content)


def test_fault_html():
    with fault_server("html") as server:
        got = fetch(server, CHAT, ask())
    assert (got.status, got.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert got.content.startswith(b"<!DOCTYPE html>")


def test_fault_no_choices():
    with fault_server("no_choices") as server:
        assert fetch(server, CHAT, ask()).body["choices"] == []


@pytest.mark.parametrize("form", [{}, {"response_format": JSON_FORMAT}])
def test_fault_wrong_schema(form):
    with fault_server("wrong_schema") as server:
        stated = json.loads(fetch(server, CHAT, ask(**form)).text)
    assert not stated.keys() & WEIGHTS.keys()


def test_fault_refusal_is_a_text_or_under_a_schema_a_field():
    with fault_server("refusal") as server:
        assert fetch(server, CHAT, ask()).text.startswith("I'm sorry")
    with fault_server("refusal") as server:
        message = fetch(server, CHAT, ask(response_format=JSON_FORMAT)).body["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"].startswith("I'm sorry")


def test_fault_empty():
    with fault_server("empty") as server:
        assert fetch(server, CHAT, ask()).text == ""


def test_fault_out_of_range_rates_beyond_the_scale():
    with fault_server("out_of_range") as server:
        assert fetch(server, CHAT, ask()).text == LINES.replace("stars_1: 3", "stars_1: 1000")
        assert json.loads(fetch(server, CHAT, ask(response_format=JSON_FORMAT)).text)["stars_1"][0] == 250


def test_fault_out_of_range_shows_in_logprobs():
    with fault_server("out_of_range") as server:
        content = fetch(server, CHAT, ask(logprobs=True, top_logprobs=5)).body["choices"][0]["logprobs"]["content"]
    answer = next(entry for entry in content if entry["token"] == " 1000")
    assert [entry["token"] for entry in answer["top_logprobs"]] == [" 1000"]


def test_fault_extra_keys_keeps_the_right_answer():
    with fault_server("extra_keys") as server:
        assert fetch(server, CHAT, ask()).text == f"{LINES}\nextra: cheerful"
        assert json.loads(fetch(server, CHAT, ask(response_format=JSON_FORMAT)).text)["extra"] == "cheerful"
        assert server.served == 2


def test_fault_extra_keys_keeps_the_logprobs():
    with fault_server("extra_keys") as server:
        content = fetch(server, CHAT, ask(logprobs=True, top_logprobs=5)).body["choices"][0]["logprobs"]["content"]
    assert {entry["token"] for entry in content if len(entry["top_logprobs"]) > 1} == {" no", " 3", " C"}
    assert "".join(entry["token"] for entry in content).endswith("extra: cheerful")


def test_fault_echo():
    with fault_server("echo") as server:
        assert fetch(server, CHAT, ask()).text == f"{LISTED}\n\nA page."


def test_fault_contradiction_answers_a_question_twice():
    with fault_server("contradiction") as server:
        lines = fetch(server, CHAT, ask()).text.split("\n")
        pairs = json.loads(fetch(server, CHAT, ask(response_format=JSON_FORMAT)).text, object_pairs_hook=list)
    assert sorted(line for line in lines if line.startswith("stars_1")) == ["stars_1: 1", "stars_1: 3"]
    answers = [value for key, value in pairs if key == "stars_1"]
    assert len(answers) == 2
    assert answers[0] != answers[1]


def test_one_of_several_samples_is_hit():
    with fault_server("empty") as server:
        texts = [choice["message"]["content"] for choice in fetch(server, CHAT, ask(n=4)).body["choices"]]
    assert sorted(texts) == ["", LINES, LINES, LINES]


def test_faults_without_a_meaning_for_free_text_do_not_happen():
    with fault_server("out_of_range") as server:
        fetch(server, CHAT, ask(system="Write a review."))
        assert (server.served, server.faults) == (1, {})


@pytest.mark.parametrize(("name", "answer"), [("out_of_range", 1.7), ("no_choices", None), ("wrong_schema", None)])
def test_faults_of_decisions(name, answer):
    with fault_server(name, decision="systemone") as server:
        answers = fetch(server, "/systemone", SYSTEMONE).body.get("answers") or {}
    assert answers.get("click_1", {}).get("noul") == answer


def test_decisions_can_be_refused():
    with fault_server("refusal", decision="decisions") as server:
        answers = fetch(server, "/decisions", DECISIONS).body["answers"]
    assert answers == [{"type": "refusal", "name": name} for name in ("click_1", "stars_1", "mood")]


def outcomes(server, order):
    """Send requests until each content is answered; return the faults of each content in order."""
    struck = {}
    for page in order:
        before, faults = server.served, []
        while server.served == before:
            seen = server.faults
            with suppress(OSError):
                fetch(server, CHAT, ask(f"Page {page}."))
            faults += (server.faults - seen).elements()
        struck[page] = faults
    return struck


def storm(seed, **settings):
    return ChaosServer(known, seed=seed, faults=Faults.storm(0.7, hang_seconds=0.01, **settings))


def test_the_same_seed_gives_the_same_storm_in_any_order():
    pages = range(40)
    with storm(1) as first, storm(1) as second, storm(2) as third:
        forward, backward, other = outcomes(first, pages), outcomes(second, pages[::-1]), outcomes(third, pages)
    assert forward == backward
    assert forward != other


def test_every_content_gets_through_after_at_most_so_many_faults():
    with storm(1, most_in_a_row=3) as server:
        struck = outcomes(server, range(60))
    longest = max(sum(fault not in HARMLESS for fault in faults) for faults in struck.values())
    assert longest == 3


def test_repairs_count_as_the_same_content():
    with ChaosServer(known, seed=1, faults=Faults({"empty": 1.0})) as server:
        texts = []
        wish = ask()
        for _ in range(3):
            texts.append(fetch(server, CHAT, wish).text)
            more = [{"role": "assistant", "content": texts[-1]}, {"role": "user", "content": "That could not be read."}]
            wish = wish | {"messages": wish["messages"] + more}
    assert texts == ["", "", LINES]


def draws(faults, contents, times, seed=1):
    dice = FaultDice(faults, seed)
    return [[dice.draw(str(content).encode(), FAULTS)[0] for _ in range(times)] for content in range(contents)]


def test_faults_come_as_often_as_they_should():
    first = [drawn[0] for drawn in draws(Faults.storm(0.5), 5000, 1)]
    counts = Counter(first)
    assert set(counts) == {"", *FAULTS}
    assert abs(counts[""] - 2500) < 5 * math.sqrt(5000 / 4)
    expected = 2500 / len(FAULTS)
    assert all(abs(counts[name] - expected) < 5 * math.sqrt(expected) for name in FAULTS)


def test_each_time_a_content_is_seen_its_fault_is_drawn_anew():
    assert len(set(draws(Faults.storm(0.5, most_in_a_row=100), 1, 100)[0])) > 10


def test_a_share_fails_forever():
    drawn = draws(Faults({"html": 0.3}, forever=0.2), 500, 8)
    lost = [faults for faults in drawn if faults == ["html"] * 8]
    assert 60 < len(lost) < 145


def test_forever_needs_no_rates():
    assert draws(Faults(0.0, forever=1.0), 1, 3) == [["overloaded"] * 3]


def test_a_harmless_fault_is_no_reason_to_stop_faults():
    assert draws(Faults({"drip": 1.0}), 1, 4) == [["drip"] * 4]


def test_without_faults_nothing_happens():
    assert draws(None, 3, 3) == [[""] * 3] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"rate": {"plague": 0.1}},
        {"rate": 0.1},
        {"rate": -0.1},
        {"rate": {"html": math.nan}},
        {"rate": 0.0, "forever": 2},
        {"rate": 0.0, "most_in_a_row": -1},
        {"rate": 0.0, "hang_seconds": -1},
    ],
)
def test_impossible_faults_are_refused(settings):
    with pytest.raises(ConfigError, match="faults"):
        Faults(**settings)


@pytest.mark.parametrize("settings", [{"latency": -1}, {"concurrency": 0}, {"decision": "oracle"}, {"script": "none"}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        ChaosServer(**{"seed": 1} | settings)


def test_requests_above_the_concurrency_are_refused():
    with ThreadPoolExecutor(1) as pool, ChaosServer(known, seed=1, concurrency=1, latency=PATIENCE) as server:
        first = pool.submit(fetch, server, CHAT, ask())
        while not server.busiest:
            wait([first], timeout=0.001)
        refused = fetch(server, CHAT, ask("Another page."))
        server.close()
        assert isinstance(first.exception(), ConnectionError)
        assert server.busiest == 1
    assert (refused.status, refused.headers["retry-after"]) == (429, "0.05")


def test_latency_holds_answers_back():
    with ChaosServer(known, seed=1, latency=PATIENCE) as server, pytest.raises(TimeoutError):
        fetch(server, CHAT, ask(), timeout=0.05)


def test_close_breaks_what_waits_releases_the_port_and_ends_the_thread():
    server = ChaosServer(known, seed=1, faults=Faults({"hang": 1.0}))
    port = int(server.base_url.removesuffix("/v1").rsplit(":", 1)[1])
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(fetch, server, CHAT, ask())
        while not server.faults:
            fetch(server, "/models")
        server.close()
        assert isinstance(hanging.exception(), ConnectionError)
    server.close()
    assert not server._thread.is_alive()
    with ChaosServer(known, seed=1, port=port) as again:
        assert fetch(again, CHAT, ask()).text == LINES


def test_a_taken_port_is_refused():
    with ChaosServer(known, seed=1) as server:
        port = int(server.base_url.removesuffix("/v1").rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match="free port"):
            ChaosServer(known, seed=1, port=port)


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="port must be 0-65535"):
        ChaosServer(known, seed=1, port=99_999)


def test_the_command_prints_the_base_url_and_serves():
    arguments = [sys.executable, "-m", "recsim_llm.language.chaos", "--port", "0", "--script", "slot_bias", "--seed", "1"]
    # A process that was started in the background may ignore interrupts, and its children then do too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        address = running.stdout.readline().strip()
        got = fetch(type("Server", (), {"base_url": address}), CHAT, ask())
        assert got.text.startswith("click_1: yes")
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 0
        running.stdout.close()


def test_the_command_refuses_bad_input_with_one_line(capsys):
    assert main(["--script", "none", "--seed", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
