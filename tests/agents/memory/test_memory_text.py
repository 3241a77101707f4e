"""Rendering: lines for a prompt, within the budget, counted where they are left out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import ROWS, live, make_memories, streams, texts, times

from recsim_llm.agents.memory import MemoryKind
from recsim_llm.language.base.tokens import estimate_tokens

EVERYONE = np.arange(ROWS)
budgets = st.integers(0, 150)


def lines(rendered):
    return [line for part in (rendered.consolidated, rendered.recent) for line in part.split("\n") if line]


def make_full():
    memories = make_memories()
    memories.remember([0] * 3, [1.0, 2.0, 3.0], ["ferry", "comet", "violin"], importance=[0.2, 0.9, 0.5], valence=0, stars=4)
    memories.state_fact([0, 0], 1.0, ["plays the violin", "lives by the harbour"])
    return memories


@given(streams, texts, times, budgets)
@settings(max_examples=100)
def test_the_budget_is_never_exceeded(stream, query, now, budget):
    for rendered in live(make_memories(), stream).render(EVERYONE, [query] * ROWS, now, budget):
        assert estimate_tokens(rendered.consolidated) + estimate_tokens(rendered.recent) <= budget


@given(streams, texts, times, budgets)
@settings(max_examples=100)
def test_what_is_shown_and_what_is_dropped_are_all_candidates(stream, query, now, budget):
    memories = live(make_memories(recalled=50), stream)
    columns = memories.columns()
    stands = (columns["kind"] != MemoryKind.OBSERVATION) & ~columns["replaced"]
    retained = (columns["kind"] == MemoryKind.OBSERVATION) & (columns["fades_at"] > now)
    expected = np.bincount(columns["row"][stands | retained], minlength=ROWS)
    rendered = memories.render(EVERYONE, [query] * ROWS, now, budget)
    assert [len(lines(each)) + each.dropped for each in rendered] == expected.tolist()


@given(streams, texts, times, budgets)
@settings(max_examples=50)
def test_a_row_is_rendered_the_same_in_any_company(stream, query, now, budget):
    together = live(make_memories(recalled=3), stream).render(EVERYONE, [query] * ROWS, now, budget)
    for row in range(ROWS):
        (alone,) = live(make_memories(1, recalled=3), stream, {row: 0}).render([0], [query], now, budget)
        assert (alone.consolidated, alone.recent, alone.dropped) == (
            together[row].consolidated, together[row].recent, together[row].dropped,
        )  # fmt: skip


def test_recent_events_stand_in_the_order_in_which_they_happened():
    rendered = make_full().render([0], ["violin"], 4.0, 500)[0]
    assert rendered.recent == "- ferry\n- comet\n- violin"
    assert rendered.time.tolist() == [1.0, 2.0, 3.0]
    assert rendered.index.tolist() == [0, 1, 2]


def test_reflection_and_facts_stand_first():
    memories = make_full()
    memories.reflect([0], 4.0)
    assert memories.render([0], ["violin"], 4.0, 500)[0].consolidated == (
        "- Of the last 3: liked 0, disliked 0, 4.0 stars on average.\n- plays the violin\n- lives by the harbour"
    )


def test_the_consolidated_part_is_the_same_for_any_query_until_something_is_consolidated():
    memories = make_full()
    memories.reflect([0], 4.0)
    first = memories.render([0], ["violin"], 4.0, 120)[0].consolidated
    memories.remember([0], 5.0, ["bakery"], importance=1.0, valence=-1.0, stars=1)
    assert memories.render([0], ["bakery in winter"], 30.0, 120)[0].consolidated == first
    memories.state_fact([0], 30.0, ["likes winter"])
    assert memories.render([0], ["ferry"], 31.0, 120)[0].consolidated == f"{first}\n- likes winter"


def test_the_least_valuable_event_goes_first():
    memories = make_memories()
    memories.remember([0] * 3, 1.0, ["ferry", "comet", "violin"], importance=[0.2, 0.9, 0.5], valence=0)
    room = estimate_tokens("- ferry\n- comet\n- violin")
    shown = [memories.render([0], ["harbour"], 1.0, budget)[0].recent for budget in (2 * room, room, room // 2)]
    assert shown == ["- ferry\n- comet\n- violin", "- comet\n- violin", "- comet"]


def test_a_line_that_cannot_fit_does_not_take_others_with_it():
    memories = make_memories()
    memories.remember([0, 0], 1.0, ["comet " * 200 + "end", "ferry"], importance=[1.0, 0.1], valence=0)
    rendered = memories.render([0], ["harbour"], 1.0, 50)[0]
    assert (rendered.recent, rendered.dropped) == ("- ferry", 1)


def test_a_fact_without_room_among_the_facts_is_recalled_where_it_matters():
    memories = make_memories()
    told = [f"owns orchid number {number}" for number in range(30)]
    memories.state_fact([0] * 31, 1.0, ["is afraid of the ferry", *told])
    rendered = memories.render([0], ["a ferry in the harbour"], 2.0, 120)[0]
    assert "ferry" not in rendered.consolidated
    assert "- is afraid of the ferry" in rendered.recent.split("\n")


def test_only_what_is_shown_is_touched():
    memories = make_memories()
    memories.remember([0, 0], 1.0, ["ferry", "comet"], importance=[0.2, 0.9], valence=0)
    memories.render([0], ["harbour"], 7.0, estimate_tokens("- comet\n"))
    assert memories.columns()["last_touched"].tolist() == [1.0, 7.0]
    assert memories.columns()["touches"].tolist() == [0, 1]
