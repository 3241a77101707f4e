"""Questions asked one by one (elicitation ``forced``): the right numbers by every way, each with a row and a key of its own."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import pytest
from patience import PATIENCE

from recsim_llm.errors import BudgetExceeded, ConfigError, ModelReplyError
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.calls.budget import Budget, Limits
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.recorded_answers import ReplayBackend
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer

RULES = Part("rules", "You answer for a user.")
QUESTIONS = (
    yes_no("click_1", "Would you take item 1?"),
    yes_no("click_2", "Would you take item 2?", '2. "Night", take it?'),
    score("stars_1", "Stars for item 1?"),
    score("satisfaction", "How satisfied are you?", lead="Content with the page, 1 to 5:"),
    yes_no("leave", "Would you leave now?"),
)
BY_TOKENS = ("grammar", "prefill", "completions", "chat")
SOON = RetryPolicy(attempts=12, first=0.001, most=0.01)


def ask(number=0, questions=QUESTIONS):
    text = f'<page>\n1. "Film {number}" (1999) | Comedy, Drama\n2. "Night" (2004) | Horror\n</page>'
    persona = Part("persona", "You love Comedy. You seldom choose Horror.")
    return Ask(Prompt((RULES, persona, Part("page", text))), questions, f"nonce {number}", str(number))


def own(asked):
    """Return what the model itself says."""
    with LanguageModel(Scripted(resolve_script("genres")), elicitation="forced") as model:
        return [[answer.probabilities for answer in reply.answers] for reply in model.ask(asked)]


def abilities(way, **settings):
    return Abilities(elicitations=("forced",), forced=way, concurrency=32, **settings)


def open_model(server, way, store=None, *, backend=AiohttpBackend, samples=8, known=None, **settings):
    known = known or abilities(way)
    client = backend("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=known)
    settings = {"retries": SOON, "store": CallStore(store)} | settings
    return LanguageModel(client, elicitation="forced", samples=samples, **settings)


def chaos(way, **settings):
    return ChaosServer("genres", seed=1, lone=way if way in ("grammar", "prefill", "completions") else None, **settings)


def rows(path, what="count(*)", where="1"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {what} FROM calls WHERE {where}").fetchall()


@pytest.mark.parametrize("backend", [AiohttpBackend, OpenAIBackend])
@pytest.mark.parametrize("way", BY_TOKENS)
def test_each_way_gives_the_models_own_probabilities(way, backend):
    with chaos(way) as server, open_model(server, way, backend=backend) as model:
        (reply,) = model.ask([ask()])
        assert model.meter().calls == reply.attempts == len(QUESTIONS)
    for answer, truth in zip(reply.answers, own([ask()])[0], strict=True):
        assert answer.probabilities == pytest.approx(truth, abs=1e-3)


def test_five_alternatives_prove_nothing_about_five_stars():
    known = abilities("completions", forced_alternatives=5, most_alternatives=5)
    with (
        chaos("completions") as server,
        open_model(server, "completions", known=known) as model,
        pytest.raises(ModelReplyError) as caught,
    ):
        model.ask([ask()])
    assert caught.value.cause == "options_missing"


@pytest.mark.parametrize("together", [1, 64])
def test_without_probabilities_one_token_samples_are_counted(together):
    known = abilities("samples", samples=together)
    with chaos("samples", logprobs=False) as server, open_model(server, "samples", samples=60, known=known) as model:
        (reply,) = model.ask([ask()])
        assert model.meter().calls == len(QUESTIONS) * (60 if together == 1 else 1)
    for answer, truth in zip(reply.answers, own([ask()])[0], strict=True):
        size = 60 + len(truth) / 2
        for chance, true in zip(answer.probabilities, truth, strict=True):
            assert abs(chance - (60 * true + 0.5) / size) <= 5 * math.sqrt(true * (1 - true) * 60) / size


def test_samples_of_different_asks_are_drawn_apart():
    with chaos("samples") as server, open_model(server, "samples", samples=4, known=abilities("samples", samples=8)) as model:
        pages = [ask(0)._replace(nonce=f"visit {number}") for number in range(12)]
        replies = model.ask(pages)
        assert model.meter().calls == 12 * len(QUESTIONS)
    assert len({reply.answers for reply in replies}) > 1


@pytest.mark.parametrize("way", BY_TOKENS)
def test_after_a_storm_the_answers_are_those_of_a_faultless_server(way, tmp_path):
    pages = [ask(number, QUESTIONS[:2]) for number in range(20)]
    storm = Faults.storm(hang_seconds=0.01)
    with chaos(way, faults=storm) as server, open_model(server, way, tmp_path / "calls.sqlite") as model:
        stormy = [[answer.probabilities for answer in reply.answers] for reply in model.ask(pages)]
        meter = model.meter()
        assert sum(server.faults.values()) > 10
    for page, truth in zip(stormy, own(pages), strict=True):
        assert [pytest.approx(row, abs=1e-3) for row in truth] == page
    failed = dict(rows(tmp_path / "calls.sqlite", "cause, count(*)", "status = 'failed' GROUP BY cause"))
    assert failed == meter.failures
    assert rows(tmp_path / "calls.sqlite", where="status = 'answered'") == [(40,)]


def test_a_limit_counts_questions_and_what_was_answered_is_kept(tmp_path):
    store = tmp_path / "calls.sqlite"
    pages = [ask(number) for number in range(3)]
    with chaos("prefill") as server:
        with open_model(server, "prefill", store, budget=Budget(Limits(calls=7))) as model, pytest.raises(BudgetExceeded):
            model.ask(pages)
        assert rows(store, where="status = 'answered'") == [(7,)]
        with open_model(server, "prefill", store) as model:
            replies = model.ask(pages)
            assert model.meter().calls == 3 * len(QUESTIONS) - 7
            assert model.meter().hits == 7
        with open_model(server, "prefill", store) as model:
            assert model.ask(pages) == [reply._replace(cached=True, attempts=0) for reply in replies]
            assert model.meter().calls == 0


@pytest.mark.parametrize("way", ["prefill", "samples"])
def test_a_record_is_replayed_without_a_server(way, tmp_path):
    store = tmp_path / "calls.sqlite"
    with chaos(way) as server, open_model(server, way, store, samples=4) as model:
        told = [reply.answers for reply in model.ask([ask(0), ask(1)])]
    assert {form for (form,) in rows(store, "form")} == {f"forced {way}"}
    with LanguageModel(ReplayBackend(store), elicitation="forced", samples=4) as model:
        assert [reply.answers for reply in model.ask([ask(0), ask(1)])] == told
        with pytest.raises(ConfigError, match="not recorded"):
            model.ask([ask(2)])


def test_a_question_is_the_same_whatever_is_asked_beside_it(tmp_path):
    with chaos("prefill") as server, open_model(server, "prefill", tmp_path / "calls.sqlite") as model:
        whole, part, lone = model.ask([ask(), ask(questions=QUESTIONS[1:3]), ask(questions=QUESTIONS[4:])])
        assert model.meter().calls == len(QUESTIONS)
        assert whole.answers[1:3] == part.answers
        assert whole.answers[4:] == lone.answers


def test_questions_have_other_keys_by_other_ways(tmp_path):
    store = tmp_path / "calls.sqlite"
    with chaos("grammar") as server:
        for way in ("grammar", "prefill"):
            with open_model(server, way, store) as model:
                model.ask([ask()])
                assert model.meter().calls == len(QUESTIONS)


def test_more_alternatives_are_asked_for_where_fewer_prove_too_little(tmp_path):
    known = abilities("prefill", forced_alternatives=2, most_alternatives=20)
    with chaos("prefill") as server, open_model(server, "prefill", tmp_path / "calls.sqlite", known=known) as model:
        (reply,) = model.ask([ask()])
        assert model.meter().failures.keys() <= {"options_missing", "no_logprobs"}
        assert reply.attempts > len(QUESTIONS)
    for answer, truth in zip(reply.answers, own([ask()])[0], strict=True):
        assert answer.probabilities == pytest.approx(truth, abs=1e-3)
