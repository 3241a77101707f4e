"""The policy class for candidates: slates without replacement, with exact probabilities."""

from itertools import permutations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_torch_thread
from recsim_llm.training.candidate_policy import CandidatePolicy, PlackettLuceSlates

CANDIDATES, SLOTS = 5, 3
SCORES = torch.tensor([[0.5, -1.0, 2.0, 0.0, 0.3]])


def every_slate():
    return torch.tensor(list(permutations(range(CANDIDATES), SLOTS)))


def law_of_every_slate():
    slates = every_slate()
    return slates, PlackettLuceSlates(SLOTS).proba_distribution(SCORES.expand(len(slates), -1)).log_prob(slates).double()


def test_probabilities_of_all_ordered_slates_sum_to_one():
    assert law_of_every_slate()[1].exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_slates_are_drawn_as_often_as_their_probability_says():
    torch.manual_seed(3)
    slates, log_prob = law_of_every_slate()
    drawn = PlackettLuceSlates(SLOTS).proba_distribution(SCORES.expand(40_000, -1)).sample()
    base = torch.tensor([CANDIDATES**2, CANDIDATES, 1])
    counts = torch.bincount(drawn @ base, minlength=CANDIDATES**3)[slates @ base].double()
    expected = log_prob.exp() * len(drawn)
    # Chi-squared of 60 slates: above 100 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 100


def test_entropy_along_drawn_slates_is_that_of_the_law_on_average():
    torch.manual_seed(4)
    _, log_prob = law_of_every_slate()
    exact = -(log_prob.exp() * log_prob).sum().item()
    estimates = PlackettLuceSlates(SLOTS).proba_distribution(SCORES.expand(20_000, -1)).entropy()
    assert estimates.mean().item() == pytest.approx(exact, abs=4 * estimates.std().item() / 20_000**0.5)


def test_a_slate_with_a_candidate_twice_has_no_probability():
    law = PlackettLuceSlates(SLOTS).proba_distribution(SCORES)
    assert law.log_prob(torch.tensor([[0, 1, 0]])).item() == -np.inf


def old_films(feedback, catalog):
    """Pay for what the catalog's features say: nothing is to be guessed about users."""
    return catalog.features[feedback.pages.item_index, 0].sum(axis=1, dtype=np.float64)


def test_ppo_learns_which_candidates_pay_and_shows_none_twice(make_world):
    from stable_baselines3 import PPO

    rows = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=32,
        **make_world()._asdict(),
        action="candidates",
        candidates=20,
        slate_size=3,
        repeats="allow",
        reward=old_films,
        observation=["page", "summary"],
        autoreset_mode="same_step",
    )
    learning = {"n_steps": 16, "batch_size": 128, "n_epochs": 4, "learning_rate": 3e-3, "gamma": 0.0}
    model = PPO(CandidatePolicy, StableBaselinesVecEnv(rows), **learning, seed=1, device="cpu")

    def paid():
        observation, _ = rows.reset(seed=900)
        total, invalid = 0, 0
        for _ in range(10):
            observation, reward, _, _, info = rows.step(model.predict(observation, deterministic=False)[0])
            total, invalid = total + reward.sum(), invalid + info["invalid_slots"].sum()
        return total, invalid

    with one_torch_thread():
        before, _ = paid()
        model.learn(5_000)
        after, invalid = paid()
    assert after > 1.5 * before
    assert invalid == 0


def test_flattened_observations_are_refused():
    with pytest.raises(ConfigError, match="expected those of action='candidates', not flattened"):
        CandidatePolicy(spaces.Box(0, 1, (3,)), spaces.MultiDiscrete([5, 5]), lambda _: 1e-3)
