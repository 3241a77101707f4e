"""SlateQ and the bandit: what they show, and that nothing of them is lost on the way."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import RatedItems
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.training.learners import open_learner, policy_world

NAMES = ("slate_q", "bandit")
SMALL = {"slate_q": {"hidden": 16, "dimensions": 4, "batch": 64, "memory": 8}, "bandit": {}}


def choosy(world):
    """Return a world whose users differ more in what they like."""
    vectors = dict(world.population.vectors)
    vectors["click"] = vectors["click"] * np.where(np.arange(8) > 0, 4, 2).astype(np.float32)
    population = replace(world.population, vectors=vectors)
    return world._replace(population=population, users=ChoiceUsers(world.catalog, population, world.users.model))


def rated(world, each=12):
    """Return what the world's users rated before: mostly what they like."""
    users, random = world.population, np.random.default_rng(3)
    liking = users.vectors["click"] @ world.users.model.click_items.T
    item = np.argsort(-(liking + random.gumbel(size=liking.shape)), axis=1)[:, :each]
    ratings = Ratings(
        user_id=np.repeat(users.user_id, each),
        item_id=world.catalog.item_id[item].reshape(-1),
        rating=random.integers(1, 6, item.size).astype(np.float32),
        timestamp=np.arange(item.size),
    )
    return RatedItems.of(ratings, users.user_id, world.catalog)


@pytest.fixture
def make_rows(make_world):
    def make(rows=24, **world):
        built = choosy(make_world(users=200, **world))
        return gymnasium.make_vec(
            "RecSimLLM/Browse-v0",
            num_envs=rows,
            **built._replace(rated=rated(built))._asdict(),
            slate_size=4,
            max_pages=6,
            observation=["page", "taste", "fresh"],
            autoreset_mode="same_step",
        )

    return make


def make(name, env, **settings):
    kind = open_learner(name)
    return kind(env, kind.read_settings(SMALL[name] | settings, f"algorithm {name!r}"), gamma=0.9, steps=1000, seed=1)


def clicks(env, act, seed=90, pages=12):
    observation, _ = env.reset(seed=seed)
    total = invalid = 0
    for _ in range(pages):
        observation, reward, _, _, info = env.step(act(observation))
        total, invalid = total + reward.sum(), invalid + info["invalid_slots"].sum()
    return total, invalid


@pytest.mark.parametrize("name", NAMES)
def test_interrupted_learning_goes_on_to_the_same_policy(name, make_rows, tmp_path):
    whole, parts, resumed = (make(name, make_rows()) for _ in range(3))
    for seed in (7, 8):
        whole.learn(400, seed=seed)
    parts.learn(400, seed=7)
    parts.save(tmp_path)
    resumed.load(tmp_path)
    resumed.learn(400, seed=8)
    for place, learner in (("whole", whole), ("resumed", resumed)):
        (tmp_path / place).mkdir()
        learner.policy().save(tmp_path / place)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "resumed" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", NAMES)
def test_a_few_pages_teach_more_than_nothing_and_nothing_known_is_shown(name, make_rows):
    env = make_rows()
    learner = make(name, env)
    random = np.random.default_rng(0)
    by_chance, _ = clicks(env, lambda seen: np.argsort(random.random(seen["fresh"].shape) - seen["fresh"], axis=1)[:, :4])
    for seed in range(4):
        learner.learn(1500, seed=seed)
    policy = learner.policy()
    learned, invalid = clicks(env, lambda seen: policy.act(seen).action)
    assert learned > 1.3 * by_chance
    assert invalid == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_read_back_says_the_same_whoever_else_is_asked_about(name, make_rows, tmp_path):
    env = make_rows()
    learner = make(name, env)
    learner.learn(600, seed=2)
    policy, world = learner.policy(), policy_world(env)
    policy.save(tmp_path)
    again = open_learner(name).read_policy(tmp_path, world)
    observation, _ = env.reset(seed=5)
    expected = policy.act(observation).action
    for rows in (slice(0, 1), slice(3, 10), slice(None)):
        part = {key: column[rows] for key, column in observation.items()}
        np.testing.assert_array_equal(again.act(part).action, expected[rows])
    with pytest.raises(ConfigError, match=r"got a policy for 60 items and pages of 4, expected one for 50 items"):
        open_learner(name).read_policy(tmp_path, policy_world(make_rows(items=50)))


def test_what_is_learned_of_one_choice_a_page_is_finite(make_rows):
    learner = make("slate_q", make_rows(click_bias=-4.0), competition="multinomial", optimisation="greedy")
    learner.learn(600, seed=2)
    assert all(np.isfinite(towers.items).all() for towers in learner.policy().clicks)


def test_damaged_states_are_refused(make_rows, tmp_path):
    for name in NAMES:
        learner = make(name, make_rows())
        with pytest.raises(LogError, match="expected the state of a"):
            learner.load(tmp_path)


def test_an_observation_without_tastes_is_refused(make_world):
    env = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=2, **make_world()._asdict(), autoreset_mode="same_step")
    with pytest.raises(ConfigError, match=r"got an observation without 'taste', expected observation=\['taste', ...\]"):
        make("bandit", env)
