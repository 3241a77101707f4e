"""The best slate is the best of all slates."""

from itertools import permutations

import numpy as np
import pytest

from recsim_llm.training.slate_choice import LEAST_WORTH, best_slates, click_weights

ITEMS, SLOTS = 7, 3
EXAMINED = np.array([0.9, 0.6, 0.5])


def draw(rows=40):
    random = np.random.default_rng(5)
    log_odds = random.normal(-1, 1.5, (rows, ITEMS)).astype(np.float32)
    worth = random.normal(1, 0.8, (rows, ITEMS)).astype(np.float32)
    return log_odds, worth, random.random((rows, ITEMS)) < 0.8


def value_of(log_odds, worth, slate, competition):
    slate = list(slate)
    weight, worth = click_weights(log_odds, competition)[slate], np.maximum(worth[slate], LEAST_WORTH)
    if competition == "independent":
        return float(EXAMINED @ (weight * worth))
    return float((weight * worth).sum() / (1 + weight.sum()))


@pytest.mark.parametrize("competition", ["independent", "multinomial"])
def test_no_slate_of_allowed_items_is_worth_more_than_the_exact_one(competition):
    log_odds, worth, allowed = draw()
    found = best_slates(log_odds, worth, allowed, SLOTS, competition=competition, optimisation="exact")
    for row, slate in enumerate(found):
        able = np.flatnonzero(allowed[row])
        if len(able) >= SLOTS:
            assert allowed[row, slate].all()
            best = max(value_of(log_odds[row], worth[row], other, competition) for other in permutations(able, SLOTS))
            assert value_of(log_odds[row], worth[row], slate, competition) == pytest.approx(best, rel=1e-5)


def test_item_by_item_finds_the_optimum_where_clicks_are_independent_and_little_less_where_one_is_chosen():
    log_odds, worth, allowed = draw()
    exact, greedy = (
        [
            best_slates(log_odds, worth, allowed, SLOTS, competition=competition, optimisation=optimisation)
            for competition in ("independent", "multinomial")
        ]
        for optimisation in ("exact", "greedy")
    )
    np.testing.assert_array_equal(exact[0], greedy[0])
    gaps = [
        value_of(log_odds[row], worth[row], exact[1][row], "multinomial")
        - value_of(log_odds[row], worth[row], greedy[1][row], "multinomial")
        for row in range(len(log_odds))
    ]
    assert min(gaps) > -1e-5
    assert max(gaps) < 0.1


@pytest.mark.parametrize("competition", ["independent", "multinomial"])
@pytest.mark.parametrize("optimisation", ["exact", "greedy"])
def test_a_slate_holds_no_item_twice_though_too_few_are_allowed(competition, optimisation):
    log_odds, worth, allowed = draw()
    allowed[:, 1:] = False
    found = best_slates(log_odds, worth, allowed, SLOTS, competition=competition, optimisation=optimisation)
    assert all(len(set(slate)) == SLOTS for slate in found.tolist())
    assert (found[allowed[:, 0], 0] == 0).all()
