"""Recall: what comes to mind, in what order, and for whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import ROWS, WORDS, live, make_memories, same, same_recall, streams, texts, times

from recsim_llm.agents.memory import MemoryKind, MemorySettings
from recsim_llm.errors import ConfigError

EVERYONE = np.arange(ROWS)


def remember(memories, names, time=0.0, importance=0.5, row=0):
    memories.remember([row] * len(names), time, names, importance=importance, valence=0)


def best_text(memories, query, now, row=0):
    return memories.texts(row, memories.recall([row], [query], now, 1, touch=False).index[0])


@pytest.mark.parametrize("touched", ["a lantern", "a comet"])
def test_a_memory_touched_now_outranks_one_touched_long_ago(touched):
    memories = make_memories(1)
    remember(memories, ["a lantern", "a comet"])
    memories.recall([0], [touched], 90.0, 1)
    assert best_text(memories, "violin", 91.0) == [touched]


def test_the_later_of_two_events_has_the_higher_score():
    memories = make_memories(1)
    memories.remember([0, 0], [10.0, 2.0], ["new", "old"], importance=0.5, valence=0)
    score = memories.recall([0], ["violin"], 12.0, 2, touch=False).score[0]
    assert score[0] > score[1]
    assert best_text(memories, "violin", 12.0) == ["new"]


def test_recency_halves_with_the_half_life_since_the_last_touch():
    memories = make_memories(1, recency_half_life=10.0, importance_weight=0.0)
    remember(memories, ["a lantern"])
    fresh, older = (memories.recall([0], ["violin"], now, 1, touch=False).score[0, 0] for now in (0.0, 10.0))
    assert older == pytest.approx(fresh / 2)


def test_the_more_important_of_two_events_comes_first():
    memories = make_memories(1)
    memories.remember([0, 0], 0.0, ["weighty", "slight"], importance=[0.9, 0.1], valence=0)
    assert best_text(memories, "violin", 1.0) == ["weighty"]


def test_the_relevant_event_comes_before_more_important_ones():
    memories = make_memories(1)
    remember(memories, ["the old ferry", *WORDS[4:]], importance=[0.5, 0.9, 0.9, 0.9, 0.9])
    assert best_text(memories, "ferries?", 1.0) == ["the old ferry"]


def test_a_rare_word_says_more_than_a_frequent_one():
    memories = make_memories(1)
    remember(memories, ["orchid", "lantern"])
    assert best_text(memories, "lantern orchid", 1.0) == ["orchid"]


def test_the_score_is_the_weighted_mean_of_its_parts():
    memories = make_memories(1, recency_half_life=8.0)
    remember(memories, ["ferry", "comet"], importance=[0.25, 0.5])
    found = memories.recall([0], ["ferry"], 8.0, 2)
    assert found.index.tolist() == [[0, 1]]
    assert found.score[0] == pytest.approx([(0.5 * 0.5 + 2 * 0.25 + 3) / 5.5, (0.5 * 0.5 + 2 * 0.5) / 5.5])


def test_the_best_match_is_fully_relevant_however_long_the_query():
    memories = make_memories(1)
    remember(memories, ["ferry violin", "comet"])
    short, long = (memories.recall([0], [query], 0.0, 1, touch=False).score[0, 0] for query in ("ferry", "ferry orchid bakery"))
    assert short == long == pytest.approx((0.5 + 2 * 0.5 + 3) / 5.5)


def test_of_equal_memories_the_later_one_comes_first():
    memories = make_memories(1)
    remember(memories, ["comet"] * 40)
    assert memories.recall([0], ["comet"], 1.0, 3).index.tolist() == [[39, 38, 37]]


def test_only_the_kinds_asked_for_come_to_mind():
    memories = make_memories(1)
    remember(memories, ["comet"])
    memories.state_fact([0], 0.0, ["the comet is mine"])
    assert memories.recall([0], ["comet"], 1.0, 2, kinds=[MemoryKind.FACT]).index.tolist() == [[1, -1]]


def test_an_empty_memory_recalls_nothing():
    found = make_memories().recall(EVERYONE, ["comet"] * ROWS, 1.0, 3)
    assert (found.index == -1).all()
    assert np.isnan(found.score).all()


def test_a_forgotten_user_has_no_memories_and_others_keep_theirs():
    memories = make_memories()
    remember(memories, ["comet"], row=0)
    remember(memories, ["ferry"], row=1)
    memories.forget(np.array([0]))
    assert memories.columns()["text"].tolist() == ["ferry"]
    remember(memories, ["violin"], row=0)
    assert best_text(memories, "comet", 1.0) == ["violin"]


@given(streams, st.lists(texts, min_size=ROWS, max_size=ROWS), times)
@settings(max_examples=60)
def test_a_row_recalls_the_same_to_the_bit_in_any_company(stream, queries, now):
    together = live(make_memories(), stream)
    everyone = together.recall(EVERYONE, queries, now, 3)
    for row in range(ROWS):
        alone = live(make_memories(1), stream, {row: 0})
        assert same_recall(alone.recall([0], [queries[row]], now, 3), take(everyone, row))


@given(streams, texts, times, st.permutations(range(ROWS)))
@settings(max_examples=60)
def test_the_order_of_rows_changes_nothing(stream, query, now, order):
    plain = live(make_memories(), stream)
    turned = live(make_memories(), stream, dict(enumerate(order)))
    expected = plain.recall(EVERYONE, [query] * ROWS, now, 3)
    found = turned.recall(order, [query] * ROWS, now, 3)
    assert same_recall(found, expected)


@given(streams, texts, times)
@settings(max_examples=40)
def test_the_same_life_leaves_the_same_memories(stream, query, now):
    first, second = (live(make_memories(), stream) for _ in range(2))
    assert same_recall(*(memories.recall(EVERYONE, [query] * ROWS, now) for memories in (first, second)))
    assert same(first.columns(), second.columns())


@given(streams)
@settings(max_examples=30)
def test_remembering_at_once_is_remembering_one_by_one(stream):
    stream = [(*event[:-1], "observe") for event in stream]
    row, time, names, importance, valence, topics, stars, _ = zip(*stream, strict=True) if stream else [()] * 8
    at_once = make_memories()
    about = np.array(topics, np.bool_).reshape(len(row), 3)
    at_once.remember(
        np.array(row, int), list(time), names, importance=list(importance), valence=list(valence), topics=about,
        stars=list(stars),
    )  # fmt: skip
    assert same(at_once.columns(), live(make_memories(), stream).columns())


def test_rows_of_very_different_length_are_searched_as_alone():
    random = np.random.default_rng(5)
    lengths = [0, 1, 3, 400, 40, 2_000] * 20
    memories = make_memories(len(lengths))
    alone = []
    for row, length in enumerate(lengths):
        names = [" ".join(random.choice(WORDS, 3)) for _ in range(length)]
        importance = random.random(length)
        memories.remember([row] * length, np.arange(length) / 50, names, importance=importance, valence=0)
        single = make_memories(1)
        single.remember([0] * length, np.arange(length) / 50, names, importance=importance, valence=0)
        alone.append(single.recall([0], ["comet ferry"], 41.0, 4))
    found = memories.recall(np.arange(len(lengths)), ["comet ferry"] * len(lengths), 41.0, 4)
    assert all(same_recall(single, take(found, row)) for row, single in enumerate(alone))


def take(recalled, row):
    return type(recalled)(recalled.row[[row]], recalled.index[[row]], recalled.score[[row]])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"texts": ["two\nlines"]}, "expected one line"),
        ({"texts": [" "]}, "expected one line"),
        ({"texts": ["one", "two"]}, "expected a list of 1"),
        ({"row": [7]}, "expected 0 to 3"),
        ({"row": [0.5]}, "expected whole numbers"),
        ({"importance": 1.5}, "expected numbers from 0 to 1"),
        ({"valence": -2}, "expected numbers from -1 to 1"),
        ({"time": np.nan}, "expected finite numbers"),
        ({"topics": [[True]]}, "one column for each topic"),
        ({"stars": np.inf}, "expected stars"),
    ],
)
def test_what_cannot_be_remembered_is_refused(change, complaint):
    given_row = {"row": [0], "time": 0.0, "texts": ["comet"], "importance": 0.5, "valence": 0.0} | change
    memories = make_memories()
    with pytest.raises(ConfigError, match=complaint):
        memories.remember(**given_row)
    assert memories.columns()["row"].size == 0


@pytest.mark.parametrize("change", [{"strength": 0}, {"recalled": 1.5}, {"fact_importance": 2}, {"recency_weight": -1}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        MemorySettings(**change)
