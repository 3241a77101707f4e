"""Recommenders as policies of an environment: what a run gives them, and what a run gets from them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest

import recsim_llm
from recsim_llm.core.ratings import Ratings
from recsim_llm.envs import as_policy
from recsim_llm.errors import ConfigError, ContractError, PlugInError, SlateError
from recsim_llm.recommenders import Popularity, Recommender, deterministic, open_recommender

ID = "RecSimLLM/Browse-v0"
SMALL = {"users.count": 20, "max_pages": 3, "slate_size": 4, "visits": 2, "seed": 3}
SMALL |= {"users.parameters": {"click_bias": 3.0, "leave_start": -6.0, "leave_tired": -4.0}}
PLANNER = {"tries": 40, "rollouts": 2, "pool": 12, "stars": [4.0], "focus": [1.0]}
ARMS = ["random", "popularity", "item-knn", "oracle", "planner"]


@pytest.fixture(scope="module")
def scenario():
    return recsim_llm.load_scenario(
        "demo", SMALL | {"recommenders": [*ARMS[:-1], "linucb", {"name": "planner", "settings": PLANNER}]}
    )


@pytest.fixture(scope="module")
def log(scenario, tmp_path_factory):
    """The clicks of the run, by arm, user, visit and page."""
    folder = recsim_llm.run(scenario, tmp_path_factory.mktemp("as_policy") / "run")
    pages = arrow.dataset(folder / "pages").to_table().to_pylist()
    return {(page["arm"], page["user_id"], page["visit"], page["page"]): page["reward"] for page in pages}


def ratings_of(world, items=3):
    users = np.repeat(world.population.user_id, items)
    item = np.tile(world.catalog.item_id[:items], len(world.population))
    return Ratings(
        user_id=users, item_id=item, rating=np.full(len(users), 4.0, np.float32), timestamp=np.zeros(len(users), np.int64)
    )


class Spy(Recommender):
    """Shows the first items that are new to the user, and keeps what it was asked and told."""

    def __init__(self):
        self.asked, self.told, self.fitted = [], [], None

    def fit(self, catalog, ratings, seed):
        self.item_id, self.fitted = catalog.item_id, (len(ratings), seed)

    def recommend(self, requests, k):
        self.asked.append(requests)
        return deterministic(np.stack([self.item_id[~np.isin(self.item_id, seen)][:k] for seen in requests.history_item]))

    def observe(self, requests, slates, clicked, rating):
        self.told.append((requests, slates.item_id, clicked, rating))


@pytest.mark.parametrize("arm", ARMS)
def test_a_recommender_gets_the_clicks_of_its_run_in_the_users_own_loop(scenario, log, arm):
    expected = {key[1:]: reward for key, reward in log.items() if key[0] == arm}
    users = np.array(sorted({user for user, _, _ in expected}))
    envs = gymnasium.make_vec(ID, len(users), scenario=scenario, autoreset_mode="same_step")
    policy = as_policy(open_recommender(arm, PLANNER if arm == "planner" else None), envs)
    observation, _ = envs.reset(seed=[scenario.seed] * len(users), options={"user_id": users})
    got, place, over = {}, [(int(user), 0, 0) for user in users], np.zeros(len(users), bool)
    for _ in range(scenario.visits * scenario.max_pages):
        observation, reward, terminated, truncated, info = envs.step(policy(observation))
        for row in np.flatnonzero(~over):
            got[place[row]] = reward[row]
            user, visit, page = place[row]
            place[row] = (user, visit + 1, 0) if info["returned"][row] else (user, visit, page + 1)
        over |= terminated | truncated
    assert got == expected


def test_the_single_environment_gets_them_too(scenario, log):
    env = gymnasium.make(ID, scenario=scenario)
    policy = as_policy(open_recommender("item-knn"), env)
    for user in sorted({user for arm, user, _, _ in log if arm == "item-knn"})[:6]:
        observation, _ = env.reset(seed=scenario.seed, options={"user_id": user})
        over, place = False, (0, 0)
        while not over:
            observation, reward, terminated, truncated, info = env.step(policy(observation))
            assert reward == log["item-knn", user, *place]
            place = (place[0] + 1, 0) if info["visit_ended"] else (place[0], place[1] + 1)
            over = terminated or truncated
        assert ("item-knn", user, *place) not in log


def test_a_recommender_that_learns_has_learned_the_same_while_everyone_is_on_the_same_visit(scenario, log):
    """A run goes visit by visit; rows go on by themselves, so that only the first visit is the same."""
    users = np.array(sorted({user for arm, user, _, _ in log if arm == "linucb"}))
    envs = gymnasium.make_vec(ID, len(users), scenario=scenario, visits=1)
    policy = as_policy("linucb", envs)
    observation, _ = envs.reset(seed=[scenario.seed] * len(users), options={"user_id": users})
    over = np.zeros(len(users), bool)
    for page in range(scenario.max_pages):
        # Rows whose episode is over restart with other users, from whom the recommender of the run learns nothing.
        if over.any():
            break
        observation, reward, terminated, truncated, _ = envs.step(policy(observation))
        over = terminated | truncated
        pages = page + 1
        assert reward.tolist() == [log["linucb", int(user), 0, page] for user in users]
    assert pages > 1


def test_requests_hold_what_the_environment_knows(make_world, make_rows):
    world = make_world(leave_start=-50.0, leave_tired=-50.0, return_base=60.0, click_bias=2.0)
    envs = make_rows(world, 3, visits=2, max_pages=2, observation=["page"], autoreset_mode="same_step")
    spy = Spy()
    policy = as_policy(spy, envs, ratings=ratings_of(world))
    observation, info = envs.reset(seed=1)
    who = info["user_id"].copy()
    for _ in range(5):
        observation, *_ = envs.step(policy(observation))
    assert spy.fitted == (3 * len(world.population), 0)
    asked = [requests for requests in spy.asked if len(requests.user_id) == 3]
    assert [(int(one.visit[0]), int(one.page[0]), one.history_item.shape[1]) for one in asked[:5]] == [
        (0, 0, 0),
        (0, 1, 4),
        (1, 0, 8),
        (1, 1, 12),
        (0, 0, 0),
    ]
    assert all((one.user_id == who).all() for one in asked[:4])
    for before, (requests, item_id, clicked, rating) in zip(asked[1:4], spy.told, strict=False):
        assert requests is not before
        np.testing.assert_array_equal(before.history_item[:, -4:], item_id)
        np.testing.assert_array_equal(before.history_clicked[:, -4:], clicked)
        np.testing.assert_array_equal(before.history_rating[:, -4:], rating)
    assert asked[0].profile.values("age").tolist() == [
        world.population.demographics["age"][world.population.user_id.tolist().index(user)] for user in who
    ]


def test_a_user_who_sits_in_two_rows_is_asked_about_twice_and_not_at_once(make_world, make_rows):
    world = make_world(leave_start=-50.0)
    envs = make_rows(world, 4)
    spy = Spy()
    policy = as_policy(spy, envs, ratings=ratings_of(world))
    observation, _ = envs.reset(seed=1, options={"user_id": [100, 103, 100, 100]})
    envs.step(policy(observation))
    assert [one.user_id.tolist() for one in spy.asked] == [[100, 103], [100], [100]]
    assert [told[0].user_id.tolist() for told in spy.told] == [[100, 103], [100], [100]]


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_rows_that_are_over_are_neither_asked_nor_told_about(make_world, make_rows, mode):
    world = make_world(leave_start=0.0)
    envs = make_rows(world, 6, autoreset_mode=mode)
    spy = Spy()
    policy = as_policy(spy, envs, ratings=ratings_of(world))
    observation, _ = envs.reset(seed=1)
    over = np.zeros(6, bool)
    for _ in range(12):
        if mode == "disabled" and over.any():
            observation, _ = envs.reset(options={"reset_mask": over})
        expected = 6 - over.sum() if mode == "next_step" else 6
        before = len(spy.asked), len(spy.told)
        observation, _, terminated, truncated, info = envs.step(policy(observation))
        assert sum(len(one.user_id) for one in spy.asked[before[0] :]) == expected
        assert sum(len(one[0].user_id) for one in spy.told[before[1] :]) == expected
        assert not info["invalid_slots"].any()
        over = terminated | truncated
    assert max(one.history_item.shape[1] for one in spy.asked) > 4


def test_a_recommender_is_told_of_its_own_pages_only_and_knows_all(make_world, make_env):
    world = make_world(leave_start=-50.0)
    env = make_env(world)
    spy, other = Spy(), Spy()
    policy, second = (as_policy(one, env, ratings=ratings_of(world)) for one in (spy, other))
    observation, _ = env.reset(seed=1)
    observation, *_ = env.step(policy(observation))
    policy(observation)
    observation, *_ = env.step(np.arange(40, 44))
    env.step(second(observation))
    assert (len(spy.told), len(other.told)) == (1, 1)
    assert other.asked[-1].history_item[0, -4:].tolist() == world.catalog.item_id[40:44].tolist()


def test_a_policy_that_nobody_holds_costs_nothing_any_more(world, make_env):
    env = make_env(world)
    policy = as_policy(Spy(), env, ratings=ratings_of(world))
    assert list(env.unwrapped.session._watching()) == [policy]
    del policy
    assert list(env.unwrapped.session._watching()) == []


class Broken(Spy):
    def recommend(self, requests, k):
        return deterministic(np.full((len(requests.user_id), k), 10**6))


class Crashing(Spy):
    def recommend(self, requests, k):
        return requests.nothing


def test_what_cannot_be_a_policy_is_refused_in_one_line(world, make_env, make_rows):
    ratings = ratings_of(world)
    refused = [
        (lambda: as_policy("popularity", make_env(world)), "knows no ratings, expected some .*ratings="),
        (lambda: as_policy("popularty", make_env(world), ratings=ratings), "did you mean 'popularity'"),
        (lambda: as_policy("popularity", make_env(world, action="embedding")), "got action='embedding', expected .*'slate'"),
        (lambda: as_policy("popularity", gymnasium.make("CartPole-v1")), "as_policy: got .*CartPole.*, expected RecSimLLM"),
        (lambda: as_policy("popularity", make_rows(world, vectorization_mode="sync")), "expected the vector form"),
    ]
    for make, message in refused:
        with pytest.raises(ConfigError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_a_policy_that_does_not_know_the_whole_episode_asks_for_a_reset(world, make_env):
    env = make_env(world)
    env.reset(seed=1)
    policy = as_policy(Popularity(), env, ratings=ratings_of(world))
    env.step(policy(None))
    late = as_policy(Popularity(), env, ratings=ratings_of(world))
    with pytest.raises(ContractError, match=r"began before it was made a policy, expected reset\(\) first"):
        late(None)
    env.reset()
    env.step(late(None))


@pytest.mark.parametrize(("kind", "error"), [(Broken, SlateError), (Crashing, PlugInError)])
def test_whose_fault_a_page_is_stands_in_the_error(world, make_env, kind, error):
    env = make_env(world)
    policy = as_policy(kind(), env, ratings=ratings_of(world))
    env.reset(seed=1)
    with pytest.raises(error, match=kind.__name__):
        policy(None)


def test_an_oracle_needs_users_who_can_tell(make_env):
    env = gymnasium.make(ID, users="language", model="scripted/genres", population=4, slate_size=3)
    with pytest.raises(ConfigError, match=r"'oracle': got LanguageUsers, .* expected choice users"):
        as_policy("oracle", env)
    env.close()
