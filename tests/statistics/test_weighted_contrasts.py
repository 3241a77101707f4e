"""Contrasts of several numbers of the same users."""

import numpy as np
import pytest

from recsim_llm.statistics import clustered_ratio, clustered_ratio_difference, jackknife_contrast, weighted_contrast

DRAWS = np.random.default_rng(8)
BELOW = DRAWS.integers(0, 9, (4, 60)).astype(float)
ABOVE = DRAWS.binomial(BELOW.astype(int), 0.4).astype(float)


def ends(effect):
    return [effect.value, effect.low, effect.high, effect.degrees]


def test_one_cell_is_the_clustered_ratio():
    known = clustered_ratio(ABOVE[0], BELOW[0], correction="CR1")
    assert ends(weighted_contrast(ABOVE[:1], BELOW[:1], [1.0])) == pytest.approx(ends(known))


def test_two_cells_are_the_clustered_difference():
    known = clustered_ratio_difference(ABOVE[:2], BELOW[:2], correction="CR1")
    assert ends(weighted_contrast(ABOVE[:2], BELOW[:2], [1.0, -1.0])) == pytest.approx(ends(known))


def test_a_slope_over_four_times_has_the_interval_that_the_jackknife_over_users_has():
    weights = (np.arange(4) - 1.5) / 5.0
    found = weighted_contrast(ABOVE, BELOW, weights)
    assert found.value == pytest.approx(np.polyfit(np.arange(4), ABOVE.sum(axis=1) / BELOW.sum(axis=1), 1)[0])
    without = [np.delete(table, user, axis=1).sum(axis=1) for user in range(60) for table in (ABOVE, BELOW)]
    values = np.stack(
        [ABOVE.sum(axis=1) / BELOW.sum(axis=1), *(a / b for a, b in zip(without[::2], without[1::2], strict=True))]
    )
    other = jackknife_contrast(values.T, weights, users=60)
    assert other.value == pytest.approx(found.value)
    assert other.standard_error == pytest.approx(found.standard_error, rel=0.05)


def test_a_ratio_turned_around_is_one_over_it_ends_and_all():
    found, turned = (weighted_contrast(ABOVE[:2], BELOW[:2], [sign, -sign], logarithmic=True) for sign in (1.0, -1.0))
    assert [found.value, found.low, found.high] == pytest.approx([1 / turned.value, 1 / turned.high, 1 / turned.low])


def test_equal_arms_have_no_interval_and_no_difference():
    found = weighted_contrast(ABOVE[[0, 0]], BELOW[[0, 0]], [1.0, -1.0])
    assert (found.value, found.low) == (0.0, None)
    assert jackknife_contrast(np.ones((2, 5)), [1.0, -1.0], users=5).low is None


def test_a_cell_without_anything_leaves_the_contrast_undefined():
    assert weighted_contrast(ABOVE[:2], BELOW[:2] * [[1.0], [0.0]], [1.0, -1.0]).value is None
    assert jackknife_contrast([[np.nan, 1.0, 1.0]], [1.0], users=2).value is None


def test_the_jackknife_of_a_share_of_items_seen_leaves_out_the_truth_about_as_often_as_it_says():
    # 200 users see 5 items each out of 400, popular ones more; the truth is the mean of many such populations.
    draws = np.random.default_rng(3)
    chance = (np.arange(400) + 5.0) ** -1.0
    chance /= chance.sum()

    def seen():
        items = draws.choice(400, (50, 20), p=chance)  # 50 groups of users
        by_group = np.zeros((50, 400))
        np.add.at(by_group, (np.repeat(np.arange(50), 20), items.ravel()), 1)
        total = by_group.sum(axis=0)
        return np.array([(total > 0).mean(), *((total - mine > 0).mean() for mine in by_group)])

    runs = [seen() for _ in range(300)]
    truth = np.mean([run[0] for run in runs])
    missed = np.mean([jackknife_contrast([run], [1.0], users=200).excludes(truth) for run in runs])
    assert missed < 0.12
