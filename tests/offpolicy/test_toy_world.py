"""Unbiasedness where it can be computed: all slates of a small world, each estimator under its own assumption."""

import numpy as np
import pytest
from slate_worlds import Policy, log_of, view_of

from recsim_llm.errors import DataError
from recsim_llm.offpolicy import (
    ModelValues,
    cascade_doubly_robust,
    independent_ips,
    moment_weights,
    pseudo_inverse,
    reward_interaction_ips,
    slate_doubly_robust,
    slot_doubly_robust,
    standard_ips,
)

ITEMS, SLOTS = 5, 3
LOGGING, TARGET = Policy([1, 2, 3, 1, 4], SLOTS), Policy([5, 1, 1, 2, 0.5], SLOTS)
UNIFORM = Policy(np.ones(ITEMS), SLOTS)
EFFECT = np.random.default_rng(1).random((SLOTS, ITEMS))
SLATES = LOGGING.slates


def anything(slates):
    """Rewards that hang on the whole slate."""
    return EFFECT[np.arange(SLOTS), slates] * (1 + slates[:, ::-1]) + slates[:, [2]]


def cascade(slates):
    """Rewards that hang on the items down to the position."""
    return EFFECT[np.arange(SLOTS), slates] * (1 + np.cumsum(slates, axis=1))


def independent(slates):
    """Rewards that hang on item and position."""
    return EFFECT[np.arange(SLOTS), slates]


def expectation(estimator, reward, logging=LOGGING):
    """Mean of an estimator over all slates that the logging policy can show; each slate is a user of its own."""
    estimate = estimator(log_of(logging, SLATES, reward(SLATES)), view_of(TARGET, SLATES))
    return float(logging.slate @ estimate.contributions.numerator.sum(axis=0))


def truth(reward):
    return float(TARGET.slate @ reward(SLATES).sum(axis=1))


def wrong_model(next_too=True):
    """Predictions that have nothing to do with the rewards."""
    guess = np.random.default_rng(2).random((SLOTS, ITEMS))
    expected = (TARGET.marginal * guess).sum(axis=1)
    return ModelValues(
        logged=guess[np.arange(SLOTS), SLATES],
        expected=np.tile(expected, (len(SLATES), 1)),
        expected_next=np.einsum("nka,ka->nk", TARGET.next(SLATES), guess) if next_too else None,
    )


@pytest.mark.parametrize(
    ("estimator", "reward"),
    [
        (standard_ips, anything),
        (reward_interaction_ips, cascade),
        (independent_ips, independent),
        (lambda logged, target: slate_doubly_robust(logged, target, wrong_model()), anything),
        (lambda logged, target: slot_doubly_robust(logged, target, wrong_model()), independent),
        (lambda logged, target: cascade_doubly_robust(logged, target, wrong_model()), cascade),
        (lambda logged, target: cascade_doubly_robust(logged, target, wrong_model(), look_ahead=False), cascade),
    ],
)
def test_the_mean_over_all_slates_is_the_truth_where_the_assumption_holds(estimator, reward):
    assert expectation(estimator, reward) == pytest.approx(truth(reward), rel=1e-10)


@pytest.mark.parametrize(("estimator", "reward"), [(reward_interaction_ips, anything), (independent_ips, cascade)])
def test_the_mean_over_all_slates_is_off_where_the_assumption_fails(estimator, reward):
    assert abs(expectation(estimator, reward) - truth(reward)) > 0.05


def test_the_pseudo_inverse_is_unbiased_after_uniform_draws():
    got = expectation(lambda logged, target: pseudo_inverse(logged, target, logging="uniform"), independent, UNIFORM)
    assert got == pytest.approx(truth(independent), rel=1e-10)


def test_the_closed_form_for_uniform_draws_is_the_numerical_pseudo_inverse():
    marginals = np.tile(TARGET.marginal, (len(SLATES), 1, 1))
    weights = moment_weights(marginals, UNIFORM.moments(), SLATES)
    logged, target = log_of(UNIFORM, SLATES, independent(SLATES)), view_of(TARGET, SLATES)
    numerical, closed = (pseudo_inverse(logged, target, logging=how) for how in (weights, "uniform"))
    assert np.allclose(numerical.contributions.numerator, closed.contributions.numerator)


def test_the_closed_form_holds_where_every_item_is_on_the_page():
    uniform, target = Policy(np.ones(3), 3), Policy([1, 2, 5], 3)
    weights = moment_weights(np.tile(target.marginal, (6, 1, 1)), uniform.moments(), uniform.slates)
    logged = log_of(uniform, uniform.slates, np.ones((6, 3)))
    closed = pseudo_inverse(logged, view_of(target, uniform.slates), logging="uniform")
    assert np.allclose(closed.contributions.numerator[0], 3 * weights)


def test_the_pseudo_inverse_is_unbiased_for_any_logging_policy_with_its_moments():
    marginals = np.tile(TARGET.marginal, (len(SLATES), 1, 1))
    weights = moment_weights(marginals, LOGGING.moments(), SLATES)
    got = expectation(lambda logged, target: pseudo_inverse(logged, target, logging=weights), independent)
    assert got == pytest.approx(truth(independent), rel=1e-10)


def test_the_pseudo_inverse_for_independent_positions_is_the_numerical_one():
    slates = np.array([(first, second) for first in range(3) for second in range(3)])
    shown, wanted = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), np.array([[0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    hot, chance = np.eye(3)[slates], shown[[0, 1], slates].prod(axis=1)
    weights = moment_weights(np.tile(wanted, (9, 1, 1)), np.einsum("s,sja,slb->jalb", chance, hot, hot), slates)
    logged = log_of(Policy(np.ones(3), 2), slates, np.ones((9, 2)))
    columns = {"propensity": shown[[0, 1], slates], "prefix_propensity": shown[[0, 1], slates]}
    logged = type(logged).from_columns(user_id=np.arange(9), item_id=slates, reward=np.ones((9, 2)), **columns)
    view = type(view_of(Policy(np.ones(3), 2), slates)).from_columns(pages=9, slots=2, propensity=wanted[[0, 1], slates])
    estimate = pseudo_inverse(logged, view, logging="independent")
    assert np.allclose(estimate.contributions.numerator[0], 2 * weights)


def test_moments_that_cannot_carry_the_target_are_refused():
    certain = np.zeros((1, 3, 1, 3))
    certain[0, 0, 0, 0] = 1
    with pytest.raises(DataError, match="zero support"):
        moment_weights(np.array([[[0.5, 0.5, 0.0]]]), certain, np.array([[0]]))


@pytest.mark.parametrize("seed", range(3))
def test_estimates_from_drawn_slates_lie_within_five_standard_errors_of_the_truth(seed):
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(2000), 3)
    for policy, reward, estimator in (
        (LOGGING, anything, standard_ips),
        (LOGGING, cascade, reward_interaction_ips),
        (LOGGING, independent, independent_ips),
        (UNIFORM, independent, lambda logged, target: pseudo_inverse(logged, target, logging="uniform")),
    ):
        slates = SLATES[random.choice(len(SLATES), len(users), p=policy.slate)]
        noise = random.normal(size=slates.shape)
        effect = estimator(log_of(policy, slates, reward(slates) + noise, users), view_of(TARGET, slates)).effect
        assert abs(effect.value - truth(reward)) < 5 * effect.standard_error


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        users = np.repeat(np.arange(150), 2)
        slates = SLATES[random.choice(len(SLATES), len(users), p=LOGGING.slate)]
        # Users differ, so that pages of one user are alike: what an interval by page would miss.
        reward = independent(slates) * (1 + random.normal(size=(150, 1)).repeat(2, axis=0))
        effect = standard_ips(log_of(LOGGING, slates, reward, users), view_of(TARGET, slates), self_normalised=True).effect
        held += not effect.excludes(truth(independent))
    assert 0.91 <= held / 400 <= 0.98
