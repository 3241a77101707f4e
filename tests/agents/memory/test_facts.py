"""Facts and forgetting: what stays, what fades, what takes the place of what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from memory_streams import ROWS, live, make_memories, streams, times

from recsim_llm.agents.memory import Memories, MemoryKind, WordWeights
from recsim_llm.data.fictional import load

EVERYONE = np.arange(ROWS)


@pytest.fixture(scope="module")
def catalog():
    return load().catalog


def live_fifty_turns(catalog):
    """Return memories of a user who watched eight films on each of fifty turns."""
    memories = Memories(1, words=WordWeights.from_catalog(catalog), topics=catalog.genre_names)
    random = np.random.default_rng(3)
    for turn in range(1, 51):
        film = random.integers(len(catalog), size=8)
        names = [f'Watched "{catalog.title[one]}", {", ".join(catalog.genres_of(one))}, and gave 4 stars' for one in film]
        memories.remember([0] * 8, float(turn), names, importance=random.random(8), valence=0.5)
    return memories


def test_a_fact_told_in_turn_1_is_recalled_in_turn_50(catalog):
    memories = live_fifty_turns(catalog)
    memories.state_fact([0], 1.0, ["I never watch anything with spiders in it, they scare me"])
    found = memories.recall([0], ["Would a story about a giant spider suit this person?"], 51.0, 3)
    assert "spiders" in memories.texts(0, found.index[0])[0]


def test_the_one_relevant_fact_among_many_is_recalled(catalog):
    memories = live_fifty_turns(catalog)
    subjects = [f"opinion {number} on {name}" for number, name in enumerate(catalog.title[:80])]
    told = [*subjects[:40], "My daughter is allergic to peanuts", *subjects[40:]]
    memories.state_fact([0] * len(told), 1.0, told)
    found = memories.recall([0], ["Are peanuts a problem at home?"], 51.0, 3, kinds=[MemoryKind.FACT])
    assert memories.texts(0, found.index[0])[0] == "My daughter is allergic to peanuts"


def test_a_later_fact_with_the_same_key_takes_the_place_of_the_earlier_one():
    memories = make_memories()
    memories.state_fact([0, 1], 1.0, ["lives by the harbour"] * 2, ["home"] * 2)
    memories.state_fact([0, 0], 2.0, ["owns a violin", "lives by the bakery"], ["violin", "home"])
    assert memories.facts(0) == ["owns a violin", "lives by the bakery"]
    assert memories.facts(0, history=True) == ["lives by the harbour", "owns a violin", "lives by the bakery"]
    assert memories.facts(1) == ["lives by the harbour"]
    assert 0 not in memories.recall([0], ["harbour"], 3.0, 5).index


def test_a_fact_told_twice_is_held_once():
    memories = make_memories()
    memories.state_fact([0, 0], [1.0, 2.0], ["owns a violin"] * 2)
    assert memories.facts(0) == ["owns a violin"]


def test_facts_never_fade():
    memories = make_memories()
    memories.state_fact([0], 0.0, ["owns a violin"])
    assert memories.recall([0], ["bakery"], 1e6, 1).index.tolist() == [[0]]


def recalled(memories, now):
    return memories.recall([0], ["lantern"], now, 1, touch=False).index[0, 0] >= 0


def test_an_observation_fades_once_its_retention_is_below_the_threshold():
    memories = make_memories(1, strength=10.0, forgotten_below=np.exp(-2), importance_strength=1.0)
    memories.remember([0], 0.0, ["comet"], importance=0.5, valence=0)
    assert recalled(memories, 29.9)
    assert not recalled(memories, 30.1)


def test_what_was_recalled_is_remembered_longer():
    memories = make_memories(1, strength=10.0, forgotten_below=np.exp(-2), importance_strength=0.0)
    memories.remember([0], 0.0, ["comet"], importance=0.5, valence=0)
    memories.recall([0], ["comet"], 19.0, 1)
    assert recalled(memories, 19.0 + 39.9)
    assert not recalled(memories, 19.0 + 40.1)


def test_looking_without_touching_leaves_no_trace():
    memories = make_memories(1)
    memories.remember([0], 0.0, ["comet"], importance=0.5, valence=0)
    before = memories.columns()
    memories.recall([0], ["comet"], 5.0, 1, touch=False)
    assert all(np.array_equal(before[name], column, equal_nan=name == "stars") for name, column in memories.columns().items())


def recalled_texts(memories, now):
    found = memories.recall(EVERYONE, ["lantern comet"] * ROWS, now, 40, touch=False)
    return [memories.texts(row, found.index[row]) for row in EVERYONE], found.score


@given(streams, times)
@settings(max_examples=60)
def test_compacting_changes_neither_what_is_recalled_nor_what_is_reflected(stream, now):
    plain, compacted = (live(make_memories(strength=2.0, evidence_window=3), stream) for _ in range(2))
    compacted.compact(EVERYONE, now)
    texts, score = recalled_texts(plain, now)
    fewer, score_after = recalled_texts(compacted, now)
    assert fewer == texts
    assert score_after.tobytes() == score.tobytes()
    assert [plain.facts(row, history=True) for row in EVERYONE] == [compacted.facts(row, history=True) for row in EVERYONE]
    for memories in (plain, compacted):
        memories.reflect(EVERYONE, now)
    assert [plain.render([row], [""], now, 500)[0].consolidated for row in EVERYONE] == [
        compacted.render([row], [""], now, 500)[0].consolidated for row in EVERYONE
    ]


def test_compacting_drops_what_has_faded():
    memories = make_memories(2, evidence_window=1)
    names = [f"comet {number}" for number in range(2_000)]
    memories.remember([0] * 2_000, 0.0, names, importance=0.1, valence=0, stars=3)
    memories.remember([1], 0.0, ["ferry"], importance=0.1, valence=0)
    memories.compact([0], 1e4)
    assert memories.columns()["text"].tolist() == ["comet 1999", "ferry"]


def test_staleness_is_the_share_of_what_is_recalled_that_was_made_before():
    memories = make_memories()
    memories.remember([0] * 4, [1.0, 2.0, 3.0, 8.0], ["ferry"] * 4, importance=0.5, valence=0)
    found = memories.recall([0, 1], ["ferry"] * 2, 9.0, 4)
    stale = memories.staleness(found, 3.0)
    assert stale[0] == 0.5
    assert np.isnan(stale[1])
