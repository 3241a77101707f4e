"""What users remember having been shown, against plain Python lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.agents.choice import encounters as encounters_module
from recsim_llm.agents.choice.encounters import Encounters
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import RatedItems

ROWS, SLOTS, ITEMS, USERS = 4, 6, 1500, 7
ALL = slice(None)


def rated_before(pairs, users=ROWS, items=ITEMS):
    """Return ``RatedItems`` of pairs of user index and item index; rows of other users and unknown items stand among them."""
    random = np.random.default_rng(1)
    catalog = Catalog.from_columns(
        item_id=np.arange(items) * 3 + 1,
        title=[str(item) for item in range(items)],
        genres=[["Drama"]] * items,
        popularity=np.ones(items),
    )
    user, item = np.array([*pairs, (users, 0)]).T
    order = random.permutation(len(user))
    ratings = Ratings(
        user_id=user[order] * 7 + 2,
        item_id=np.append(catalog.item_id, 0)[item[order]],
        rating=np.full(len(user), 3.0, np.float32),
        timestamp=np.arange(len(user)),
    )
    return RatedItems.of(ratings, np.arange(users) * 7 + 2, catalog)


def told(met):
    """Return what was found, as plain values by place; what means nothing is left out."""
    if met is None:
        return {}
    columns = (met.place, met.exposures, met.since_exposure, met.consumed, met.since_consumed)
    return {
        place: (exposures, since if exposures else None, consumed, last if consumed else None)
        for place, exposures, since, consumed, last in zip(*(column.tolist() for column in columns), strict=True)
    }


def expected(pages, item, before=()):
    """Return the same of one item for a row that saw these pages of (items, consumed items) and rated something before."""
    exposed = [number for number, (shown, taken) in enumerate(pages) if item in shown and item not in taken]
    consumed = [-1] * (item in before) + [number for number, (_, taken) in enumerate(pages) if item in taken]
    if item < 0 or not (exposed or consumed):
        return None
    now = len(pages) - 1
    return (
        len(exposed),
        now - exposed[-1] if exposed else None,
        bool(consumed),
        now - consumed[-1] if consumed else None,
    )


SIZES = {"as shipped": {}, "small": {"_FLAGS": 1, "_FEWEST": 16, "_FEW_ITEMS": 1, "_LIVES": 2, "_UNTOLD": 4}}


@pytest.mark.parametrize("sizes", SIZES)
@given(
    steps=st.lists(st.tuples(st.integers(0, 2**32), st.booleans(), st.integers(0, 7)), max_size=60),
    pairs=st.none() | st.sets(st.tuples(st.integers(0, USERS - 1), st.integers(0, 59))),
)
@settings(max_examples=40)
def test_memory_is_that_of_lists(sizes, steps, pairs):
    with pytest.MonkeyPatch.context() as patch:
        for name, size in SIZES[sizes].items():
            patch.setattr(encounters_module, name, size)
        compare_with_lists(steps, pairs)


def compare_with_lists(steps, pairs):
    rated = None if pairs is None else rated_before([(user, 25 * item) for user, item in pairs], users=USERS)
    before = [{25 * item for owner, item in pairs or () if owner == user} for user in range(USERS)]
    memory = Encounters(ROWS, SLOTS, ITEMS, rated)
    memory.begin(ALL, np.arange(ROWS))
    pages, user = [[] for _ in range(ROWS)], list(range(ROWS))
    for seed, few, forgetting in steps:
        random = np.random.default_rng(seed)
        rows = np.sort(random.permutation(ROWS)[:2]) if few else ALL
        at = np.arange(ROWS)[rows]
        items = np.stack([random.choice(60, SLOTS, replace=False) * 25 for _ in at])
        items[random.random(items.shape) < 0.1] = -1
        looked_up = {
            place * SLOTS + slot: expected(pages[row], item, before[user[row]])
            for place, row in enumerate(at)
            for slot, item in enumerate(items[place].tolist())
        }
        assert told(memory.find(rows, items)) == {place: met for place, met in looked_up.items() if met}
        clicked = (random.random(items.shape) < 0.3) & (items >= 0)
        memory.add(rows, items, np.flatnonzero(clicked))
        for place, row in enumerate(at):
            pages[row].append((set(items[place].tolist()), set(items[place][clicked[place]].tolist())))
        if seed % 3 == 0:
            every = {
                place * ITEMS + item: expected(pages[row], item, before[user[row]])
                for place, row in enumerate(at)
                for item in before[user[row]].union(*(shown for shown, _ in pages[row]))
            }
            assert told(memory.every(rows)) == {place: met for place, met in every.items() if met}
        if forgetting == 0:
            someone = random.integers(0, USERS, len(at))
            memory.begin(rows, someone)
            for row, now in zip(at, someone.tolist(), strict=True):
                user[row] = now
                pages[row].clear()


def test_nothing_drops_out_however_much_comes_after_it():
    memory = Encounters(2, 3, 5000)
    first = np.array([[7, 8, 9], [10, 11, 12]])
    memory.find(ALL, first)
    memory.add(ALL, first, np.array([0]))
    for page in range(1, 300):
        later = np.array([[100, 101, 102], [200, 201, 202]]) + 3 * page
        assert memory.find(ALL, later) is None
        memory.add(ALL, later, np.array([1]))
    met = memory.find(ALL, first)
    assert met.place.tolist() == [0, 1, 2, 3, 4, 5]
    assert met.exposures.tolist() == [0, 1, 1, 1, 1, 1]
    assert met.consumed.tolist() == [True] + [False] * 5
    assert met.since_consumed[0] == met.since_exposure[1] == 299


def test_an_empty_slot_was_never_met():
    memory = Encounters(1, 2, 1024)
    page = np.array([[-1, 1023]])
    memory.find(ALL, page)
    memory.add(ALL, page, np.array([], np.int64))
    assert told(memory.find(ALL, page)) == {1: (1, 0, False, None)}


def test_nothing_is_found_before_anything_was_shown():
    memory = Encounters(2, 3, 9)
    assert memory.find(ALL, np.array([[0, 1, 2], [3, 4, 8]])) is None
    assert memory.every(ALL).place.size == 0
