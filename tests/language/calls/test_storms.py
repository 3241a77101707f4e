"""Storms: whatever a server does on the way, the replies are those of a faultless one, and each attempt is a row."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from patience import PATIENCE

from recsim_llm.errors import BudgetExceeded
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.calls.budget import Budget, Limits
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer

RULES = Part("rules", "You answer for a user.")
QUESTIONS = (yes_no("click_1", "Do you open it?"), score("stars", "How many stars?"), yes_no("leave", "Do you leave?"))
ELICITATIONS = ("json", "logprobs", "samples", "decision")
SOON = RetryPolicy(attempts=12, first=0.001, most=0.01)


def asks(number):
    page = '<page>\n1. "Film {}" (1999) | Comedy, Drama\n</page>'
    return [Ask(Prompt((RULES, Part("page", page.format(n)))), QUESTIONS, subject=str(n % 7)) for n in range(number)]


def open_model(server, elicitation, path, *, timeout=PATIENCE, **settings):
    abilities = Abilities(elicitations=ELICITATIONS, samples=4, decision_path="/decisions", concurrency=32)
    backend = AiohttpBackend("chaos", base_url=server.base_url, api_key="none", timeout=timeout, abilities=abilities)
    return LanguageModel(backend, elicitation=elicitation, samples=4, store=CallStore(path), **{"retries": SOON} | settings)


def answered(elicitation, path, asked, **settings):
    """Return the answers that a server gives, and the meter."""
    with (
        ChaosServer(seed=1, decision="decisions", **settings) as server,
        open_model(server, elicitation, path / "calls.sqlite") as model,
    ):
        return [reply.answers for reply in model.ask(asked)], model.meter(), server.faults


@pytest.mark.parametrize("elicitation", ELICITATIONS)
def test_after_a_storm_the_replies_are_those_of_a_faultless_server(tmp_path, elicitation):
    calm, _, _ = answered(elicitation, tmp_path / "calm", asks(60))
    # Two faults in a row end before the two repairs are used up.
    storm = Faults.storm(hang_seconds=0.05)
    stormy, meter, faults = answered(elicitation, tmp_path / "storm", asks(60), faults=storm)
    assert stormy == calm
    assert sum(faults.values()) > 30
    assert len(meter.failures) >= 5
    assert meter.in_flight == 0
    with closing(sqlite3.connect(tmp_path / "storm" / "calls.sqlite")) as connection:
        rows = connection.execute("SELECT status, cause, count(*) FROM calls GROUP BY status, cause").fetchall()
    assert {cause: count for status, cause, count in rows if status == "failed"} == meter.failures
    assert [count for status, _, count in rows if status == "answered"] == [60]


def test_a_call_that_hangs_is_given_up_and_sent_again(tmp_path):
    calm, _, _ = answered("json", tmp_path / "calm", asks(1))
    hang = Faults({"hang": 1.0}, most_in_a_row=1, hang_seconds=PATIENCE)
    # On a busy machine right answers may come too late as well, and are asked for once more.
    often = RetryPolicy(attempts=10_000, first=0.001, most=0.01)
    with (
        ChaosServer(seed=1, faults=hang) as server,
        open_model(server, "json", tmp_path / "calls.sqlite", timeout=0.5, retries=often) as model,
    ):
        (reply,) = model.ask(asks(1))
        assert reply.answers == calm[0]
        assert model.meter().failures.keys() == {"timeout"}


def test_a_run_that_stops_again_and_again_ends_with_the_replies_of_one_that_never_did(tmp_path):
    calm, _, _ = answered("json", tmp_path / "calm", asks(60))
    subjects = Counter()
    with ChaosServer(seed=1, faults=Faults.storm(hang_seconds=0.05)) as server:
        for limit in range(25, 1000, 25):
            budget = Budget(Limits(calls=limit))
            with open_model(server, "json", tmp_path / "calls.sqlite", budget=budget) as model:
                try:
                    replies = model.ask(asks(60))
                except BudgetExceeded:
                    subjects["stopped"] += 1
                    continue
                break
    assert [reply.answers for reply in replies] == calm
    assert subjects["stopped"] >= 2


def test_a_server_that_takes_few_calls_at_once_is_not_overrun_for_long(tmp_path):
    calm, _, _ = answered("json", tmp_path / "calm", asks(120))
    crowded, meter, _ = answered("json", tmp_path / "crowded", asks(120), concurrency=6, latency=0.002)
    assert crowded == calm
    assert meter.failures.keys() <= {"rate_limit"}
    assert meter.concurrency < 32
