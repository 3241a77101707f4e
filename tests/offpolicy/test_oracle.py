"""The estimators against Open Bandit Pipeline 0.5.7, on logs of random numbers."""

import numpy as np
import pytest
from open_bandit import open_bandit_estimators
from slate_worlds import Policy, log_of, view_of

from recsim_llm.offpolicy import (
    LoggedSlates,
    ModelValues,
    TargetView,
    cascade_doubly_robust,
    direct_method,
    independent_ips,
    reward_interaction_ips,
    slate_doubly_robust,
    slot_doubly_robust,
    standard_ips,
)

PAGES, ITEMS, SLOTS = 400, 6, 3
CLOSE = {"abs": 5e-5, "rel": 0}


@pytest.fixture(scope="module")
def obp():
    return open_bandit_estimators()


class Bandit:
    """One item a page, chosen with probabilities that differ from page to page."""

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        self.logging, self.wanted = (random.dirichlet(np.ones(ITEMS), PAGES) for _ in range(2))
        self.action = np.array([random.choice(ITEMS, p=chance) for chance in self.logging])
        self.reward = random.normal(1, 1, PAGES)
        self.guess = random.normal(1, 1, (PAGES, ITEMS))
        rows = np.arange(PAGES)
        self.pscore, wanted = self.logging[rows, self.action], self.wanted[rows, self.action]
        self.logged = LoggedSlates.from_columns(
            user_id=rows,
            item_id=self.action[:, None],
            reward=self.reward[:, None],
            propensity=self.pscore[:, None],
            slate_propensity=self.pscore,
        )
        self.target = TargetView.from_columns(pages=PAGES, slots=1, propensity=wanted[:, None], slate_propensity=wanted)
        self.values = ModelValues(
            logged=self.guess[rows, self.action][:, None],
            expected=(self.wanted * self.guess).sum(axis=1, keepdims=True),
        )

    def theirs(self, estimator):
        return estimator.estimate_policy_value(
            reward=self.reward,
            action=self.action,
            pscore=self.pscore,
            action_dist=self.wanted[:, :, None],
            estimated_rewards_by_reg_model=self.guess[:, :, None],
        )


@pytest.mark.parametrize("seed", range(3))
def test_single_item_estimators_agree(obp, seed):
    log = Bandit(seed)
    pairs = [
        (obp.InverseProbabilityWeighting(), standard_ips(log.logged, log.target)),
        (obp.InverseProbabilityWeighting(lambda_=2.0), standard_ips(log.logged, log.target, clip=2.0)),
        (obp.SelfNormalizedInverseProbabilityWeighting(), standard_ips(log.logged, log.target, self_normalised=True)),
        (obp.DirectMethod(), direct_method(log.logged, log.values)),
        (obp.DoublyRobust(), slate_doubly_robust(log.logged, log.target, log.values)),
        (obp.DoublyRobust(lambda_=2.0), slate_doubly_robust(log.logged, log.target, log.values, clip=2.0)),
        (obp.SelfNormalizedDoublyRobust(), slate_doubly_robust(log.logged, log.target, log.values, self_normalised=True)),
        (obp.DoublyRobust(), slot_doubly_robust(log.logged, log.target, log.values)),
    ]
    for theirs, ours in pairs:
        assert ours.value == pytest.approx(log.theirs(theirs), **CLOSE), ours.estimator


class Ranking:
    """Slates drawn from the Plackett-Luce law, with rewards and predictions of random numbers."""

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        self.policies = [Policy(random.uniform(0.2, 3, ITEMS), SLOTS) for _ in range(2)]
        logging, target = self.policies
        self.slates = logging.slates[random.choice(len(logging.slates), PAGES, p=logging.slate)]
        self.reward = random.normal(1, 1, self.slates.shape)
        self.guess = random.normal(1, 1, (PAGES, SLOTS, ITEMS))
        self.logged, self.target = log_of(logging, self.slates, self.reward), view_of(target, self.slates)
        self.next = target.next(self.slates)
        self.values = ModelValues(
            logged=np.take_along_axis(self.guess, self.slates[:, :, None], axis=2)[:, :, 0],
            expected=(target.marginal * self.guess).sum(axis=2),
            expected_next=(self.next * self.guess).sum(axis=2),
        )
        self.columns = {
            "slate_id": np.repeat(np.arange(PAGES), SLOTS),
            "reward": self.reward.ravel(),
            "position": np.tile(np.arange(SLOTS), PAGES),
        }

    def theirs(self, estimator):
        log, target = self.logged, self.target
        whole = {
            "pscore": np.repeat(log.slate_propensity, SLOTS),
            "evaluation_policy_pscore": np.repeat(target.slate_propensity, SLOTS),
        }
        slot = {
            "pscore_item_position": log.propensity.ravel(),
            "evaluation_policy_pscore_item_position": target.propensity.ravel(),
        }
        prefix = {
            "pscore_cascade": log.prefix_propensity.cumprod(axis=1).ravel(),
            "evaluation_policy_pscore_cascade": target.prefix_propensity.cumprod(axis=1).ravel(),
        }
        model = {"action": self.slates.ravel(), "q_hat": self.guess.ravel(), "evaluation_policy_action_dist": self.next.ravel()}
        return estimator.estimate_policy_value(**self.columns, **whole, **slot, **prefix, **model)


@pytest.mark.parametrize("seed", range(3))
def test_slate_estimators_agree(obp, seed):
    log = Ranking(seed)
    pairs = [
        (obp.SlateStandardIPS(SLOTS), standard_ips(log.logged, log.target)),
        (obp.SlateIndependentIPS(SLOTS), independent_ips(log.logged, log.target)),
        (obp.SlateRewardInteractionIPS(SLOTS), reward_interaction_ips(log.logged, log.target)),
        (obp.SelfNormalizedSlateStandardIPS(SLOTS), standard_ips(log.logged, log.target, self_normalised=True)),
        (obp.SelfNormalizedSlateIndependentIPS(SLOTS), independent_ips(log.logged, log.target, self_normalised=True)),
        (
            obp.SelfNormalizedSlateRewardInteractionIPS(SLOTS),
            reward_interaction_ips(log.logged, log.target, self_normalised=True),
        ),
        (
            obp.SlateCascadeDoublyRobust(SLOTS, ITEMS),
            cascade_doubly_robust(log.logged, log.target, log.values, look_ahead=False),
        ),
    ]
    for theirs, ours in pairs:
        assert ours.value == pytest.approx(log.theirs(theirs), **CLOSE), ours.estimator


def test_slot_level_doubly_robust_agrees_with_slots_as_rounds_of_their_own(obp):
    log = Ranking(7)
    chance = np.broadcast_to(log.policies[1].marginal.T, (PAGES * SLOTS, ITEMS, SLOTS))
    theirs = obp.DoublyRobust().estimate_policy_value(
        reward=log.reward.ravel(),
        action=log.slates.ravel(),
        pscore=log.logged.propensity.ravel(),
        position=np.tile(np.arange(SLOTS), PAGES),
        action_dist=np.ascontiguousarray(chance),
        estimated_rewards_by_reg_model=np.repeat(np.moveaxis(log.guess, 1, 2), SLOTS, axis=0),
    )
    assert slot_doubly_robust(log.logged, log.target, log.values).value == pytest.approx(SLOTS * theirs, **CLOSE)


def test_the_effective_number_of_pages_is_theirs(obp):
    log = Bandit(4)
    weight = log.wanted[np.arange(PAGES), log.action] / log.pscore
    expected = weight.sum() ** 2 / np.square(weight).sum()
    assert standard_ips(log.logged, log.target).effective_pages == pytest.approx(expected)
