"""Copies of an environment: they go on as the original would, and a log has one writer."""

from __future__ import annotations

import copy
import errno
import multiprocessing
import os
import pickle

import cloudpickle
import gymnasium
import numpy as np
import pytest
import stable_baselines3.common.vec_env as stable_baselines
from stable_baselines3.common.env_util import make_vec_env

from recsim_llm.envs import FlatObservation, recording
from recsim_llm.errors import ConfigError, ContractError, RunExistsError
from recsim_llm.log import open_run

ID = "RecSimLLM/Browse-v0"
NATIVE = r"expected one .*make_vec\('RecSimLLM/Browse-v0', num_envs=n, vectorization_mode='vector_entry_point', log="
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: pickle.loads(cloudpickle.dumps(env)),
}


def play(env, visits=3):
    """Return what happens in some visits under a fixed policy."""
    seen = []
    for visit in range(visits):
        _, info = env.reset()
        over, page = False, 0
        while not over:
            slate = (visit * 5 + page * 3) % 14 * 4 + np.arange(4)
            _, reward, terminated, truncated, info = env.step(slate)
            seen.append((info["user_id"], info["visit"], reward, info["clicks"]))
            page, over = page + 1, terminated or truncated
    return seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", [{}, {"action": "candidates", "candidates": 60}, {"history_pages": 3}])
def test_a_copy_plays_the_visits_to_come_as_the_original_does(world, make_env, way, options):
    env = make_env(world, **options).unwrapped
    env.reset(seed=5)
    other = WAYS[way](env)
    expected = play(copy.deepcopy(env))
    assert play(other) == play(env) == expected
    assert sum(reward for *_, reward, _ in expected) > 0


def test_a_copied_vector_environment_goes_on_alone(world, make_rows):
    rows = make_rows(world, 3)
    rows.reset(seed=5)
    for way in WAYS.values():
        other = way(rows.unwrapped)
        pages = [np.arange(12).reshape(3, 4) + 4 * page for page in range(8)]
        ahead = [other.step(page)[1].tolist() for page in pages]
        assert ahead == [one.step(page)[1].tolist() for one in [copy.deepcopy(rows)] for page in pages]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


def pages(folder):
    return len(open_run(folder).columns("pages", ["page"])["page"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("vector", [False, True])
def test_a_copy_of_a_logged_environment_leaves_its_log_alone(world, make_env, make_rows, folder, way, vector):
    env = make_rows(world, 2, log=folder) if vector else make_env(world, log=folder)
    page = np.arange(8).reshape(2, 4) if vector else np.arange(4)
    env.reset(seed=1)
    env.step(page)
    ahead = WAYS[way](env.unwrapped)
    ahead.step(page + 8)
    ahead.close()
    env.reset()
    env.step(page + 16)
    env.close()
    assert pages(folder) == (4 if vector else 2)


def test_a_copy_under_wrappers_leaves_the_log_alone(world, make_env, folder):
    env = FlatObservation(make_env(world, log=folder))
    env.reset(seed=1)
    copy.deepcopy(env).step(np.arange(4))
    env.step(np.arange(4))
    env.close()
    assert pages(folder) == 1


def test_a_fork_of_a_logged_environment_leaves_its_log_alone(world, make_env, folder):
    env = make_env(world, log=folder)
    env.reset(seed=1)
    env.step(np.arange(4))

    def child():
        env.step(np.arange(4) + 4)
        env.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not (folder / "segments.jsonl").read_bytes()
    env.close()
    assert pages(folder) == 1


SEVERAL = {
    "sync": lambda log: gymnasium.make_vec(ID, 2, vectorization_mode="sync", slate_size=3, log=log),
    "async": lambda log: gymnasium.make_vec(ID, 2, vectorization_mode="async", slate_size=3, log=log),
    "async, one": lambda log: gymnasium.make_vec(ID, 1, vectorization_mode="async", slate_size=3, log=log),
    "list": lambda log: [gymnasium.make(ID, slate_size=3, log=log) for _ in range(2)],
    "vector": lambda log: [gymnasium.make_vec(ID, 2, slate_size=3, log=log) for _ in range(2)],
    "dummy": lambda log: make_vec_env(ID, n_envs=2, env_kwargs={"slate_size": 3, "log": log}),
    "processes": lambda log: make_vec_env(
        ID,
        n_envs=2,
        env_kwargs={"slate_size": 3, "log": log},
        vec_env_cls=stable_baselines.SubprocVecEnv,
        vec_env_kwargs={"start_method": "fork"},
    ),
    "flat processes": lambda log: stable_baselines.SubprocVecEnv(
        [lambda: FlatObservation(gymnasium.make(ID, slate_size=3, log=log))], start_method="fork"
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_environments_on_one_log_are_refused_and_leave_nothing(folder, name):
    with pytest.raises(ConfigError, match=NATIVE) as caught:
        SEVERAL[name](folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()
    # What the message advises works, at the same place.
    rows = gymnasium.make_vec(ID, num_envs=2, vectorization_mode="vector_entry_point", log=folder)
    rows.reset(seed=1)
    rows.step(np.arange(20).reshape(2, 10))
    rows.close()
    assert pages(folder) == 2


def test_an_environment_that_lost_its_log_to_another_says_so_at_reset(folder):
    first = gymnasium.make(ID, log=folder)
    with pytest.raises(RunExistsError, match=NATIVE):
        gymnasium.make(ID, log=folder)
    with pytest.raises(RunExistsError, match=NATIVE):
        first.reset(seed=1)


def test_an_environment_that_writes_keeps_its_log(folder):
    first = gymnasium.make(ID, log=folder)
    first.reset(seed=1)
    first.step(np.arange(10))
    with pytest.raises(RunExistsError, match=NATIVE):
        gymnasium.make(ID, log=folder)
    first.close()
    assert pages(folder) == 1


def test_a_folder_is_free_again_after_a_close_without_a_page(folder):
    gymnasium.make(ID, log=folder).close()
    gymnasium.make(ID, log=folder).close()
    assert not folder.exists()


def test_one_log_for_each_of_several_environments_works(tmp_path):
    env = gymnasium.vector.SyncVectorEnv([lambda n=n: gymnasium.make(ID, log=tmp_path / f"log{n}") for n in range(2)])
    env.reset(seed=1)
    env.step(np.arange(20).reshape(2, 10))
    env.close()
    assert [pages(tmp_path / f"log{n}") for n in range(2)] == [1, 1]


def test_two_processes_on_one_log_have_one_writer(folder):
    """Each claims the folder before the other writes; the slower one hears of it with its first page."""
    first = gymnasium.make(ID, log=folder)
    first.reset(seed=1)
    reader, writer = os.pipe()

    def child():
        other = gymnasium.make(ID, log=folder)
        other.reset(seed=1)
        other.step(np.arange(10))
        other.close()
        os.write(writer, b"x")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    os.close(writer)
    with pytest.raises(RunExistsError, match="holds files"):
        first.step(np.arange(10))
    first.close()
    assert pages(folder) == 1


@pytest.mark.parametrize("place", ["file/log", "file"])
def test_a_log_that_cannot_be_written_is_refused_at_once(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"^log: got .*(expected a folder that can be written|expected a new folder)"):
        gymnasium.make(ID, log=tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_log_in_a_place_without_room_for_folders_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"^log: got /proc/no/log .*expected a folder that can be written; choose another$"):
        gymnasium.make(ID, log="/proc/no/log")


def test_a_closed_environment_says_that_its_log_is_closed(folder):
    env = gymnasium.make(ID, log=folder)
    env.reset(seed=1)
    env.close()
    with pytest.raises(ContractError, match=r"after close\(\)"):
        env.reset()


def test_a_log_without_room_leaves_nothing_and_the_environment_wants_a_reset(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    env = gymnasium.make(ID, log=folder)
    env.reset(seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "write_lookups", full)
        with pytest.raises(ConfigError, match=r"^log: got .*No space left on device.*expected a folder with room"):
            env.step(np.arange(10))
    assert not folder.exists()
    with pytest.raises(ContractError, match=r"expected reset\(\) first"):
        env.step(np.arange(10))
    env.reset()
    env.step(np.arange(10))
    env.close()
    assert pages(folder) == 1


def test_a_folder_by_another_name_is_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    first = gymnasium.make(ID, log="log")
    first.reset(seed=1)
    with pytest.raises(RunExistsError, match=NATIVE):
        gymnasium.make(ID, log=tmp_path / "link" / "log")
    with pytest.raises(RunExistsError, match=NATIVE):
        first.step(np.arange(10))


def test_a_log_stays_where_it_was_when_the_program_goes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = gymnasium.make(ID, log="log")
    env.reset(seed=1)
    monkeypatch.chdir("/")
    env.step(np.arange(10))
    env.close()
    assert pages(tmp_path / "log") == 1
