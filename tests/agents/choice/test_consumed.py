"""What users remember having consumed, against plain Python lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.agents.choice.consumed import CAPACITY, ConsumedItems

ROWS, SLOTS = 4, 6
ALL = slice(None)


def found(memory, rows, items):
    """Return the flat slots found, as a set."""
    slots = memory.find(rows, items)
    return set() if slots is None else set(slots.tolist())


@given(st.lists(st.tuples(st.integers(0, 2**32), st.booleans(), st.booleans()), max_size=12))
@settings(max_examples=60)
def test_memory_is_that_of_lists(steps):
    memory, lists = ConsumedItems(ROWS), [[] for _ in range(ROWS)]
    for seed, forgets, few in steps:
        random = np.random.default_rng(seed)
        rows = np.sort(random.permutation(ROWS)[:2]) if few else ALL
        at = np.arange(ROWS)[rows]
        items = random.permuted(np.tile(np.arange(150), (len(at), 1)), axis=1)[:, :SLOTS]
        items[random.random(items.shape) < 0.1] = -1
        expected = {
            place * SLOTS + slot
            for place, row in enumerate(at)
            for slot in range(SLOTS)
            if items[place, slot] in lists[row][-CAPACITY:]
        }
        assert found(memory, rows, items) == expected
        pairs = set(zip(*(column.tolist() for column in memory.pairs(rows)), strict=True))
        assert pairs == {(place, item) for place, row in enumerate(at) for item in lists[row][-CAPACITY:]}
        clicked = (random.random(items.shape) < 0.6) & (items >= 0)
        place, slot = np.nonzero(clicked)
        if place.size:
            memory.add(at[place], items[place, slot])
        for one, item in zip(at[place], items[place, slot].tolist(), strict=True):
            lists[one].append(item)
        if forgets:
            memory.forget(rows)
            for row in at:
                lists[row].clear()


def test_the_oldest_item_is_forgotten_first():
    memory = ConsumedItems(1)
    for item in range(CAPACITY + 1):
        memory.add(np.array([0]), np.array([item]))
    assert found(memory, ALL, np.arange(CAPACITY + 1)[None]) == set(range(1, CAPACITY + 1))


@pytest.mark.parametrize("item", [63, 127])
def test_an_empty_slot_was_never_consumed(item):
    memory = ConsumedItems(1)
    memory.add(np.array([0]), np.array([item]))
    assert found(memory, ALL, np.array([[-1, item]])) == {1}


def test_nothing_is_found_before_anything_was_consumed():
    assert ConsumedItems(2).find(ALL, np.zeros((2, 3), np.int64)) is None
