"""The vector environment: the same as single ones side by side, only faster."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.utils.passive_env_checker import data_shares_objects
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from recsim_llm.errors import ConfigError, ContractError, SlateError

ACTIONS = ("slate", "candidates", "embedding")
MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)


def play(rows, steps, seed=3, **reset):
    """Yield what reset and random steps return."""
    rows.action_space.seed(seed)
    yield rows.reset(seed=seed, **reset)
    for _ in range(steps):
        yield rows.step(rows.action_space.sample())


def columns(info):
    return {name: columns(value) if isinstance(value, dict) else np.asarray(value) for name, value in sorted(info.items())}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("action", "history_pages"), [("slate", 1), ("candidates", 3), ("embedding", 1), ("slate", 3)])
def test_rows_equal_single_environments_under_gymnasiums_own_vectoriser(make_world, make_rows, action, history_pages, mode):
    settings = {"action": action, "candidates": 8, "history_pages": history_pages, "reward": "satisfaction"}
    own = make_rows(make_world(retired=3), 5, autoreset_mode=mode, **settings)
    vectoriser = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    sync = make_rows(make_world(retired=3), 5, **settings, **vectoriser)
    for (*mine, info), (*theirs, their_info) in zip(play(own, 150), play(sync, 150), strict=True):
        assert data_equivalence(mine, theirs, exact=True)
        assert data_equivalence(columns(info), columns(their_info), exact=True)


@pytest.mark.parametrize("mode", MODES)
def test_many_rows_equal_few(make_world, make_rows, mode):
    # Above 64 rows the dice are laid out in shorter blocks.
    many = make_rows(make_world(), 70, max_pages=40, autoreset_mode=mode, reward="satisfaction")
    few = make_rows(make_world(), 3, max_pages=40, autoreset_mode=mode, reward="satisfaction")
    actions = np.random.default_rng(0).integers(0, 60, (120, 70, 4))
    few.reset(seed=67)
    many.reset(seed=0)
    for action in actions:
        observation, reward, terminated, truncated, _ = many.step(action)
        expected = few.step(action[67:])
        mine = {name: column[67:] for name, column in observation.items()}
        assert data_equivalence((mine, reward[67:], terminated[67:], truncated[67:]), expected[:4], exact=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action", ACTIONS)
def test_spaces_contain_all_that_is_observed(world, make_rows, action, mode):
    parts = ["page", "summary", "history", "profile"]
    rows = make_rows(world, action=action, candidates=8, observation=parts, history_pages=2, autoreset_mode=mode)
    for observation, *_, info in play(rows, 150):
        assert rows.observation_space.contains(observation)
        for final in info.get("final_obs", ()):
            assert final is None or rows.single_observation_space.contains(final)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("history_pages", [1, 3])
def test_what_was_returned_is_never_touched_again(world, make_rows, mode, history_pages):
    rows = make_rows(world, autoreset_mode=mode, history_pages=history_pages, action="candidates", candidates=8)
    returned = list(play(rows, 60))
    assert data_equivalence(returned, list(play(rows, 60)), exact=True)
    assert not any(data_shares_objects(one, other) for one, other in zip(returned[1:], returned[2:], strict=False))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("history_pages", [1, 3])
def test_overwriting_what_was_returned_changes_nothing_later(make_world, make_rows, mode, history_pages):
    def trajectory(spoil):
        rows = make_rows(make_world(), autoreset_mode=mode, history_pages=history_pages)
        kept = []
        for observation, *rest in play(rows, 60):
            kept.append({name: column.copy() for name, column in observation.items()})
            for column in (*observation.values(), *rest[:3]) if spoil else ():
                if isinstance(column, np.ndarray):
                    column[...] = 1
        return kept

    assert data_equivalence(trajectory(spoil=True), trajectory(spoil=False), exact=True)


def test_final_observation_is_the_ended_visits_own(make_world, make_rows):
    rows = make_rows(make_world(leave_start=-50.0, leave_tired=-50.0), 3, max_pages=2, autoreset_mode="same_step")
    rows.reset(seed=0)
    rows.step(np.tile(np.arange(4), (3, 1)))
    observation, _, terminated, truncated, info = rows.step(np.tile(np.arange(4, 8), (3, 1)))
    assert truncated.all()
    assert not terminated.any()
    for row, final in enumerate(info["final_obs"]):
        assert final["page"] == 1
        np.testing.assert_array_equal(final["history_item"], [4, 5, 6, 7])
        assert observation["page"][row] == 0
    assert info["final_info"]["visit_ended"].all()
    assert not info["visit_ended"].any()


def test_next_step_mode_does_not_use_the_action_of_a_restarting_row(make_world, make_rows):
    rows = make_rows(make_world(leave_start=50.0), 2, invalid="error")
    rows.reset(seed=0)
    good = np.tile(np.arange(4), (2, 1))
    assert rows.step(good)[2].all()
    observation, reward, terminated, truncated, info = rows.step(np.array([[9, 9, 9, 9], [99, -1, 0, 0]]))
    assert not any(column.any() for column in (reward, terminated, truncated, info["clicks"], info["invalid_slots"]))
    assert (observation["page"] == 0).all()
    assert (rows.unwrapped.feedback.pages.item_index == -1).all()
    assert not rows.unwrapped.feedback.clicked.any()


def test_embedding_of_a_restarting_row_may_be_anything(make_world, make_rows):
    rows = make_rows(make_world(leave_start=50.0), 2, action="embedding")
    rows.reset(seed=0)
    assert rows.step(np.zeros((2, 7), np.float32))[2].all()
    assert not rows.step(np.full((2, 7), np.nan, np.float32))[2].any()


@pytest.mark.parametrize("mode", MODES)
def test_last_row_out_of_pages_goes_on(make_world, make_rows, mode):
    rows = make_rows(make_world(leave_start=-50.0, leave_tired=-50.0), 2, max_pages=3, autoreset_mode=mode)
    ends = [result[3].all() for result in list(play(rows, 12))[1:]]
    period = 3 if mode is AutoresetMode.SAME_STEP else 4
    assert [step for step, end in enumerate(ends) if end] == list(range(2, 12, period))


def test_feedback_keeps_what_was_drawn_when_rows_restart_at_once(make_world, make_rows):
    rows = make_rows(make_world(leave_start=50.0, click_bias=5.0), 3, autoreset_mode="same_step")
    rows.reset(seed=0)
    shown = np.tile(np.arange(4), (3, 1))
    *_, info = rows.step(shown)
    np.testing.assert_array_equal(rows.unwrapped.feedback.pages.item_index, shown)
    np.testing.assert_array_equal(rows.unwrapped.feedback.clicked.sum(axis=1), info["final_info"]["clicks"])
    assert rows.unwrapped.feedback.clicked.any()


def test_same_seed_gives_the_same_trajectory_and_seeds_may_be_listed(world, make_rows):
    one = list(play(make_rows(world, 3), 50, seed=8))
    rows = make_rows(world, 3)
    rows.action_space.seed(8)
    other = [rows.reset(seed=[8, 9, 10]), *(rows.step(rows.action_space.sample()) for _ in range(50))]
    assert data_equivalence(one, other, exact=True)


def test_reset_without_seed_goes_on_with_other_users_and_dice(make_world, make_rows):
    rows = make_rows(make_world(click_bias=2.0), 8)
    options = {"user_id": np.full(8, 103)}
    first, second = (
        rows.reset(seed=seed, options=options) and rows.step(np.tile(np.arange(4), (8, 1)))[4] for seed in (0, None)
    )
    assert first["clicks"].tolist() != second["clicks"].tolist()
    assert rows.reset(seed=0)[1]["user_id"].tolist() != rows.reset()[1]["user_id"].tolist()


def test_options_bring_certain_users(world, make_rows):
    _, info = make_rows(world, 3).reset(seed=0, options={"user_id": [103, 100, 103]})
    assert info["user_id"].tolist() == [103, 100, 103]


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_vector_wrappers_apply(world, make_rows, mode):
    rows = DictInfoToList(RecordEpisodeStatistics(make_rows(world, 3, autoreset_mode=mode)))
    episodes = [info["episode"] for *_, infos in list(play(rows, 60))[1:] for info in infos if "episode" in info]
    assert len(episodes) > 5
    assert all(1 <= episode["l"] <= 6 for episode in episodes)


def test_metadata_names_the_autoreset_mode(world, make_rows):
    assert make_rows(world).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert make_rows(world, autoreset_mode="same_step").metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert make_rows(world, autoreset_mode="NextStep").metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"autoreset_mode": "never"}, "autoreset_mode: got 'never', expected NEXT_STEP, SAME_STEP, DISABLED"),
        ({"render_mode": "ansi"}, "render_mode: got 'ansi' for a vector environment, expected None"),
        ({"num_envs": 0}, "num_envs: got 0, expected 1 or more"),
    ],
)
def test_bad_option_is_refused(world, make_rows, options, message):
    with pytest.raises(ConfigError, match=message):
        make_rows(world, **options)


@pytest.mark.parametrize("seed", [[1, 2], [1, None], [1, 2, 3, 4], [1, 2, 0.5]])
def test_wrong_seeds_are_refused(world, make_rows, seed):
    with pytest.raises(ConfigError, match="expected one integer or 3 of them"):
        make_rows(world, 3).reset(seed=seed)


def test_too_few_users_in_options_are_refused(world, make_rows):
    with pytest.raises(ConfigError, match="expected 3 integers, one a row"):
        make_rows(world, 3).reset(seed=0, options={"user_id": [100]})


def test_step_before_the_first_reset_is_refused(world, make_rows):
    with pytest.raises(ContractError, match=r"got actions before the first reset\(\)"):
        make_rows(world, 2).step(np.zeros((2, 4), np.int64))


def test_wrong_shape_is_refused(world, make_rows):
    rows = make_rows(world, 2)
    rows.reset(seed=0)
    with pytest.raises(SlateError, match=r"shape \(3, 4\), expected integers of shape \(2, 4\)"):
        rows.step(np.zeros((3, 4), np.int64))


def test_string_makes_the_native_vector_environment(world, make_rows):
    rows = make_rows(world, 2)
    assert type(rows).__name__ == "BrowseVectorEnv"
    assert rows.spec.id == "RecSimLLM/Browse-v0"
    assert isinstance(rows, gymnasium.vector.VectorEnv)


def test_a_numpy_integer_is_a_seed_and_a_float_is_not():
    envs = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=3, vectorization_mode="vector_entry_point")
    first = envs.reset(seed=3)[1]["user_id"].tolist()
    assert envs.reset(seed=np.int64(3))[1]["user_id"].tolist() == first
    with pytest.raises(ConfigError, match=r"seed: got 1\.5"):
        envs.reset(seed=1.5)
