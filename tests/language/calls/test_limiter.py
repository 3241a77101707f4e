"""Slots for calls: the most urgent first, else first come, first served; more while all goes well, half at an overload."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.calls.limiter import AdaptiveLimiter
from recsim_llm.language.calls.retries import RetryPolicy


def overload(cause="rate_limit", **details):
    return BackendError(cause, "too many", retryable=True, **details)


async def fill(limiter):
    """Take every free slot."""
    return [await limiter.acquire() for _ in range(limiter.concurrency - limiter.in_flight)]


def test_each_answer_adds_a_slot_until_the_first_overload():
    async def work():
        limiter, seen = AdaptiveLimiter(2, 100), []
        for _ in range(4):
            for ticket in await fill(limiter):
                limiter.release(ticket)
                await fill(limiter)
            seen.append(limiter.concurrency)
        return seen

    assert virtual_time.run(work())[0] == 4


def test_slots_never_exceed_the_most():
    async def work():
        limiter = AdaptiveLimiter(2, 5)
        for _ in range(50):
            tickets = await fill(limiter)
            limiter.release(tickets[0] if tickets else 0)
        return limiter.concurrency

    assert virtual_time.run(work()) == 5


def test_slots_grow_only_while_all_are_taken():
    async def work():
        limiter = AdaptiveLimiter(4, 100)
        for _ in range(20):
            limiter.release(await limiter.acquire())
        return limiter.concurrency

    assert virtual_time.run(work()) == 4


@pytest.mark.parametrize("cause", ["rate_limit", "overloaded"])
def test_an_overload_halves_the_slots_once_for_all_calls_on_their_way(cause):
    async def work():
        limiter = AdaptiveLimiter(16, 100)
        for ticket in await fill(limiter):
            limiter.release(ticket, overload(cause))
        first = limiter.concurrency
        limiter.release(await limiter.acquire(), overload(cause))
        return first, limiter.concurrency

    assert virtual_time.run(work()) == (8, 4)


def test_other_failures_change_nothing():
    async def work():
        limiter = AdaptiveLimiter(16, 100)
        for ticket in await fill(limiter):
            limiter.release(ticket, overload("server"))
        return limiter.concurrency

    assert virtual_time.run(work()) == 16


def test_after_an_overload_a_full_window_of_answers_adds_one_slot():
    async def work():
        limiter, seen = AdaptiveLimiter(8, 100), []
        tickets = await fill(limiter)
        limiter.release(tickets.pop(), overload())
        for ticket in tickets:
            limiter.release(ticket, answered=False)
        pending = await fill(limiter)
        for _ in range(9):
            limiter.release(pending.pop(0))
            pending += await fill(limiter)
            seen.append(limiter.concurrency)
        return seen

    assert virtual_time.run(work()) == [4, 4, 4, 5, 5, 5, 5, 5, 6]


def test_slots_are_given_in_the_order_of_asking():
    async def work():
        limiter, order = AdaptiveLimiter(1, 1), []

        async def one(number):
            ticket = await limiter.acquire()
            order.append(number)
            await asyncio.sleep(1)
            limiter.release(ticket)

        await asyncio.gather(*(one(number) for number in range(6)))
        return order, asyncio.get_running_loop().time()

    order, seconds = virtual_time.run(work())
    assert order == list(range(6))
    assert seconds == pytest.approx(6, abs=0.01)


def test_who_is_more_urgent_gets_a_slot_before_who_asked_earlier():
    async def work():
        limiter, order = AdaptiveLimiter(1, 1), []

        async def one(name, urgency):
            ticket = await limiter.acquire(urgency)
            order.append(name)
            await asyncio.sleep(1)
            limiter.release(ticket)

        asked = (("at once", 0.0), ("low", 1.0), ("high", 2.5), ("as low", 1.0), ("highest", float("inf")))
        await asyncio.gather(*(one(*of) for of in asked))
        return order

    assert virtual_time.run(work()) == ["at once", "highest", "high", "low", "as low"]


def test_a_pause_holds_back_every_call_and_no_longer():
    async def work():
        limiter, loop = AdaptiveLimiter(4, 4), asyncio.get_running_loop()
        limiter.release(await limiter.acquire(), overload(retry_after=7.0))

        async def one():
            ticket = await limiter.acquire()
            limiter.release(ticket)
            return loop.time()

        return await asyncio.gather(*(one() for _ in range(5)))

    assert virtual_time.run(work()) == pytest.approx([7.0] * 5, abs=0.01)


def test_a_shorter_pause_does_not_end_a_longer_one():
    async def work():
        limiter = AdaptiveLimiter(4, 4)
        first, second = await limiter.acquire(), await limiter.acquire()
        limiter.release(first, overload(retry_after=9.0))
        limiter.release(second, overload(retry_after=2.0))
        await limiter.acquire()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(work()) == pytest.approx(9, abs=0.01)


def test_a_pause_that_is_too_long_is_an_error_that_says_what_was_asked_and_leaves_the_slot():
    async def work():
        limiter = AdaptiveLimiter(4, 4)
        with pytest.raises(BackendError, match="asks to wait 180 s, at most 60 s") as raised:
            limiter.release(await limiter.acquire(), overload(retry_after=180.0))
        await limiter.acquire()
        return raised.value.retryable, limiter.in_flight, asyncio.get_running_loop().time()

    assert virtual_time.run(work()) == (False, 1, 0)


def test_a_cancelled_wait_leaves_no_slot_behind():
    async def work():
        limiter = AdaptiveLimiter(1, 1)
        ticket = await limiter.acquire()
        before, granted = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        before.cancel()
        await asyncio.sleep(0)
        limiter.release(ticket)
        granted.cancel()
        await asyncio.sleep(0)
        return limiter.in_flight, await limiter.acquire()

    assert virtual_time.run(work())[0] == 0


@given(st.lists(st.sampled_from(["answer", "overload", "break", "fail"]), max_size=200), st.integers(1, 20))
def test_slots_stay_within_bounds_and_are_all_given_back(events, start):
    async def work():
        limiter, tickets = AdaptiveLimiter(start, 32), []
        for event in events:
            tickets += await fill(limiter)
            ticket = tickets.pop(0)
            if event in ("answer", "break"):
                limiter.release(ticket, answered=event == "answer")
            else:
                limiter.release(ticket, overload("rate_limit" if event == "overload" else "server"))
            assert 1 <= limiter.concurrency <= 32
            assert limiter.in_flight == len(tickets)

    virtual_time.run(work())


@pytest.mark.parametrize("slots", [(0, 4), (5, 4)])
def test_impossible_numbers_of_slots_are_refused(slots):
    with pytest.raises(ConfigError, match="expected 1 <= first <= most"):
        AdaptiveLimiter(*slots)


def test_waits_double_up_to_the_most_with_half_of_each_kept():
    policy = RetryPolicy(first=0.5, most=4.0)
    for attempt, full in enumerate([0.5, 1, 2, 4, 4, 4], 1):
        delays = [policy.delay(bytes([key]), attempt) for key in range(1, 200)]
        assert full / 2 <= min(delays) < full * 0.55
        assert full * 0.95 < max(delays) <= full


def test_a_wait_is_a_function_of_call_and_attempt():
    policy = RetryPolicy()
    assert policy.delay(b"a", 1) == RetryPolicy().delay(b"a", 1)
    assert policy.delay(b"a", 1) != policy.delay(b"b", 1)


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"first": -1.0}, {"first": 5.0, "most": 1.0}])
def test_impossible_retries_are_refused(settings):
    with pytest.raises(ConfigError, match="retries: got"):
        RetryPolicy(**settings)
