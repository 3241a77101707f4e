"""``RecSimLLM/Converse-v0``: Gymnasium's own checks, and the same game as in a run."""

import warnings
from copy import deepcopy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from recsim_llm.conversation.acts import ACCEPT, POLICY_ACTS, USER_ACTS
from recsim_llm.envs.converse import ConverseEnv
from recsim_llm.errors import ConfigError, ContractError, SlateError

SMALL = {"catalog": "fictional-100", "population": 20}


def act(env, name, *items, attribute=0, text=""):
    chosen = np.full(env.action_space["items"].shape, len(env.catalog))
    chosen[: len(items)] = items
    return {"act": POLICY_ACTS.index(name), "attribute": attribute, "items": chosen, "text": text}


@pytest.fixture
def env():
    return ConverseEnv(**SMALL)


@pytest.mark.parametrize("settings", [{}, {"mode": "chat", "goal": "attributes", "browse": 0.5, "change_of_mind": 0.2}])
def test_it_passes_gymnasiums_own_check(settings):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(gymnasium.make("RecSimLLM/Converse-v0", **SMALL, conversation=settings, render_mode="ansi").unwrapped)
    assert [str(one.message) for one in said] == []


def test_it_is_registered_by_name():
    env = gymnasium.make("RecSimLLM/Converse-v0", **SMALL)
    assert isinstance(env.unwrapped, ConverseEnv)


def test_random_actions_stay_within_the_declared_spaces():
    env = ConverseEnv(**SMALL, conversation={"mode": "chat", "browse": 0.3, "change_of_mind": 0.2})
    env.action_space.seed(1)
    observation, _ = env.reset(seed=1)
    for _ in range(60):
        assert observation in env.observation_space
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            observation, _ = env.reset()


def test_who_is_shown_what_it_looks_for_accepts_and_pays_one(env):
    env.reset(seed=3)
    goal = int(env.conversations.goal_item(np.zeros(1, np.int64))[0])
    observation, reward, terminated, truncated, _ = env.step(act(env, "recommend", goal))
    assert (observation["act"], observation["item"], reward, terminated, truncated) == (ACCEPT, goal, 1.0, True, False)


def test_an_answer_is_observed_as_a_value_and_in_words(env):
    env.reset(seed=3)
    observation, *_ = env.step(act(env, "ask"))
    assert USER_ACTS[observation["act"]] == "answer"
    assert observation["wanted"].nonzero()[0].tolist() == [observation["value"]]
    name = env.conversations.attributes.value_names[observation["value"]]
    assert observation["text"] == f"I am looking for genre {name}."


def test_an_unwanted_act_costs_and_silence_does_not():
    env = ConverseEnv(**SMALL, conversation={"browse": 1.0}, interruption=0.25)
    env.reset(seed=3)
    assert env.step(act(env, "silent"))[1] == 0.0
    env.reset(seed=3)
    _, reward, _, _, info = env.step(act(env, "ask"))
    assert (reward, info["welcome"]) == (-0.25, 0)


def test_the_turn_budget_truncates_and_a_policy_that_ends_terminates():
    env = ConverseEnv(**SMALL, conversation={"max_turns": 1})
    env.reset(seed=3)
    assert env.step(act(env, "ask"))[2:4] == (False, True)
    env.reset(seed=3)
    assert env.step(act(env, "end"))[2] is True


def test_a_step_after_the_end_is_refused(env):
    env.reset(seed=3)
    env.step(act(env, "end"))
    with pytest.raises(ContractError, match="expected reset"):
        env.step(act(env, "ask"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"act": 6}, "action, act: got 6, expected a whole number from 0 to 5"),
        ({"act": 2.7}, "action, act: got 2.7"),
        ({"act": "ask"}, "action, act: got 'ask'"),
        ({"act": np.array([2])}, "action, act: got array([2])"),
        ({"attribute": -1}, "action, attribute: got -1"),
        ({"items": [0, 1, 101]}, "action, items: got [0, 1, 101], expected 3 whole numbers from 0 to 100"),
        ({"items": [0, 1]}, "action, items: got [0, 1]"),
        ({"items": [0, [1], 2]}, "action: got [0, [1], 2]"),
        ({"text": None}, "action, text: got NoneType"),
        ({"text": "\x1b[31m"}, "action, text: got 5 characters, some of which do not lie in the action space"),
        ({"texts": ""}, "action: got the keys"),
    ],
)
def test_what_is_no_action_is_refused_and_not_taken_for_another(env, change, said):
    env.reset(seed=1)
    with pytest.raises(SlateError) as error:
        env.step(act(env, "recommend") | change)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("action", [None, 2, {"act": 2}])
def test_an_action_names_all_of_its_parts(env, action):
    env.reset(seed=1)
    with pytest.raises(SlateError, match="expected a dictionary of act, attribute, items, text"):
        env.step(action)


def test_an_item_that_was_shown_is_blanked_and_counted(env):
    env.reset(seed=3)
    goal = int(env.conversations.goal_item(np.zeros(1, np.int64))[0])
    env.step(act(env, "recommend", goal - 1))
    assert env.step(act(env, "recommend", goal - 1))[4]["invalid_items"] == 1


def test_a_copy_goes_on_as_the_original(env):
    env.reset(seed=3)
    other = deepcopy(env)
    one, two = env.step(act(env, "ask")), other.step(act(other, "ask"))
    assert one[0]["value"] == two[0]["value"]


def test_the_same_acts_get_the_same_answers_as_in_the_scenarios_run():
    from recsim_llm.scenarios import load_scenario
    from recsim_llm.scenarios.building import stage
    from recsim_llm.scenarios.conversation_session import ConversationSession

    small = {"users.count": 20, "data": "fictional-100", "conversation.mode": "chat", "seed": 11}
    scenario = load_scenario("conversation", small | {"recommenders": ["popularity"], "measure": None, "expect": []})
    env = ConverseEnv(scenario=scenario)
    with stage(scenario, calls=None) as built:
        session = ConversationSession(scenario, built.world, None, name="popularity", log=None)
        talks, rows = session.conversations, np.arange(20)
        talks.begin(rows, rows, np.zeros(20, np.int64), session._seed)
        turn = talks.settle(talks.open(rows), talks.users.decide(talks.open(rows).heard))
    for row, user_id in enumerate(built.world.population.user_id[:8].tolist()):
        observation, _ = env.reset(seed=11, options={"user_id": user_id})
        assert env.conversations.goal_item(np.zeros(1, np.int64))[0] == talks.goal_item(rows)[row]
        assert observation["act"] == turn.user.act[row]
        assert env.turn.user.value[0] == turn.user.value[row]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"slate_size": 0}, "slate_size: got 0"),
        ({"repeats": "never"}, "repeats: got 'never'"),
        ({"interruption": -1.0}, "interruption: got -1.0"),
        ({"conversation": {"mood": 1}}, "conversation: got unknown key 'mood'"),
        ({"render_mode": "human"}, "render_mode: got 'human'"),
        ({"pages": 3}, "pages"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments, said):
    with pytest.raises((ConfigError, TypeError)) as error:
        ConverseEnv(**SMALL, **arguments)
    assert said in str(error.value)
