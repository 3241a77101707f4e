"""The log of an environment: every page and visit, once, in any autoreset mode and segment size."""

import json
import threading

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest

from recsim_llm.comparison import summarise
from recsim_llm.core.files import write_atomically
from recsim_llm.envs import recording
from recsim_llm.errors import ContractError, RunExistsError
from recsim_llm.log import segments

PAGES = 6


def play_single(folder, steps=150):
    env = gymnasium.make("RecSimLLM/Browse-v0", log=str(folder), max_pages=PAGES, users="choice", slate_size=5)
    env.reset(seed=4)
    env.action_space.seed(1)
    seen, visits = [], 0
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        seen.append((info["user_id"], visits, reward, info["invalid_slots"], terminated, truncated))
        if terminated or truncated:
            env.reset()
            visits += 1
    env.close()
    return seen


def rows(folder, kind):
    return arrow.dataset(folder / kind).to_table().to_pylist()


def make_vector(folder, **more):
    env = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=30,
        vectorization_mode="vector_entry_point",
        log=str(folder),
        max_pages=PAGES,
        slate_size=5,
        **more,
    )
    env.reset(seed=4)
    env.action_space.seed(1)
    return env


def play_vector(folder, mode, steps=40):
    env = make_vector(folder, autoreset_mode=mode)
    reward, ends = 0.0, 0
    for _ in range(steps):
        _, gained, terminated, truncated, _ = env.step(env.action_space.sample())
        reward += gained.sum()
        ends += int((terminated | truncated).sum())
    env.close()
    return reward, ends


def test_every_page_of_a_single_environment_is_there(tmp_path):
    seen = play_single(tmp_path / "log")
    pages = rows(tmp_path / "log", "pages")
    logged = [(page["user_id"], page["visit"], page["reward"], page["invalid_slots"]) for page in pages]
    assert logged == [page[:4] for page in seen]
    assert [page["stop_reason"] for page in pages] == [
        "left" if terminated else "max_pages" if truncated else None for *_, terminated, truncated in seen
    ]


def test_propensities_are_unknown_not_zero(tmp_path):
    play_single(tmp_path / "log", 20)
    impressions = rows(tmp_path / "log", "impressions")
    assert {(row["propensity"], row["prefix_propensity"]) for row in impressions} == {(None, None)}
    assert any(row["click_prob"] > 0 for row in impressions)


def test_visits_sum_up_their_pages(tmp_path):
    play_single(tmp_path / "log")
    pages, visits = rows(tmp_path / "log", "pages"), rows(tmp_path / "log", "visits")
    assert len(visits) > 10
    for visit in visits:
        own = [page for page in pages if (page["user_id"], page["visit"]) == (visit["user_id"], visit["visit"])]
        assert (visit["pages"], visit["clicks"]) == (len(own), sum(page["clicks"] for page in own))
        assert visit["reward"] == pytest.approx(sum(page["reward"] for page in own))
        assert 0 < visit["return_prob"] < 1
        assert visit["returned"] is None


def test_segments_do_not_change_the_log(tmp_path, monkeypatch):
    play_single(tmp_path / "whole")
    monkeypatch.setattr(recording, "SEGMENT_ROWS", 35)
    play_single(tmp_path / "cut")
    assert len(list((tmp_path / "cut" / "pages").iterdir())) > 5
    for kind in ("impressions", "pages", "visits"):
        assert rows(tmp_path / "cut", kind) == rows(tmp_path / "whole", kind)


def test_pages_go_on_while_a_segment_is_being_written(tmp_path, monkeypatch):
    go_on, waited = threading.Event(), []

    def write(path, content):
        if threading.current_thread() is not threading.main_thread():
            waited.append(go_on.wait(60.0))
        write_atomically(path, content)

    monkeypatch.setattr(segments, "write_atomically", write)
    monkeypatch.setattr(recording, "SEGMENT_ROWS", 30 * 5 * 4)
    env = make_vector(tmp_path / "log", autoreset_mode="same_step")
    for _ in range(7):
        env.step(env.action_space.sample())
    assert not list((tmp_path / "log" / "pages").iterdir())
    go_on.set()
    env.close()
    assert waited == [True, True, True]
    assert len(rows(tmp_path / "log", "pages")) == 30 * 7


def test_what_a_full_disk_refused_is_written_once_there_is_room(tmp_path, monkeypatch):
    """A later step than the one whose segment found no room says so; no page is missing in the end."""
    full = [False]

    def write(path, content):
        if full[0]:
            raise OSError(28, "No space left on device", str(path))
        write_atomically(path, content)

    monkeypatch.setattr(segments, "write_atomically", write)
    monkeypatch.setattr(recording, "SEGMENT_ROWS", 30 * 5 * 4)
    env = make_vector(tmp_path / "log", autoreset_mode="same_step")
    for step in range(7):
        full[0] = step >= 3  # From the step on that has the first segment written.
        env.step(env.action_space.sample())
    with pytest.raises(OSError, match="No space left on device"):
        env.step(env.action_space.sample())
    full[0] = False
    env.reset(seed=5)
    for _ in range(3):
        env.step(env.action_space.sample())
    env.close()
    pages = rows(tmp_path / "log", "pages")
    assert len({(page["visit"], page["page"]) for page in pages}) == len(pages) == 30 * 11
    lines = (tmp_path / "log" / "segments.jsonl").read_text().splitlines()
    assert [json.loads(line)["segment"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_a_vector_environment_logs_what_it_pays(tmp_path, mode):
    reward, ends = play_vector(tmp_path / "log", mode)
    pages, visits = rows(tmp_path / "log", "pages"), rows(tmp_path / "log", "visits")
    assert sum(page["reward"] for page in pages) == reward
    assert len(visits) == ends
    assert len(pages) == 30 * 40 if mode == "same_step" else len(pages) < 30 * 40
    assert sum(visit["clicks"] for visit in visits) <= sum(page["clicks"] for page in pages)


def test_both_autoreset_modes_log_the_same_visits(tmp_path):
    """What a user does depends on the slates: with the same policy for both modes the first visits agree."""
    for mode in ("next_step", "same_step"):
        play_vector(tmp_path / mode, mode, steps=2)
    logs = [
        [row for row in rows(tmp_path / mode, "impressions") if row["page"] == 0][:150] for mode in ("next_step", "same_step")
    ]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_every_page_of_a_log_has_a_key_of_its_own(tmp_path, mode):
    play_vector(tmp_path / "log", mode)
    keys = [(page["visit"], page["page"]) for page in rows(tmp_path / "log", "pages")]
    assert len(set(keys)) == len(keys)
    visits = [visit["visit"] for visit in rows(tmp_path / "log", "visits")]
    assert len(set(visits)) == len(visits)


def test_the_manifest_holds_seeds_and_settings(tmp_path):
    play_vector(tmp_path / "log", "same_step", steps=1)
    manifest = json.loads((tmp_path / "log" / "manifest.json").read_text())
    assert manifest["seeds"] == [list(range(4, 34))]
    assert (manifest["environment"]["rows"], manifest["environment"]["action"]) == (30, "slate")


def test_a_closed_log_takes_no_more_pages(tmp_path):
    env = gymnasium.make("RecSimLLM/Browse-v0", log=str(tmp_path / "log"))
    env.reset(seed=1)
    env.close()
    with pytest.raises(ContractError, match="close"):
        env.step(np.arange(10))


def test_the_log_can_be_evaluated(tmp_path):
    seen = play_single(tmp_path / "log")
    (arm,) = summarise(tmp_path / "log").to_json()["arms"]
    assert arm["pages"] == len(seen)


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(RunExistsError, match="log"):
        gymnasium.make("RecSimLLM/Browse-v0", log=str(tmp_path))


def test_closing_twice_writes_once(tmp_path):
    env = gymnasium.make("RecSimLLM/Browse-v0", log=str(tmp_path / "log"))
    env.reset(seed=1)
    env.step(np.arange(10))
    env.close()
    before = (tmp_path / "log" / "segments.jsonl").read_bytes()
    env.close()
    assert (tmp_path / "log" / "segments.jsonl").read_bytes() == before


def test_reseeding_at_every_reset_does_not_rewrite_the_manifest(tmp_path):
    env = gymnasium.make("RecSimLLM/Browse-v0", log=str(tmp_path / "log"))
    env.reset(seed=0)
    env.step(np.arange(10))
    before = (tmp_path / "log" / "manifest.json").stat().st_mtime_ns
    for seed in range(1, 5):
        env.reset(seed=seed)
        env.step(np.arange(10))
    assert (tmp_path / "log" / "manifest.json").stat().st_mtime_ns == before
    env.close()
    assert json.loads((tmp_path / "log" / "manifest.json").read_text())["seeds"] == [[0], [1], [2], [3], [4]]
