"""The list of candidates: what may be shown, each once, in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.tools.bus import CandidateBus

ITEMS = st.lists(st.integers(0, 9), max_size=12)
ALLOWED = st.lists(st.booleans(), min_size=10, max_size=10).map(np.array)


@given(ALLOWED, st.lists(ITEMS, max_size=4), ITEMS)
def test_it_holds_what_may_be_shown_each_once(allowed, added, first):
    bus = CandidateBus(allowed)
    for items in added:
        bus.add(items)
    expected = list(dict.fromkeys(item for items in added for item in items if allowed[item]))
    assert bus.items == expected
    bus.put_first(first)
    front = list(dict.fromkeys(item for item in first if item in expected))
    assert bus.items == [*front, *(item for item in expected if item not in front)]


def test_keeping_leaves_the_order():
    bus = CandidateBus(np.ones(5, np.bool_))
    bus.add([4, 0, 2])
    bus.keep(np.array([True, True, False, False, True]))
    assert bus.items == [4, 0]


def test_a_copy_goes_its_own_way():
    bus = CandidateBus(np.ones(5, np.bool_))
    bus.add([4])
    other = bus.copy()
    other.add([1])
    assert (bus.items, other.items) == ([4], [4, 1])
