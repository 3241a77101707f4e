"""Limits: calls exactly, tokens and cost by expectation, time; and what each says when it is reached."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from call_records import record
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import BudgetExceeded, ConfigError
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.budget import Budget, Limits, Prices
from recsim_llm.language.calls.store import CallStore

USED = TokenUsage(prompt=80, cached=50, completion=20)


def test_the_calls_limit_is_exact_with_leases():
    budget = Budget(Limits(calls=2))
    assert budget.lease("")
    assert budget.lease("")
    assert not budget.lease("")
    budget.settle("", None)
    assert budget.lease("")
    budget.settle("", USED)
    budget.settle("", USED)
    with pytest.raises(
        BudgetExceeded, match=r"limit calls: got 2 used of 2 allowed; nothing is lost: go on with a higher --max-calls"
    ):
        budget.lease("")


@given(st.integers(1, 30), st.lists(st.booleans(), min_size=60, max_size=60))
def test_replies_never_exceed_the_calls_limit_and_reach_it_whatever_fails(limit, fails):
    async def work():
        budget, replies = Budget(Limits(calls=limit)), 0

        async def one(number):
            nonlocal replies
            while not budget.lease(""):
                await budget.change()
            await asyncio.sleep(number % 7)
            budget.settle("", None if fails[number] else USED)
            replies += not fails[number]

        outcomes = await asyncio.gather(*(one(number) for number in range(60)), return_exceptions=True)
        return replies, outcomes

    replies, outcomes = virtual_time.run(work())
    assert replies == min(limit, fails.count(False))
    assert any(isinstance(outcome, BudgetExceeded) for outcome in outcomes) <= (replies == limit)


def test_one_limit_that_waits_is_enough_to_wait():
    budget = Budget(Limits(calls=1, tokens=1_000_000))
    assert budget.lease("")
    assert not budget.lease("")


def test_the_limit_of_a_user_concerns_that_user_only():
    budget = Budget(Limits(calls_a_user=1))
    assert budget.lease("7")
    budget.settle("7", USED)
    with pytest.raises(BudgetExceeded, match=r"limit calls_a_user of user 7: got 1 used of 1 allowed.*--max-calls-a-user"):
        budget.lease("7")
    assert budget.lease("8")
    assert budget.lease("")


def test_tokens_stop_when_the_mean_of_the_replies_would_exceed_the_limit():
    budget = Budget(Limits(tokens=250))
    for _ in range(2):
        assert budget.lease("")
        budget.settle("", USED)
    with pytest.raises(BudgetExceeded, match="limit tokens: got 200 used of 250 allowed"):
        budget.lease("")


def test_tokens_expected_by_leases_make_others_wait():
    budget = Budget(Limits(tokens=399))
    budget.lease("")
    budget.settle("", USED)
    assert budget.lease("")
    assert budget.lease("")
    assert not budget.lease("")


def test_cost_is_that_of_fresh_cached_and_written_tokens():
    assert Prices(2.0, 8.0, 0.5).cost(USED) == pytest.approx((30 * 2 + 50 * 0.5 + 20 * 8) / 1e6)
    assert Prices(2.0, 8.0).cost(USED) == pytest.approx((80 * 2 + 20 * 8) / 1e6)


def test_the_cost_limit_stops():
    budget = Budget(Limits(cost=0.01), Prices(1.0, 1.0))
    budget.lease("")
    budget.settle("", USED, 0.006)
    with pytest.raises(BudgetExceeded, match=r"limit cost: got 0\.006 used of 0\.01 allowed.*--max-cost"):
        budget.lease("")


def test_a_limit_is_told_in_full():
    budget = Budget(Limits(tokens=1_500_000))
    budget.lease("")
    budget.settle("", TokenUsage(1_500_000, 0, 1))
    with pytest.raises(BudgetExceeded, match="got 1,500,001 used of 1,500,000 allowed"):
        budget.lease("")


def test_a_model_on_this_machine_costs_what_its_own_prices_say():
    budget = Budget(Limits(cost=1), {"openai-compatible/gateway": Prices(1.0, 2.0)})
    assert budget.prices_of("openai-compatible/gateway", local=True) == Prices(1.0, 2.0)
    assert Budget(Limits(cost=1), Prices(1.0, 2.0)).prices_of("scripted/a", local=True) is None


def test_the_seconds_limit_counts_from_the_first_lease():
    now = [100.0]
    budget = Budget(Limits(seconds=5), clock=lambda: now[0])
    assert budget.lease("")
    now[0] = 104.9
    assert budget.lease("")
    now[0] = 105.0
    with pytest.raises(BudgetExceeded, match="limit seconds: got 5 used of 5 allowed"):
        budget.lease("")


def test_a_cost_limit_without_prices_is_refused():
    with pytest.raises(ConfigError, match="limit cost: got 1 without prices"):
        Budget(Limits(cost=1))


def test_a_cost_limit_needs_the_prices_of_every_model_that_is_paid():
    budget = Budget(Limits(cost=1), {"openai/a": Prices(1.0, 2.0)})
    assert budget.prices_of("openai/a", local=False) == Prices(1.0, 2.0)
    assert budget.prices_of("transformers/b", local=True) is None
    with pytest.raises(ConfigError, match="got no prices of openai/b"):
        budget.prices_of("openai/b", local=False)


@pytest.mark.parametrize("limit", ["calls", "tokens", "cost", "seconds", "calls_a_user"])
def test_limits_are_positive(limit):
    with pytest.raises(ConfigError, match=f"limit {limit}: got 0, expected a positive number"):
        Limits(**{limit: 0})


def test_a_token_limit_is_not_held_blindly_where_a_provider_does_not_count():
    budget = Budget(Limits(tokens=100))
    budget.lease("")
    with pytest.raises(ConfigError, match="without a count of tokens"):
        budget.settle("", TokenUsage())
    assert budget.lease("")


def test_what_a_file_says_was_paid_counts_once(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    for number in range(3):
        store.put(record(number, subject="7"))
    store.put(record(0, status="failed", reply=None, cause="timeout"))
    store.put(record(1, cache_hit=True, cost=None))
    store.close()
    budget = Budget(Limits(calls=3))
    budget.count(CallStore(tmp_path / "none.sqlite"))
    assert not (tmp_path / "none.sqlite").exists()
    budget.count(store)
    budget.count(store)
    with pytest.raises(BudgetExceeded, match="got 3 used of 3"):
        budget.lease("")
    store.close()
