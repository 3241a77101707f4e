"""The rule on repetition, against plain sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import KnownItems, RatedItems
from recsim_llm.errors import SlateError

ROWS, SLOTS = 3, 4


def catalog(items, retired=()):
    made = Catalog.from_columns(
        item_id=np.arange(items) * 3 + 7,
        title=[f"item {number}" for number in range(items)],
        genres=[["genre"]] * items,
    )
    return replace(made, retired=np.isin(np.arange(items), list(retired)))


def ratings(pairs, known):
    user, item = np.array(pairs, np.int64).reshape(-1, 2).T
    return Ratings(
        user_id=user,
        item_id=known.item_id[item],
        rating=np.full(len(user), 4.0, np.float32),
        timestamp=np.zeros(len(user), np.int64),
    )


def expected_blanks(page, known, on_sale, blank):
    """Apply the rule slot by slot."""
    lacking = max(SLOTS - len(on_sale - known), 0)
    blanks = []
    for item, given_up in zip(page, blank, strict=True):
        again = item in known and not given_up and item >= 0
        blanks.append(given_up or (again and lacking <= 0))
        lacking -= again
    return blanks


@settings(max_examples=60, deadline=None)
@given(items=st.integers(4, 30), seed=st.integers(0, 10_000), data=st.data())
def test_what_a_user_knows_stays_blank_as_far_as_the_catalog_reaches(items, seed, data):
    random = np.random.default_rng(seed)
    retired = set(data.draw(st.sets(st.integers(0, items - 1), max_size=items - 4)))
    world = catalog(items, retired)
    rated = {user: set(random.integers(0, items, random.integers(0, 5)).tolist()) for user in range(5)}
    pairs = [(user * 10, item) for user, known in rated.items() for item in known] + [(99, 0)]
    who = random.permutation(5)[:ROWS]
    shown = KnownItems(world, rows=ROWS, slate_size=SLOTS, rated=RatedItems.of(ratings(pairs, world), np.arange(5) * 10, world))
    shown.begin(slice(None), who)
    known = [set(rated[user]) for user in who.tolist()]
    for number in range(12):
        if number == 7:
            shown.begin(np.array([1]), np.array([0]))
            known[1] = set(rated[0])
        rows = slice(None) if number % 2 else np.flatnonzero(random.random(ROWS) < 0.8)
        on = np.arange(ROWS)[rows]
        pages = np.array([random.choice(items, SLOTS, replace=False) for _ in on], np.int64).reshape(-1, SLOTS)
        pages[random.random(pages.shape) < 0.1] = -1
        blank = (pages < 0) | (random.random(pages.shape) < 0.1)
        sale = set(range(items)) - retired
        want = [expected_blanks(page, known[row], sale, gap) for row, page, gap in zip(on, pages.tolist(), blank, strict=True)]
        got = shown.admit(pages, rows, blank, refuse=None)
        assert (np.zeros(pages.shape, bool) if got is None else got).tolist() == want
        for row, page, gap in zip(on, pages.tolist(), blank, strict=True):
            known[row] |= {item for item, given_up in zip(page, gap, strict=True) if not given_up}
        fresh = shown.fresh(slice(None))
        assert [set(np.flatnonzero(row).tolist()) for row in fresh] == [sale - seen for seen in known]


def test_a_refused_page_names_the_slot_and_counts_as_not_shown():
    shown = KnownItems(catalog(40), rows=1, slate_size=2, rated=None)
    shown.begin(slice(None), np.array([0]))
    shown.admit(np.array([[1, 2]]), slice(None), None, refuse="mine")
    with pytest.raises(SlateError, match="mine, row 0, position 1: got item 10, which this user was shown or rated before"):
        shown.admit(np.array([[5, 1]]), slice(None), None, refuse="mine")
    assert shown.admit(np.array([[5, 6]]), slice(None), None, refuse="mine") is None
