"""Users played by a language model in the Gymnasium environments: the same kernel, the same contract."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from recsim_llm.agents.worlds import language_world
from recsim_llm.errors import ContractError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.providers import Roles


@pytest.fixture(scope="module")
def world():
    with Roles({"user": ModelSettings(name="scripted/genres")}) as roles:
        world = language_world("fictional", 12, seed=0, models=roles)
        yield {"catalog": world.catalog, "population": world.population, "users": world.users, "slate_size": 4, "max_pages": 3}


def test_the_single_environment_keeps_gymnasiums_contract(world):
    check_env(gymnasium.make("RecSimLLM/Browse-v0", **world).unwrapped, skip_render_check=True)


def test_an_episode_comes_again_with_its_seed(world):
    env = gymnasium.make("RecSimLLM/Browse-v0", **world)

    def episode():
        _, told = env.reset(seed=5)
        rewards, over = [], False
        while not over:
            _, reward, terminated, truncated, _ = env.step(np.arange(4) + 10 * len(rewards))
            rewards.append(reward)
            over = terminated or truncated
        return rewards, told["user_id"]

    assert episode() == episode()


def test_a_copied_environment_goes_on_alone(world):
    env = gymnasium.make("RecSimLLM/Browse-v0", **world).unwrapped
    env.reset(seed=5)
    env.step(np.arange(4))
    other = copy.deepcopy(env)
    first, second = env.step(np.arange(4) + 4), other.step(np.arange(4) + 4)
    assert first[1:4] == second[1:4]


def test_many_users_are_asked_at_once(world):
    env = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=6, vectorization_mode="vector_entry_point", **world)
    env.reset(seed=1)
    before = world["users"].model.meter().calls
    env.step(env.action_space.sample())
    assert world["users"].model.meter().calls - before == 6


def test_an_environment_with_a_language_model_is_not_pickled_and_says_so(world):
    env = gymnasium.make("RecSimLLM/Browse-v0", **world)
    env.reset(seed=5)
    with pytest.raises(ContractError, match=r"language model scripted/genres: got a pickle .*open one in each"):
        pickle.dumps(env)
