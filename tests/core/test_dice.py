"""The dice of a visit: uniform, independent of each other, and hung on coordinates only."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import chi2_contingency, chisquare

from recsim_llm.core.dice import DiceTable, seed_words
from recsim_llm.core.pages import probability

USERS, VISITS, PAGES, SLOTS = 500, 4, 50, 10
CELLS = 16


def lay_out(users, visits, *, seed=0, first=0, pages=4, slots=3, examine=1.0):
    """Draws of some visits; user 100 + i has index i."""
    table = DiceTable(np.arange(1000) + 100, slots)
    words = table.visit_words(seed_words(seed), np.asarray(users), np.asarray(visits))
    return table.lay_out(words, np.full((len(words), slots), examine, np.float32), first, pages)


@given(
    visits=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 50)), min_size=2, max_size=20),
    cut=st.integers(1, 19),
    seed=st.integers(0, 2**63),
    order=st.randoms(use_true_random=False),
)
def test_dice_depend_neither_on_order_nor_on_size_nor_on_shards(visits, cut, seed, order):
    users, numbers = np.array(visits).T
    together = lay_out(users, numbers, seed=seed)
    place = list(range(len(visits)))
    order.shuffle(place)
    np.testing.assert_array_equal(lay_out(users[place], numbers[place], seed=seed), together[place])
    shards = [lay_out(users[part], numbers[part], seed=seed) for part in (slice(0, cut), slice(cut, None)) if len(users[part])]
    np.testing.assert_array_equal(np.concatenate(shards), together)


@given(first=st.integers(0, 60), pages=st.integers(1, 20))
def test_dice_of_a_block_are_those_of_its_pages(first, pages):
    np.testing.assert_array_equal(
        lay_out([3, 9], [0, 2], first=first, pages=pages), lay_out([3, 9], [0, 2], pages=80)[:, first : first + pages]
    )


@given(slots=st.integers(1, 12))
def test_dice_of_a_slot_do_not_depend_on_how_many_follow(slots):
    np.testing.assert_array_equal(lay_out([3], [0], slots=slots)[..., :slots], lay_out([3], [0], slots=13)[..., :slots])


def test_a_row_of_seeds_gives_each_row_the_dice_of_its_own_seed():
    table = DiceTable(np.arange(10), 3)
    words = table.visit_words(seed_words([5, 6]), np.array([1, 1]), np.array([0, 0]))
    assert words[1:] == table.visit_words(seed_words(6), np.array([1]), np.array([0]))
    assert words[0] != words[1]


def test_laying_out_changes_none_of_its_inputs():
    table, seed = DiceTable(np.arange(10), 3), seed_words([5])
    users, visit, before = np.array([1]), np.array([0]), seed.copy()
    words = table.visit_words(seed, users, visit)
    kept = words.copy()
    table.lay_out(words, np.ones((1, 3), np.float32), 0, 2)
    assert (seed == before) & (words == kept)
    assert (users, visit) == ([1], [0])


def test_unexamined_slots_cannot_be_clicked_and_leaving_is_never_barred():
    draws = lay_out(np.arange(200), np.zeros(200, int), examine=0.0)
    assert (draws[:, :, 0, :-1] == np.inf).all()
    assert np.isfinite(draws[:, :, 0, -1]).all()
    assert np.isfinite(lay_out(np.arange(200), np.zeros(200, int), examine=1.0)).all()


@pytest.fixture(scope="module")
def shares():
    """Uniform shares of 10**6 draws, by name [users, visits, pages, slots + 1], and which slots are examined at 1/2."""
    users = np.repeat(np.arange(USERS), VISITS)
    visits = np.tile(np.arange(VISITS), USERS)
    size = {"pages": PAGES, "slots": SLOTS}
    whole, half = (lay_out(users, visits, seed=11, examine=examine, **size) for examine in (1.0, 0.5))
    shape = (USERS, VISITS, PAGES, SLOTS + 1)
    click, opinion = (expit(whole[:, :, kind].astype(np.float64)).reshape(shape) for kind in (0, 1))
    return {
        "click": click,
        "opinion": opinion,
        "examine": (half[:, :, 0] < np.inf).reshape(shape),
        # Draws are cut from one word: bits next to the cuts must not be shared.
        "fine click": click * 2**15 % 1,
        "fine opinion": opinion * 2**15 % 1,
    }


def independent(one, other):
    """Return the p-value of a chi-square test on a table of two columns of draws."""
    cells = [column.ravel() if column.dtype == bool else (column.ravel() * CELLS).astype(int) for column in (one, other)]
    size = [2 if column.dtype == bool else CELLS for column in (one, other)]
    return chi2_contingency(np.bincount(cells[0] * size[1] + cells[1], minlength=size[0] * size[1]).reshape(size)).pvalue


@pytest.mark.parametrize("purpose", ["click", "opinion"])
def test_draws_are_uniform_on_every_slot(shares, purpose):
    for slot in range(SLOTS + 1):
        counts = np.bincount((shares[purpose][..., slot].ravel() * 100).astype(int), minlength=100)
        assert chisquare(counts).pvalue > 1e-4


def test_examination_comes_as_often_as_asked():
    for examine in (0.03, 0.3, 0.93, 0.999):
        seen = lay_out(np.arange(1000), np.zeros(1000, int), pages=20, slots=SLOTS, examine=examine)[:, :, 0, :-1] < np.inf
        assert abs(seen.mean() - examine) < 4 * np.sqrt(examine * (1 - examine) / seen.size)


@pytest.mark.parametrize(("one", "other"), list(combinations(("click", "opinion", "examine", "fine click", "fine opinion"), 2)))
def test_purposes_are_independent(shares, one, other):
    slots = slice(0, SLOTS)
    assert independent(shares[one][..., slots], shares[other][..., slots]) > 1e-4


NEIGHBOURS = {
    "users": (np.s_[:-1], np.s_[1:]),
    "visits": (np.s_[:, :-1], np.s_[:, 1:]),
    "pages": (np.s_[:, :, :-1], np.s_[:, :, 1:]),
    "slots": (np.s_[..., :-1], np.s_[..., 1:]),
    "last slot and leaving": (np.s_[..., -2], np.s_[..., -1]),
}


@pytest.mark.parametrize("axis", NEIGHBOURS)
@pytest.mark.parametrize("purpose", ["click", "opinion"])
def test_neighbouring_draws_are_independent(shares, axis, purpose):
    one, other = NEIGHBOURS[axis]
    assert independent(shares[purpose][one], shares[purpose][other]) > 1e-4


def test_neighbouring_seeds_are_independent():
    users, visits = np.arange(1000), np.zeros(1000, int)
    one, other = (probability(lay_out(users, visits, seed=seed, pages=30, slots=SLOTS)) for seed in (41, 42))
    assert independent(one, other) > 1e-4
