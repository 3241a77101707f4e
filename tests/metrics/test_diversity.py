"""Novelty, serendipity, diversity, calibration: cases by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsim_llm.metrics import (
    cosine_diversity,
    genre_diversity,
    genre_shares,
    miscalibration,
    most_popular,
    self_information,
    serendipitous,
)

GENRES = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]], np.bool_)
WEIGHTS = arrays(np.float64, (5, 4), elements=st.floats(0, 100).map(lambda value: round(value, 3)))


def test_self_information_is_the_bits_of_the_smoothed_share():
    # Counts 5, 1, 0 become 6, 2, 1 of 9.
    assert self_information([5, 1, 0]) == pytest.approx(-np.log2([6 / 9, 2 / 9, 1 / 9]))


@given(arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 1000)))
def test_rarer_items_are_more_surprising_and_shares_sum_to_one(popularity):
    bits = self_information(popularity)
    assert (np.exp2(-bits)).sum() == pytest.approx(1)
    assert np.array_equal(np.argsort(-popularity, kind="stable"), np.argsort(bits, kind="stable"))


def test_the_popularity_list_breaks_ties_by_place():
    assert most_popular([3, 7, 3, 3], 2).tolist() == [True, True, False, False]
    assert most_popular([1, 2], 5).tolist() == [True, True]


def test_only_what_is_useful_and_unexpected_is_serendipitous():
    item, useful = np.array([[0, 1, 2, -1]]), np.array([[True, False, True, True]])
    expected = np.array([True, False, False])
    assert serendipitous(item, useful, expected).tolist() == [[False, False, True, False]]


def test_genre_diversity_of_a_page_is_the_mean_distance_of_its_pairs():
    # Jaccard: items 0 and 1 share 1 of 2, 0 and 2 share 1 of 3, 1 and 2 none of 3.
    pages = np.array([[0, 1, 2], [0, 1, -1], [1, 1, -1], [0, -1, -1], [3, 3, -1], [0, 3, -1]])
    expected = [(1 / 2 + 2 / 3 + 1) / 3, 1 / 2, 0, np.nan, np.nan, 1]
    assert genre_diversity(pages, GENRES) == pytest.approx(expected, nan_ok=True)


def test_genre_diversity_holds_for_more_genres_than_a_machine_word():
    genres = np.zeros((2, 130), np.bool_)
    genres[0, [0, 70, 129]], genres[1, [0, 70, 128]] = True, True
    assert genre_diversity(np.array([[0, 1]]), genres) == pytest.approx([1 - 2 / 4])


def test_cosine_diversity_of_a_page_is_the_mean_distance_of_its_pairs():
    features = np.array([[2.0, 0], [0, 5], [-1, 0], [0, 0]])
    pages = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2], [0, 3, -1]])
    assert cosine_diversity(pages, features) == pytest.approx([1, 2, 4 / 3, np.nan], nan_ok=True)


@given(arrays(np.int64, (4, 5), elements=st.integers(-1, 3)), st.permutations(range(5)))
def test_diversity_lies_in_its_range_whatever_the_order_of_the_page(pages, order):
    features = np.array([[1.0, 2], [0, 5], [-1, 3], [4, -4]])
    for measure, table, top in ((genre_diversity, GENRES, 1), (cosine_diversity, features, 2)):
        values = measure(pages, table)
        known = values[~np.isnan(values)]
        assert ((known >= -1e-12) & (known <= top + 1e-12)).all()
        assert measure(pages[:, order], table) == pytest.approx(values, nan_ok=True)


def test_an_item_spreads_over_its_genres():
    assert genre_shares(GENRES).tolist() == [[0.5, 0.5, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0, 0]]


def test_miscalibration_by_hand():
    history = np.array([[1.0, 1], [1, 0], [3, 1], [0, 0], [1, 1]])
    shown = np.array([[1.0, 0], [0, 1], [6, 2], [1, 1], [0, 0]])
    first = 0.5 * np.log2(0.5 / (0.99 * 1 + 0.005)) + 0.5 * np.log2(0.5 / 0.005)
    expected = [first, np.log2(1 / 0.01), 0, np.nan, np.nan]
    assert miscalibration(history, shown) == pytest.approx(expected, nan_ok=True)


@given(WEIGHTS, WEIGHTS, st.permutations(range(4)))
def test_miscalibration_is_bounded_by_its_mix_and_blind_to_the_order_of_genres(history, shown, order):
    bits = miscalibration(history, shown)
    known = bits[~np.isnan(bits)]
    assert ((known >= 0) & (known <= np.log2(100) + 1e-9)).all()
    assert miscalibration(history[:, order], shown[:, order]) == pytest.approx(bits, nan_ok=True)
    assert miscalibration(history, history) == pytest.approx(np.where(history.any(axis=1), 0, np.nan), nan_ok=True)
