"""What is added to users: a table by names, bounded, with row-by-row exactness."""

import numpy as np
import pytest
from living import tiny_catalog

from recsim_llm.dynamics.influence import LIMIT, Influence


def make_influence(rows=4, causes=("hype",)):
    influence = Influence(tiny_catalog(), causes)
    influence.allocate(rows)
    return influence


PAGE = np.array([[0, 2, -1], [5, 3, 1]])


def test_nothing_is_added_at_first():
    influence = make_influence()
    assert not influence.clicks(np.array([0, 3]), PAGE).any()
    assert influence.opinions(np.array([0]), np.array([2])) is None


def test_columns_add_up_by_what_items_have_of_them():
    influence = make_influence()
    influence.load[[2, 3], influence.column("hype")] = 1.0
    influence.weight[1, 0], influence.weight[1, influence.column("hype")] = 0.5, 2.0
    influence.weight[1, influence.taste] = [0.6, 0.0, 0.0]
    influence.weight[1, influence.wish] = [0.0, 0.3, 0.0]
    assert influence.clicks(np.array([1]), np.array([[0, 1, 2, 3]]))[0] == pytest.approx([1.1, 0.8, 0.5 + 0.3 + 0.15 + 2, 2.5])


def test_what_is_added_stays_within_its_limit():
    influence = make_influence()
    influence.weight[:, 0] = 50
    assert influence.clicks(np.arange(2), PAGE).max() == LIMIT
    assert influence.appeal(np.arange(2)).max() == LIMIT


def test_the_appeal_of_an_item_is_what_a_page_adds():
    influence = make_influence()
    influence.weight[:] = np.random.default_rng(3).normal(size=influence.weight.shape)
    influence.harmful[[1, 4]], influence.temptation, influence.craving[:] = 1.0, 1.5, [0.1, 0.2, 0.3, 0.4]
    rows = np.array([2, 0])
    everything = np.tile(np.arange(6), (2, 1))
    assert np.array_equal(influence.appeal(rows), influence.clicks(rows, everything))


def test_opinions_move_with_tastes_and_not_with_what_a_visit_is_for():
    influence = make_influence()
    influence.weight[1, influence.wish] = 1.0
    assert influence.opinions(np.array([1]), np.array([0])) is None
    influence.weight[1, influence.taste] = [1.0, 0.0, 0.0]
    assert influence.opinions(np.array([1, 0]), np.array([2, 2])) == pytest.approx([0.5, 0.0])


def test_copies_are_what_their_rows_are_and_share_nothing():
    influence = make_influence()
    influence.weight[2, 0], influence.craving[2] = 1.0, 0.5
    copied = influence.copy_rows(np.array([2, 2]))
    influence.weight[2, 0] = 0.0
    assert copied.clicks(np.array([1]), PAGE[:1])[0, :2].tolist() == [1.0, 1.0]
    assert copied.craving.tolist() == [0.5, 0.5]


def test_craving_is_a_moving_average_of_what_was_consumed():
    influence = make_influence(rows=2)
    influence.harmful[0], influence.temptation, influence.regret, influence.craving_memory = 1.0, 2.0, 3.0, 0.5
    page = np.array([[0, 1], [0, 1]])
    both = np.arange(2)
    lost = influence.consume(both, np.array([0, 3]), np.array([0, 1]), page)
    assert influence.craving.tolist() == [0.5, 0.0]
    assert lost.tolist() == [1.5, 0.0]
    for _ in range(60):
        influence.consume(both, np.array([0]), np.array([0]), page)
    assert influence.craving[0] <= 1.0
    assert influence.craving[0] == pytest.approx(1.0)


def test_a_page_does_not_depend_on_who_is_beside():
    influence = make_influence(rows=50)
    influence.weight[:] = np.random.default_rng(3).normal(size=influence.weight.shape)
    page = np.random.default_rng(4).integers(0, 6, (50, 4))
    together = influence.clicks(np.arange(50), page)
    alone = np.concatenate([influence.clicks(np.array([row]), page[row : row + 1]) for row in range(50)])
    assert np.array_equal(together, alone)
