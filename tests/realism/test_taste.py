"""The taste test: pages that give nothing away, thresholds from other users, figures that are known in advance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recsim_llm.data import fictional
from recsim_llm.realism.held_out import hold_out
from recsim_llm.realism.page_scores import areas
from recsim_llm.realism.taste_pages import KINDS, RATIOS, TastePages, count_positives, taste_pages
from recsim_llm.realism.thresholds import assign_folds, best_threshold, fit_line, probabilities, yes


@pytest.fixture(scope="module")
def held():
    return hold_out(fictional.load(n_users=60), seed=1)


@pytest.fixture(scope="module", params=list(KINDS))
def pages(request, held):
    return taste_pages(held, request.param, seed=2)


def test_a_page_has_its_share_of_consumed_items(pages):
    for ratio, positives in zip(RATIOS, (10, 7, 5, 2), strict=True):
        kept = pages.page(ratio)
        assert (kept.sum(axis=1) == 20).all()
        assert ((kept & pages.taken).sum(axis=1) == positives).all()


def test_consumed_items_are_held_out_and_the_others_were_never_rated(held, pages):
    assert len(pages.user_index) > 5
    for user, items, taken in zip(pages.user_index, pages.item_index, pages.taken, strict=True):
        later = set(held.item_index[held.user_index == user].tolist())
        ratings = held.training.ratings
        early = set(held.training.catalog.index_of(ratings.item_id[ratings.user_index == user]).tolist())
        assert set(items[taken].tolist()) <= later
        assert not set(items[~taken].tolist()) & (early | later)
        assert len(set(items.tolist())) == len(items)


def test_columns_say_nothing_about_the_label(pages):
    share = pages.taken.mean(axis=0)
    assert share.min() > 0
    assert share.max() < 1
    early = pages.taken[:, : pages.taken.shape[1] // 2].mean()
    assert early == pytest.approx(pages.taken.mean(), abs=0.08)


def test_the_same_people_and_positives_come_with_every_kind(held):
    one, other = (taste_pages(held, kind, seed=2) for kind in ("uniform", "matched"))
    assert one.user_index.tolist() == other.user_index.tolist()
    for left, right in ((one, other),):
        mine = [set(items[taken].tolist()) for items, taken in zip(left.item_index, left.taken, strict=True)]
        theirs = [set(items[taken].tolist()) for items, taken in zip(right.item_index, right.taken, strict=True)]
        assert mine == theirs


def test_matched_negatives_are_about_as_popular_as_what_is_consumed(held):
    counts = held.counts(held_out=True)
    means = {}
    for kind in KINDS:
        pages = taste_pages(held, kind, seed=2)
        means[kind] = counts[pages.item_index[~pages.taken]].mean() / counts[pages.item_index[pages.taken]].mean()
    assert means["uniform"] < 0.6 * means["matched"]
    assert means["uniform"] < 0.6 * means["matched by all"]


def test_fewer_users_are_the_same_under_every_seed(held):
    one, other = (taste_pages(held, "uniform", most_users=4, seed=seed, user_seed=9) for seed in (1, 2))
    assert len(one.user_index) == 4
    assert one.user_index.tolist() == other.user_index.tolist()
    assert one.item_index.tolist() != other.item_index.tolist()


def test_stars_play_no_part_in_the_pages(held):
    changed = replace(held, rating=np.full(len(held.rating), 1.0))
    for kind in KINDS:
        one, other = taste_pages(held, kind, seed=2), taste_pages(changed, kind, seed=2)
        assert np.array_equal(one.item_index, other.item_index)


def test_positives_are_rounded():
    assert [count_positives(20, ratio) for ratio in RATIOS] == [10, 7, 5, 2]
    assert count_positives(4, 9) == 1


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_is_more_accurate(rows):
    score = np.array([row[0] for row in rows], np.float64)
    taken = np.array([row[1] for row in rows])
    threshold = best_threshold(score, taken)
    right = ((score > threshold) == taken).sum()
    assert right == max(((score > other) == taken).sum() for other in (-np.inf, *np.unique(score)))


def test_a_users_own_labels_do_not_move_the_users_threshold():
    generator = np.random.default_rng(3)
    score, taken = generator.normal(size=(40, 20)), generator.random((40, 20)) < 0.5
    kept, fold = np.ones((40, 20), np.bool_), assign_folds(np.arange(40), 1)
    before = yes(score, taken, kept, fold), probabilities(score, taken, kept, fold)[0]
    mine = fold == fold[0]
    flipped = np.where(mine[:, None], ~taken, taken)
    after = yes(score, flipped, kept, fold), probabilities(score, flipped, kept, fold)[0]
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one[mine], other[mine])
        assert not np.array_equal(one[~mine], other[~mine])


def test_a_fitted_line_finds_the_one_behind_the_labels():
    generator = np.random.default_rng(4)
    score = generator.normal(size=20_000)
    slope, bias = fit_line(score, generator.random(20_000) < expit(1.7 * score - 0.6))
    assert slope == pytest.approx(1.7, abs=0.06)
    assert bias == pytest.approx(-0.6, abs=0.05)


def test_a_score_that_does_not_vary_gives_the_base_rate():
    slope, bias = fit_line(np.full(1000, 7.0), np.arange(1000) < 100)
    assert slope == 0
    assert expit(bias) == pytest.approx(0.1, abs=0.002)


def test_separable_scores_keep_a_finite_line():
    slope, bias = fit_line(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert np.isfinite([slope, bias]).all()
    assert slope > 0


def test_the_area_counts_pairs_in_order_and_ties_by_half():
    page = TastePages(
        user_index=np.array([0]),
        item_index=np.arange(4)[None],
        taken=np.array([[True, True, False, False]]),
        rank=np.array([[0, 1, 0, 1]]),
        page_items=4,
    )
    assert areas(page, np.array([[3.0, 1.0, 1.0, 0.0]]), 1).tolist() == [3.5 / 4]
