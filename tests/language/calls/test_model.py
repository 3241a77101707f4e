"""A language model: cache, coalescing, retries, repairs, limits and record, all behind one call."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sqlite3
import threading
from collections import Counter
from contextlib import closing

import pytest
from patience import PATIENCE

from recsim_llm.errors import BackendError, BudgetExceeded, ConfigError, LogError, ModelReplyError
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, short_text, yes_no
from recsim_llm.language.base.wire import Abilities, RawReply, TokenChoice, TokenUsage
from recsim_llm.language.calls.budget import Budget, Limits, Prices
from recsim_llm.language.calls.limiter import AdaptiveLimiter
from recsim_llm.language.calls.model import Asked, LanguageModel
from recsim_llm.language.calls.recorded_answers import ReplayBackend
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.calls.waiting import Batch
from recsim_llm.language.calls.writing import Writing

RULES = Part("rules", "You answer for a user.")
QUESTIONS = (yes_no("leave", "Do you leave?"), score("stars", "How many stars?"))
GOOD = '{"leave": 30, "stars": [0, 10, 20, 30, 40]}'
AT_ONCE = RetryPolicy(first=0.0, most=0.0)
LIMITED = BackendError("rate_limit", "too many", retryable=True)
BROKEN = BackendError("server", "it broke", retryable=True)


def ask(number, **details):
    return Ask(Prompt((RULES, Part("page", f"page {number}"))), QUESTIONS, subject=str(number), **details)


class Fake:
    """A backend whose answer to a page is what ``script`` says: texts, errors, or a list of them that is used up."""

    name, local = "test/fake", False
    everything = Abilities(elicitations=("json", "logprobs", "samples"), concurrency=8)

    def __init__(self, script=lambda page: GOOD, *, abilities=everything):
        self.script, self.abilities = script, abilities
        self.calls, self.closed, self.in_flight, self.most = [], False, 0, 0
        self.gate = None

    async def send(self, call):
        self.calls.append(call)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate(call)
        finally:
            self.in_flight -= 1
        said = self.script(call.messages[1].content)
        said = said.pop(0) if isinstance(said, list) else said
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, RawReply) else RawReply((said,), usage=TokenUsage(100, 60, 10))

    async def close(self):
        self.closed = True


def open_model(backend, elicitation="json", **settings):
    return LanguageModel(backend, elicitation=elicitation, retries=settings.pop("retries", AT_ONCE), **settings)


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_replies_come_in_the_order_of_the_asks():
    backend = Fake(lambda page: f'{{"leave": {page[5:]}, "stars": [0, 10, 20, 30, 40]}}')
    with open_model(backend) as model:
        replies = model.ask([ask(number) for number in range(1, 90)])
    assert [round(100 * reply.answers[0].probabilities[0]) for reply in replies] == list(range(1, 90))
    assert {(reply.cached, reply.attempts) for reply in replies} == {(False, 1)}
    assert backend.closed


def test_of_those_that_wait_whoever_has_most_to_be_asked_yet_goes_first(tmp_path):
    backend, ahead = Fake(), {"150": 9.0, "199": 5.0}
    with open_model(backend, store=CallStore(tmp_path / "calls.sqlite"), limiter=AdaptiveLimiter(1, 1), ahead=ahead) as model:
        replies = model.ask([ask(number) for number in range(200)])
    asked = [int(call.messages[1].content.removeprefix("page ")) for call in backend.calls]
    assert asked[:4] == [150, 199, 0, 1]
    assert sorted(asked) == list(range(200))
    assert len(replies) == 200


OFF = '{"leave": 30, "stars": [0, 10, 20, 10, 40]}'


def test_percentages_that_do_not_sum_to_100_are_a_failure():
    with open_model(Fake(lambda page: OFF)) as model:
        with pytest.raises(ModelReplyError, match=r"a sum of 80 percent for stars, expected 100; .*renormalise=true"):
            model.ask([ask(1)])
        assert (model.meter().failures, model.meter().renormalised) == ({"out_of_range": 3}, 0)


def test_percentages_are_renormalised_where_that_is_declared_and_each_such_answer_is_counted(tmp_path):
    script = {"page 1": OFF, "page 2": GOOD}
    with open_model(Fake(script.get), renormalise=True, store=CallStore(tmp_path / "calls.sqlite")) as model:
        first, second, _ = model.ask([ask(1), ask(2), ask(1, nonce="again")])
        model.ask([ask(1)])
        meter = model.meter()
    assert first.answers[1].probabilities == pytest.approx((0, 1 / 8, 2 / 8, 1 / 8, 4 / 8), abs=2e-4)
    assert (first.answers[1].renormalised, second.answers[1].renormalised) == (True, False)
    # The answer, the equal ask that shared it, and the one from the file.
    assert (meter.calls, meter.hits, meter.renormalised, meter.failures) == (2, 2, 3, {})
    found = rows(
        tmp_path / "calls.sqlite", "SELECT cause, cache_hit, count(*) FROM calls GROUP BY cause, cache_hit ORDER BY 1, 2"
    )
    assert found == [("", 0, 1), ("renormalised", 0, 1), ("renormalised", 1, 2)]


def test_answers_asked_for_otherwise_are_not_mixed_with_renormalised_ones(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    for renormalise in (False, True):
        backend = Fake()
        with open_model(backend, renormalise=renormalise, store=store) as model:
            model.ask([ask(1)])
        assert len(backend.calls) == 1


def test_no_more_calls_are_in_flight_than_there_are_slots():
    backend = Fake()
    with open_model(backend, limiter=AdaptiveLimiter(5, 5)) as model:
        model.ask([ask(number) for number in range(50)])
        assert model.meter().concurrency == 5
    assert backend.most == 5


def test_equal_asks_in_flight_share_a_call(tmp_path):
    backend = Fake()
    with open_model(backend, store=CallStore(tmp_path / "calls.sqlite")) as model:
        replies = model.ask([ask(7), ask(7)._replace(subject="other"), ask(7, nonce="n")])
        meter = model.meter()
    assert len(backend.calls) == 1
    assert [reply.cached for reply in replies] == [False, True, True]
    assert (meter.calls, meter.hits) == (1, 2)
    found = rows(tmp_path / "calls.sqlite", "SELECT subject, cache_hit FROM calls ORDER BY id")
    assert found == [("7", 0), ("other", 1), ("7", 1)]


def test_an_answer_is_kept_between_models(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    with open_model(Fake(), store=store) as model:
        first = model.ask([ask(1), ask(2)])
    backend = Fake()
    with open_model(backend, store=store) as model:
        second = model.ask([ask(1), ask(2)])
        assert model.meter()[:2] == (0, 2)
    assert not backend.calls
    assert [reply.answers for reply in first] == [reply.answers for reply in second]
    assert {(reply.cached, reply.attempts) for reply in second} == {(True, 0)}


@pytest.mark.parametrize(
    "other",
    [
        {"elicitation": "samples", "samples": 2},
        {"name": "test/other"},
        {"ask": Ask(Prompt((Part("rules", "Other rules."), Part("page", "page 1"))), QUESTIONS)},
        {"ask": ask(1)._replace(questions=QUESTIONS[:1])},
    ],
)
def test_an_answer_to_something_else_is_not_used(tmp_path, other):
    store = CallStore(tmp_path / "calls.sqlite")
    with open_model(Fake(), store=store) as model:
        model.ask([ask(1)])
    settings = dict(other)
    lines = "leave: no\nstars: 4"
    backend = Fake(lambda page: lines if "elicitation" in other else '{"leave": 30, "stars": [0, 10, 20, 30, 40]}')
    if "ask" in other and len(other["ask"].questions) == 1:
        backend = Fake(lambda page: '{"leave": 30}')
    backend.name = settings.pop("name", Fake.name)
    asked = settings.pop("ask", ask(1))
    with open_model(backend, store=store, **settings) as model:
        assert not model.ask([asked])[0].cached


def test_retryable_failures_are_tried_again_and_recorded(tmp_path):
    said = [LIMITED, BROKEN, GOOD]
    with open_model(Fake(lambda page: said), store=CallStore(tmp_path / "calls.sqlite")) as model:
        assert model.ask([ask(1)])[0].attempts == 3
        assert model.meter().failures == {"rate_limit": 1, "server": 1}
        assert model.meter().calls == 1
    found = rows(tmp_path / "calls.sqlite", "SELECT attempt, status, cause FROM calls ORDER BY id")
    assert found == [(1, "failed", "rate_limit"), (2, "failed", "server"), (3, "answered", "")]


def test_no_slot_is_held_while_waiting_for_a_retry():
    said = {"page 1": [BROKEN, GOOD], "page 2": [GOOD]}
    backend = Fake(said.__getitem__)
    with open_model(backend, limiter=AdaptiveLimiter(1, 1), retries=RetryPolicy(first=0.001, most=0.001)) as model:
        model.ask([ask(1), ask(2)])
    assert [call.messages[1].content for call in backend.calls] == ["page 1", "page 2", "page 1"]


def test_used_up_retries_end_everything_that_was_not_sent():
    backend = Fake(lambda page: BROKEN)
    with open_model(backend, limiter=AdaptiveLimiter(1, 1), retries=RetryPolicy(3, 0.0, 0.0)) as model:
        with pytest.raises(BackendError, match="it broke"):
            model.ask([ask(number) for number in range(100)])
        sent = len(backend.calls)
        with pytest.raises(BackendError, match="it broke"):
            model.ask([ask(200)])
    assert sent <= 300
    assert len(backend.calls) == sent


@pytest.mark.parametrize(("cause", "sent"), [("authentication", 1), ("refused", 10)])
def test_a_refused_key_ends_everything_and_a_refused_call_only_itself(cause, sent):
    backend = Fake(lambda page: BackendError(cause, "no", retryable=False))
    with open_model(backend, limiter=AdaptiveLimiter(1, 1)) as model, pytest.raises(BackendError, match="no"):
        model.ask([ask(number) for number in range(10)])
    assert len(backend.calls) == sent


def test_calls_on_the_wire_end_and_are_stored_after_a_fatal_error(tmp_path):
    async def all_sent(call):
        while len(backend.calls) < 4:
            await asyncio.sleep(0)

    failure = BackendError("authentication", "no", retryable=False)
    backend = Fake(lambda page: failure if page == "page 0" else GOOD)
    backend.gate = all_sent
    with open_model(backend, store=CallStore(tmp_path / "calls.sqlite"), limiter=AdaptiveLimiter(4, 4)) as model:
        futures = model.submit([ask(number) for number in range(50)])
        concurrent.futures.wait(futures)
    assert [future.exception() is None for future in futures] == [False, True, True, True] + [False] * 46
    assert all(future.exception() is failure for future in futures[4:])
    assert rows(tmp_path / "calls.sqlite", "SELECT count(*) FROM calls WHERE status = 'answered'") == [(3,)]


def test_a_fatal_error_ends_waits_for_retries_at_once():
    key_refused = BackendError("authentication", "no", retryable=False)
    said = {"page 0": [BROKEN], "page 1": [key_refused]}

    async def after_the_failure(call):
        while call.messages[1].content == "page 1" and not model.meter().failures:
            await asyncio.sleep(0)

    backend = Fake(said.__getitem__)
    backend.gate = after_the_failure
    with open_model(backend, retries=RetryPolicy(first=1e6, most=1e6)) as model:
        futures = model.submit([ask(0), ask(1)])
        assert {future.exception(timeout=PATIENCE) for future in futures} == {key_refused}


def test_a_call_that_breaks_after_a_fatal_error_waits_for_no_retry():
    key_refused = BackendError("authentication", "no", retryable=False)

    async def after_the_refusal(call):
        while call.messages[1].content == "page 0" and not model.meter().failures:
            await asyncio.sleep(0)

    backend = Fake({"page 0": BROKEN, "page 1": key_refused}.__getitem__)
    backend.gate = after_the_refusal
    with open_model(backend, retries=RetryPolicy(first=1e6, most=1e6)) as model:
        futures = model.submit([ask(0), ask(1)])
        assert {future.exception(timeout=PATIENCE) for future in futures} == {key_refused}


def test_a_pause_is_not_waited_out_after_a_fatal_error():
    key_refused = BackendError("authentication", "no", retryable=False)
    backend = Fake(lambda page: key_refused)
    limiter = AdaptiveLimiter(4, 4)
    with open_model(backend, limiter=limiter) as model:
        with pytest.raises(BackendError, match="no"):
            model.ask([ask(0)])
        limiter._slots = 0
        assert model.submit([ask(1)])[0].exception(timeout=PATIENCE) is key_refused


@pytest.mark.parametrize(
    "failure",
    [
        BackendError("rate_limit", "the account is empty", retryable=False, status=429),
        BackendError("refused", "the account is empty", retryable=False, status=402),
        BackendError("refused", "no such model", retryable=False, status=404),
    ],
    ids=lambda failure: str(failure.status),
)
def test_what_every_call_would_be_told_ends_everything(failure):
    backend = Fake(lambda page: failure)
    with open_model(backend, limiter=AdaptiveLimiter(1, 1)) as model, pytest.raises(BackendError, match=str(failure)):
        model.ask([ask(number) for number in range(10)])
    assert len(backend.calls) == 1


def test_nothing_is_sent_any_more_when_answers_cannot_be_kept(tmp_path, monkeypatch):
    def full(store, record):
        raise LogError("disk full")

    monkeypatch.setattr(CallStore, "put", full)
    backend = Fake()
    settings = {"store": CallStore(tmp_path / "calls.sqlite"), "limiter": AdaptiveLimiter(1, 1)}
    with open_model(backend, **settings) as model, pytest.raises(LogError, match="disk full"):
        model.ask([ask(number) for number in range(10)])
    assert len(backend.calls) == 1


def test_every_repair_has_its_own_attempts():
    said = [BROKEN, "", BROKEN, "", BROKEN, GOOD]
    with open_model(Fake(lambda page: said), retries=RetryPolicy(2, 0.0, 0.0)) as model:
        assert model.ask([ask(1)])[0].attempts == 6


def test_a_reply_whose_listing_is_too_short_is_not_asked_again():
    short = RawReply(("leave: yes",), ((TokenChoice("leave: ", ()), TokenChoice("yes", (("yes", -0.5),))),))
    asked = Ask(ask(1).prompt, (yes_no("leave", "Leave?"),))
    with open_model(Fake(lambda page: [short]), "logprobs") as model, pytest.raises(ModelReplyError, match="1 time") as caught:
        model.ask([asked])
    assert caught.value.cause == "options_missing"


def test_an_unreadable_reply_is_named_and_asked_again(tmp_path):
    said = ["x" * 3000, "", GOOD]
    backend = Fake(lambda page: said)
    with open_model(backend, store=CallStore(tmp_path / "calls.sqlite")) as model:
        reply = model.ask([ask(1)])[0]
        assert model.meter().calls == 3
        assert sum(model.meter().failures.values()) == 2
    assert reply.attempts == 3
    assert [message.role for message in backend.calls[1].messages] == ["system", "user", "assistant", "user"]
    assert backend.calls[1].messages[2].content == "x" * 2000
    assert "could not be read: no JSON object where one was asked for. Answer again" in backend.calls[1].messages[3].content
    found = rows(tmp_path / "calls.sqlite", "SELECT status, cause, reply IS NULL FROM calls ORDER BY id")
    assert found == [("failed", "not_json", 0), ("failed", "empty", 0), ("answered", "", 0)]


def test_a_reply_that_stays_unreadable_is_an_error_of_its_own_ask():
    backend = Fake(lambda page: "" if page == "page 3" else GOOD)
    with open_model(backend) as model:
        futures = model.submit([ask(number) for number in range(6)])
        concurrent.futures.wait(futures)
        with pytest.raises(ModelReplyError, match=r"reply: got .*\(subject 3, asked 3 times\)") as raised:
            model.ask([ask(2), ask(3), ask(4)])
    assert (raised.value.cause, raised.value.subject) == ("empty", "3")
    assert [future.exception() is None for future in futures] == [True, True, True, False, True, True]


def test_that_nothing_could_be_read_is_kept_for_those_who_settle_for_it_and_asked_again_for_others(tmp_path):
    backend = Fake(lambda page: "" if page == "page 3" else GOOD)
    asked, files = [ask(2), ask(3)], [tmp_path / name for name in ("calls.sqlite", "copy.sqlite")]
    with open_model(backend, store=CallStore(files[0])) as model:
        first = model.ask_each(asked)
    assert (first[1].cause, len(backend.calls)) == ("empty", 4)
    backend.script = lambda page: GOOD
    with open_model(backend, store=CallStore(files[0])) as model:
        again, (later,) = model.ask_each(asked), model.submit_each(asked[1:])
    with open_model(ReplayBackend(files[0]), store=CallStore(files[1])) as model:
        replayed = model.ask_each(asked)
    with open_model(backend, store=CallStore(files[1])) as model:
        copied = model.ask_each(asked)
    for replies in (again, [None, later.result()], replayed, copied):
        assert (str(replies[1]), replies[1].cause, replies[1].subject) == (str(first[1]), "empty", "3")
    assert len(backend.calls) == 4
    with open_model(backend, store=CallStore(files[0])) as model:
        assert model.ask(asked)[1].answers[0].probabilities[0] == pytest.approx(0.3)


def test_one_question_of_several_that_are_asked_alone_stays_unread_for_good(tmp_path):
    abilities = Abilities(elicitations=("forced",), forced="chat")
    said = {"stars": BackendError("content_filter", "filtered", retryable=False, status=400)}

    class Alone(Fake):
        async def send(self, call):
            self.calls.append(call)
            if call.questions[0].key in said:
                raise said[call.questions[0].key]
            return RawReply(("no",), ((TokenChoice("no", (("no", -0.1), ("yes", -2.4))),),))

    backend = Alone(abilities=abilities)
    with open_model(backend, "forced", store=CallStore(tmp_path / "calls.sqlite")) as model:
        assert model.one_by_one
        (whole,) = model.ask_each([ask(1)])
        alone = model.ask_each([ask(1)._replace(questions=(question,)) for question in QUESTIONS])
    assert (whole.cause, str(whole)) == ("refusal", "filtered")
    assert alone[0].answers[0].question == QUESTIONS[0]
    assert alone[1].cause == "refusal"
    assert len(backend.calls) == 2


def test_a_provider_that_asks_for_too_long_a_wait_ends_the_run_at_once():
    backend = Fake(lambda page: BackendError("rate_limit", "quota", retryable=True, retry_after=3600.0))
    with open_model(backend, limiter=AdaptiveLimiter(1, 1)) as model, pytest.raises(BackendError, match="wait 3600 s"):
        model.ask([ask(number) for number in range(5)])
    assert len(backend.calls) == 1


def test_the_calls_limit_is_exact_and_what_came_is_kept(tmp_path):
    store, limits = CallStore(tmp_path / "calls.sqlite"), Limits(calls=20)
    failed = Counter()

    def script(page):
        failed[page] += 1
        return BROKEN if failed[page] == 1 and int(page[5:]) % 3 == 0 else GOOD

    with open_model(Fake(script), store=store, budget=Budget(limits)) as model:
        with pytest.raises(BudgetExceeded, match="got 20 used of 20"):
            model.ask([ask(number) for number in range(60)])
        assert model.meter().calls == 20
    backend = Fake()
    with open_model(backend, store=store, budget=Budget(Limits(calls=30))) as model:
        assert (
            sum(reply.cached for reply in model.ask([ask(number) for number in range(60) if failed[f"page {number}"]][:5])) > 0
        )
        with pytest.raises(BudgetExceeded, match="got 30 used of 30"):
            model.ask([ask(number) for number in range(100, 160)])
    assert len(backend.calls) <= 10


def test_two_models_share_a_budget():
    budget = Budget(Limits(calls=5))
    with open_model(Fake(), budget=budget) as first, open_model(Fake(), budget=budget, role="judge") as second:
        first.ask([ask(number) for number in range(3)])
        with pytest.raises(BudgetExceeded):
            second.ask([ask(number) for number in range(3)])
        assert (first.meter().calls, second.meter().calls) == (3, 2)


def test_hits_are_free(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    with open_model(Fake(), store=store, budget=Budget(Limits(calls=1))) as model:
        for _ in range(3):
            model.ask([ask(1)])


def test_the_meter_counts_tokens_and_cost():
    with open_model(Fake(), budget=Budget(prices=Prices(2.0, 8.0, 0.5))) as model:
        model.ask([ask(1), ask(2), ask(1)])
        meter = model.meter()
    assert meter[:5] == (2, 1, 200, 120, 20)
    assert meter.cost == pytest.approx(2 * (40 * 2 + 60 * 0.5 + 10 * 8) / 1e6)
    assert (meter.failures, meter.in_flight) == ({}, 0)
    with open_model(Fake()) as model:
        assert model.meter().cost is None


def sampled(said):
    return lambda page: said


@pytest.mark.parametrize("together", [True, False])
def test_samples_come_from_one_call_where_possible_else_from_several_and_are_one_ask(tmp_path, together):
    abilities = Abilities(elicitations=("samples",), samples=8 if together else 1)
    lines = "leave: no\nstars: 4"
    backend = Fake(lambda page: RawReply((lines,) * (4 if together else 1)), abilities=abilities)
    store = CallStore(tmp_path / "calls.sqlite")
    with open_model(backend, "samples", samples=4, store=store) as model:
        first, again = model.ask([ask(1, nonce="a")]), model.ask([ask(1, nonce="a")])
    assert first[0].answers == again[0].answers
    assert first[0].answers[0].probabilities == pytest.approx((0.1, 0.9))
    assert (first[0].cached, first[0].attempts, again[0].cached) == (False, 1 if together else 4, True)
    assert [call.samples for call in backend.calls] == ([4] if together else [1] * 4)
    assert len({call.seed for call in backend.calls}) == len(backend.calls)


def test_a_nonce_tells_samples_apart_and_nothing_else():
    lines = "leave: no\nstars: 4"
    backend = Fake(lambda page: RawReply((lines,)), abilities=Abilities(elicitations=("samples",)))
    with open_model(backend, "samples", samples=1) as model:
        model.ask([ask(1, nonce="a"), ask(1, nonce="b"), ask(1, nonce="a")])
    assert len({call.seed for call in backend.calls}) == len(backend.calls) == 2
    backend = Fake()
    with open_model(backend) as model:
        model.ask([ask(1, nonce="a"), ask(1, nonce="b")])
    assert len(backend.calls) == 1


def test_samples_that_could_be_read_are_not_drawn_anew(tmp_path):
    yes, no = "leave: yes\nstars: 4", "leave: no\nstars: 4"
    said = [RawReply((yes, "", yes, "")), RawReply((no, no, no, no))]
    backend = Fake(lambda page: said, abilities=Abilities(elicitations=("samples",), samples=4))
    store = CallStore(tmp_path / "calls.sqlite")
    with open_model(backend, "samples", samples=4, store=store) as model:
        reply = model.ask([ask(1)])[0]
        assert model.ask([ask(1)])[0].answers == reply.answers
    assert reply.answers[0].probabilities == pytest.approx((0.5, 0.5))
    assert len(backend.calls) == 2


def test_free_texts_are_written_and_kept(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    texts = [Writing(Prompt((RULES, Part("page", f"page {number}"))), 50) for number in range(3)]
    with open_model(Fake(lambda page: f"  I saw {page}.\n"), store=store) as model:
        assert model.write(texts) == ["I saw page 0.", "I saw page 1.", "I saw page 2."]
    backend = Fake()
    with open_model(backend, store=store) as model:
        assert model.write(texts) == ["I saw page 0.", "I saw page 1.", "I saw page 2."]
        assert not backend.calls
        model.write([texts[0]._replace(temperature=1.0, nonce=nonce) for nonce in "ab"])
    assert len({call.seed for call in backend.calls}) == 2


def test_a_run_is_replayed_from_its_calls_alone(tmp_path):
    with open_model(Fake(), store=CallStore(tmp_path / "old" / "calls.sqlite")) as model:
        recorded = model.ask([ask(number) for number in range(5)])
    backend = ReplayBackend(tmp_path / "old")
    assert backend.name == "test/fake"
    assert backend.abilities.elicitations == ("json",)
    new = CallStore(tmp_path / "new" / "calls.sqlite")
    with LanguageModel(backend, elicitation="json", store=new) as model:
        replayed = model.ask([ask(number) for number in range(5)])
        assert [reply.answers for reply in replayed] == [reply.answers for reply in recorded]
        assert model.meter()[:2] == (0, 5)
        with pytest.raises(ConfigError, match=r"an ask about 9 that was not recorded \('page 9'\)"):
            model.ask([ask(9)])
    with LanguageModel(ReplayBackend(tmp_path / "new"), elicitation="json") as model:
        assert model.ask([ask(3)])[0].answers == recorded[3].answers


def test_a_replay_needs_the_role_that_was_recorded(tmp_path):
    with open_model(Fake(), store=CallStore(tmp_path / "calls.sqlite")) as model:
        model.ask([ask(1)])
    with pytest.raises(ConfigError, match=r"role judge the models none \(answered roles: user\)"):
        ReplayBackend(tmp_path, role="judge")
    with pytest.raises(ConfigError, match="without recorded calls"):
        ReplayBackend(tmp_path / "nowhere")


def test_a_way_that_the_model_cannot_go_is_refused():
    with pytest.raises(ConfigError, match="got elicitation decision, expected one it is able to: json, logprobs, samples"):
        open_model(Fake(), "decision")


def test_a_question_that_cannot_be_asked_fails_without_a_call():
    backend = Fake(abilities=Abilities(elicitations=("decision",)))
    with open_model(backend, "decision") as model, pytest.raises(ConfigError, match="question why"):
        model.ask([ask(1)._replace(questions=(short_text("why", "Why?"),))])
    assert not backend.calls


def test_nothing_is_asked_after_closing():
    model = open_model(Fake())
    model.close()
    model.close()
    with pytest.raises(ConfigError, match="after it was closed"):
        model.ask([ask(1)])


def test_closing_breaks_off_what_is_under_way(tmp_path):
    started = threading.Event()

    async def forever(call):
        started.set()
        await asyncio.get_running_loop().create_future()

    backend = Fake()
    backend.gate = forever
    model = open_model(backend, store=CallStore(tmp_path / "calls.sqlite"))
    future = model.submit([ask(1)])[0]
    started.wait()
    model.close()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()
    assert rows(tmp_path / "calls.sqlite", "SELECT status, cause FROM calls") == [("failed", "cancelled")]


def test_closing_ends_every_ask_however_many_wait():
    model = open_model(Fake())
    futures = model.submit([ask(number) for number in range(2000)])
    model.close()
    _, unended = concurrent.futures.wait(futures, timeout=PATIENCE)
    assert not unended


def test_an_ask_that_is_given_up_before_its_first_step_ends_and_leaves_nothing_behind():
    from recsim_llm.language.base.background import background_loop

    with open_model(Fake()) as model:
        batch = Batch(1)

        def begin_and_give_up():
            model._under_way.begin([(Asked(ask(1), settles=False), batch.seats[0])])
            model._under_way.cancel(batch.seats)

        background_loop().call_soon_threadsafe(begin_and_give_up)
        batch.wait(PATIENCE)
        assert isinstance(batch.seats[0].error, concurrent.futures.CancelledError)
        assert model.submit([ask(1)])[0].result(timeout=PATIENCE).answers


def test_an_ask_does_not_share_the_end_of_one_that_is_given_up():
    from recsim_llm.language.base.background import background_loop

    on_the_wire = threading.Event()

    async def forever_once(call):
        if len(backend.calls) == 1:
            on_the_wire.set()
            await asyncio.get_running_loop().create_future()

    backend = Fake()
    backend.gate = forever_once
    with open_model(backend) as model:
        first = model.submit([ask(1)])[0]
        on_the_wire.wait()
        second = concurrent.futures.Future()

        def give_up_and_begin():
            model._under_way.cancel([first])
            model._under_way.begin([(Asked(ask(1), settles=False), second)])

        background_loop().call_soon_threadsafe(give_up_and_begin)
        assert second.result(timeout=PATIENCE).answers
        with pytest.raises(concurrent.futures.CancelledError):
            first.result(timeout=PATIENCE)


def test_an_ask_that_arrives_behind_the_end_is_given_up():
    from recsim_llm.language.base.background import background_loop

    model = open_model(Fake())
    model.close()
    batch = Batch(1)
    background_loop().call_soon_threadsafe(model._under_way.begin, [(Asked(ask(1), settles=False), batch.seats[0])])
    batch.wait(PATIENCE)
    assert isinstance(batch.seats[0].error, concurrent.futures.CancelledError)


def test_a_keyboard_interrupt_keeps_what_was_received(tmp_path, monkeypatch):
    half = threading.Event()

    async def gate(call):
        if int(call.messages[1].content[5:]) >= 4:
            while model.meter().calls < 4:
                await asyncio.sleep(0)
            half.set()
            await asyncio.get_running_loop().create_future()

    backend = Fake()
    backend.gate = gate
    wait, interrupted = Batch.wait, []

    def interrupted_wait(batch, timeout=None):
        if not interrupted:
            interrupted.append(True)
            half.wait()
            raise KeyboardInterrupt
        wait(batch, timeout)

    monkeypatch.setattr(Batch, "wait", interrupted_wait)
    with open_model(backend, store=CallStore(tmp_path / "calls.sqlite")) as model:
        with pytest.raises(KeyboardInterrupt):
            model.ask([ask(number) for number in range(100)])
        assert model.meter().in_flight == 0
        backend.gate = None
        assert [reply.cached for reply in model.ask([ask(number) for number in range(6)])] == [True] * 4 + [False] * 2


def test_an_ask_that_another_thread_shares_survives_its_interruption():
    release = None

    async def gate(call):
        nonlocal release
        release = asyncio.get_running_loop().create_future()
        await release

    backend = Fake()
    backend.gate = gate
    with open_model(backend) as model:
        first, second = model.submit([ask(1), ask(1)])
        loop_work = concurrent.futures.Future()

        def give_up():
            model._under_way.cancel([first])
            loop_work.set_result(None)

        from recsim_llm.language.base.background import background_loop

        while release is None:
            pass
        background_loop().call_soon_threadsafe(give_up)
        loop_work.result()
        background_loop().call_soon_threadsafe(release.set_result, None)
        assert second.result().answers
        with pytest.raises(concurrent.futures.CancelledError):
            first.result()


def test_a_damaged_file_is_an_error_of_the_ask(tmp_path):
    path = tmp_path / "calls.sqlite"
    with open_model(Fake(), store=CallStore(path)) as model:
        path.write_bytes(b"not a database" * 100)
        with pytest.raises(LogError, match="expected a calls file"):
            model.ask([ask(1)])


def test_no_key_gets_into_the_file(tmp_path):
    from recsim_llm.language.backends.http_backend import HttpBackend
    from recsim_llm.language.backends.openai_backend import OpenAIBackend
    from recsim_llm.language.chaos.server import ChaosServer

    key = "sk-planted-0123456789"
    with ChaosServer("uniform", seed=1, api_key="another") as server:
        backend: HttpBackend = OpenAIBackend("chaos", base_url=server.base_url, api_key=key)
        with open_model(backend, store=CallStore(tmp_path / "calls.sqlite")) as model:
            with pytest.raises(BackendError) as raised:
                model.ask([ask(1)])
            kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert raised.value.cause == "authentication"
    assert b"page 1" in kept
    assert key.encode() not in kept
    assert b"Bearer" not in kept


def test_a_replayed_model_has_the_context_that_it_had(tmp_path):
    short, long = (Abilities(elicitations=("json",), context=context) for context in (512, 4096))
    with open_model(Fake(abilities=short), store=CallStore(tmp_path / "calls.sqlite")) as model:
        model.ask([ask(1)])
        assert model.context == 512
    with open_model(ReplayBackend(tmp_path / "calls.sqlite")) as replayed:
        assert replayed.context == 512
    with open_model(Fake(abilities=long), store=CallStore(tmp_path / "calls.sqlite")) as resumed:
        assert resumed.context == 512
    with open_model(Fake(abilities=long)) as fresh:
        assert fresh.context == 4096
    with open_model(Fake()) as unknown:
        assert unknown.context is None


def test_a_text_that_cannot_be_used_does_not_take_the_others_with_it():
    def script(page):
        return "" if "page 2" in page else f"about {page}"

    wanted = [Writing(Prompt((RULES, Part("page", f"page {number}"))), 20) for number in (1, 2, 3)]
    with LanguageModel(Fake(script), elicitation="json", retries=AT_ONCE) as model:
        texts = model.write_each(wanted)
        assert texts[::2] == ["about page 1", "about page 3"]
        assert isinstance(texts[1], ModelReplyError)
        with pytest.raises(ModelReplyError):
            model.write(wanted)


def test_a_limit_that_is_reached_is_no_text_that_cannot_be_used():
    wanted = [Writing(Prompt((RULES, Part("page", f"page {number}"))), 20) for number in (1, 2, 3)]
    budget = Budget(Limits(calls=1))
    with LanguageModel(Fake(lambda page: "fine"), elicitation="json", budget=budget) as model, pytest.raises(BudgetExceeded):
        model.write_each(wanted)
