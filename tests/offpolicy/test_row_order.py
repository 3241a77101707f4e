"""The order of a caller's rows is the caller's: nothing is re-sorted under a partner that is not."""

import numpy as np
import pytest
from small_data import fitted, make_catalog, make_ratings

from recsim_llm import metrics, statistics
from recsim_llm.offpolicy import (
    LoggedSlates,
    ModelValues,
    TargetView,
    cascade_doubly_robust,
    direct_method,
    fit_reward_model,
    independent_ips,
    model_values,
    pseudo_inverse,
    reward_interaction_ips,
    slate_doubly_robust,
    slot_doubly_robust,
    standard_ips,
    target_view,
)
from recsim_llm.recommenders import RandomRecommender

PAGES, SLOTS, USERS = 60, 2, 7
DRAWN = np.random.default_rng(11)
COLUMNS = {
    "user_id": DRAWN.integers(0, USERS, PAGES),
    "visit": np.zeros(PAGES, np.int64),
    "page": np.arange(PAGES),
    "item_id": np.array([DRAWN.permutation(6)[:SLOTS] + 10 for _ in range(PAGES)]),
    "reward": DRAWN.integers(0, 2, (PAGES, SLOTS)),
    "rating": DRAWN.integers(1, 6, (PAGES, SLOTS)),
    "propensity": np.full((PAGES, SLOTS), 1 / 6),
    "prefix_propensity": np.tile([1 / 6, 1 / 5], (PAGES, 1)),
    "slate_propensity": np.full(PAGES, 1 / 30),
}
TARGET = {
    "propensity": DRAWN.uniform(0.05, 0.4, (PAGES, SLOTS)),
    "prefix_propensity": DRAWN.uniform(0.05, 0.4, (PAGES, SLOTS)),
    "slate_propensity": DRAWN.uniform(0.01, 0.2, PAGES),
    "placement": DRAWN.uniform(0.05, 0.4, (PAGES, SLOTS, SLOTS)),
}
PREDICTED = DRAWN.random((3, PAGES, SLOTS))
SHUFFLED = DRAWN.permutation(PAGES)
ESTIMATORS = {
    "IPS": lambda log, target, _: standard_ips(log, target),
    "reward-interaction IPS": lambda log, target, _: reward_interaction_ips(log, target, self_normalised=True),
    "independent IPS": lambda log, target, _: independent_ips(log, target),
    "pseudo-inverse": lambda log, target, _: pseudo_inverse(log, target, logging="uniform"),
    "direct method": lambda log, _, values: direct_method(log, values),
    "doubly robust": slate_doubly_robust,
    "slot-level doubly robust": slot_doubly_robust,
    "cascade doubly robust": cascade_doubly_robust,
}


def rows(order):
    log = LoggedSlates.from_columns(**{name: column[order] for name, column in COLUMNS.items()})
    target = TargetView.from_columns(pages=PAGES, slots=SLOTS, **{name: column[order] for name, column in TARGET.items()})
    logged, expected, after = PREDICTED[:, order]
    return log, target, ModelValues(logged=logged, expected=expected, expected_next=after)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_do_not_depend_on_the_order_of_the_rows(name):
    one, other = (ESTIMATORS[name](*rows(order)) for order in (np.arange(PAGES), SHUFFLED))
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert other.effect.standard_error == pytest.approx(one.effect.standard_error, rel=1e-9)
    assert (other.effective_pages or 0.0) == pytest.approx(one.effective_pages or 0.0, rel=1e-9)


def test_a_log_of_columns_keeps_the_order_of_its_rows():
    log, _, _ = rows(SHUFFLED)
    for name, column in COLUMNS.items():
        assert np.array_equal(getattr(log, name), column[SHUFFLED]), name


def test_pages_of_interleaved_users_are_weighed_by_their_own_target():
    good = DRAWN.random(400) < 0.5
    user, paid = DRAWN.integers(0, 20, 400), (DRAWN.random(400) < np.where(good, 0.8, 0.1)).astype(float)
    log = LoggedSlates.from_columns(
        user_id=user, item_id=np.where(good, 1, 2)[:, None], reward=paid[:, None], slate_propensity=np.full(400, 0.5)
    )
    wanted = np.where(good, 0.9, 0.1)
    target = TargetView.from_columns(pages=400, slots=1, slate_propensity=wanted)
    assert standard_ips(log, target).value == pytest.approx((paid * wanted / 0.5).mean())


def test_a_policy_is_asked_about_each_page_with_its_own_users_past():
    world = (make_catalog(6), make_ratings([99], [10]))
    model, views = None, []
    for order in (np.arange(PAGES), SHUFFLED):
        log, _, _ = rows(order)
        policy = fitted(RandomRecommender(), world)
        model = model or fit_reward_model(log, world[0], seed=1, folds=2)
        views.append((target_view(log, policy), model_values(log, policy, model, seed=1)))
    (plain, values), (mixed, mixed_values) = views
    assert np.array_equal(mixed.prefix_propensity, plain.prefix_propensity[SHUFFLED])
    assert np.array_equal(mixed.placement, plain.placement[SHUFFLED])
    assert np.allclose(mixed_values.logged, values.logged[SHUFFLED])
    assert np.allclose(mixed_values.expected, values.expected[SHUFFLED])


VALUES, OTHERS, COUNTS = DRAWN.normal(5, 1, PAGES), DRAWN.normal(4, 1, PAGES), DRAWN.integers(1, 9, PAGES).astype(float)
LABELS = DRAWN.choice(list("abc"), PAGES)
BY_USER = {
    "clustered mean": lambda at: statistics.clustered_mean(VALUES[at], LABELS[at]).standard_error,
    "clustered ratio": lambda at: statistics.clustered_ratio(VALUES[at], COUNTS[at], LABELS[at]).standard_error,
    "clustered ratio difference": lambda at: (
        statistics.clustered_ratio_difference([VALUES[at], OTHERS[at]], [COUNTS[at], COUNTS[at]], LABELS[at]).standard_error
    ),
    "CUPED without folds": lambda at: statistics.cuped_paired(VALUES[at], OTHERS[at, None], [4.0], folds=1).effect.low,
    "deviation": lambda at: statistics.deviation_estimate(VALUES[at]).high,
    "group effects": lambda at: statistics.group_effects(VALUES[at], OTHERS[at], LABELS[at]).effects[1].low,
    "mean": lambda at: statistics.mean_estimate(VALUES[at]).low,
    "paired effect": lambda at: statistics.paired_effect(VALUES[at], OTHERS[at]).effect.low,
    "ratio": lambda at: statistics.ratio_estimate(VALUES[at], COUNTS[at]).low,
    "relative lift": lambda at: statistics.relative_lift(VALUES[at], OTHERS[at]).low,
    "group gap": lambda at: metrics.group_gap(VALUES[at], LABELS[at].astype(object), least_users=2).gap.low,
    "popularity lift": lambda at: metrics.popularity_lift(COUNTS[at], VALUES[at]).low,
    "position exponent": lambda at: metrics.position_exponent(COLUMNS["reward"][at] + 0.0, np.ones((PAGES, SLOTS))).low,
    "gini": lambda at: metrics.gini(COUNTS[at]),
    "exposure merit gap": lambda at: metrics.exposure_merit_gap(COUNTS[at], VALUES[at]),
}


@pytest.mark.parametrize("name", BY_USER)
def test_figures_over_users_do_not_depend_on_their_order(name):
    assert BY_USER[name](SHUFFLED) == pytest.approx(BY_USER[name](np.arange(PAGES)), rel=1e-9)


IN_ORDER = {
    "entropy": lambda at: metrics.entropy(DRAWN_TABLE[at]),
    "miscalibration": lambda at: metrics.miscalibration(DRAWN_TABLE[at], DRAWN_TABLE[::-1][at]),
    "ndcg": lambda at: metrics.ndcg(DRAWN_TABLE[at] > 3, np.full(PAGES, 4)),
    "overlap": lambda at: metrics.overlap_by_user(DRAWN_TABLE[at] > 3),
    "recall": lambda at: metrics.recall(DRAWN_TABLE[at] > 3, np.full(PAGES, 4)),
    "terciles": lambda at: metrics.terciles(VALUES[at]) == "low",
    "trend": lambda at: metrics.trend(DRAWN_TABLE[at]),
}
DRAWN_TABLE = DRAWN.integers(1, 6, (PAGES, 4)).astype(float)


@pytest.mark.parametrize("name", IN_ORDER)
def test_figures_of_each_user_stand_in_the_callers_order(name):
    assert np.allclose(IN_ORDER[name](SHUFFLED), IN_ORDER[name](np.arange(PAGES))[SHUFFLED], equal_nan=True)


@pytest.mark.parametrize("pages", [1, 3])
def test_one_user_alone_gets_an_estimate_and_is_told_that_its_error_is_unknown(pages):
    log = LoggedSlates.from_columns(
        user_id=[7] * pages, item_id=[[1]] * pages, reward=[[1]] * pages, slate_propensity=[0.5] * pages
    )
    for self_normalised in (False, True):
        found = standard_ips(
            log, TargetView.from_columns(pages=pages, slots=1, slate_propensity=[0.25] * pages), self_normalised=self_normalised
        )
        assert found.value == (1.0 if self_normalised else 0.5)
        assert found.effect.low is None
        assert "got 1 user, expected two or more who differ" in found.notes[0]
        assert not any(value != value for value in found.to_record().values() if isinstance(value, float))
