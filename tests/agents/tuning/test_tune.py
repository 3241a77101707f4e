"""From ratings to a folder that a run takes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from recsim_llm.agents.language.family_measure import measure_families
from recsim_llm.agents.language.template_family import choose_family
from recsim_llm.agents.tuning import training_loop
from recsim_llm.agents.tuning.tune import WORK, tune
from recsim_llm.agents.tuning.tuned_card import CARD
from recsim_llm.agents.tuning.tuning_settings import CHECKPOINT, TuningSettings
from recsim_llm.errors import ConfigError, DataError, RunExistsError
from recsim_llm.language import open_model

SMALL = TuningSettings(model="scratch", seed=7, examples=24, width=64, layers=2, rating_history=6)


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def tuned(people, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CHUNK", 8), ("_WATCHED_EVERY", 1), ("_WATCHED", 4)):
            patch.setattr(training_loop, name, value)
        folder = tmp_path_factory.mktemp("tuned") / "model"
        states = []
        card = tune(people, SMALL, folder, states.append)
    return folder, card, states


def test_the_folder_holds_model_gguf_and_card_and_nothing_is_left_beside_it(tuned):
    folder, card, _ = tuned
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "model.gguf", "tuning"} <= names
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert json.loads((folder / CARD).read_text())["users"] == card["users"]
    assert "Licence of the data" in (folder / CARD).with_name("README.md").read_text()


def test_the_card_says_who_was_kept_apart_and_what_they_say(tuned, people):
    _, card, _ = tuned
    everybody = [user for part in card["users"].values() for user in part]
    assert sorted(everybody) == people.ratings.users.tolist()
    assert card["test"]["users"] > 0
    rows = card["test"]["popularity-matched negatives"]["accuracy"]
    assert set(rows) == {"tuned", "popularity", "item-kNN", "ALS"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())


def test_a_tuned_model_is_asked_alone_and_in_the_words_that_it_learned_where_nothing_is_set(tuned):
    folder, _, _ = tuned
    with open_model(f"transformers/{folder}") as model:
        assert model.elicitation == "forced"
        assert choose_family(model, "auto") == ("en_compact", "the model was tuned to these words")


def test_progress_is_told_a_chunk_at_a_time(tuned):
    _, _, states = tuned
    assert [state.done for state in states] == [8, 16, 24]
    assert states[-1].of == 24


def test_what_was_stopped_goes_on_to_the_same_weights_by_the_same_settings_alone(tuned, people, tmp_path, small_chunks):
    def stop(state):
        if state.done == 16:
            raise Stopped

    again = tmp_path / "again"
    with pytest.raises(Stopped):
        tune(people, SMALL, again, stop)
    assert not again.exists()
    with pytest.raises(ConfigError, match="got examples other than"):
        tune(people, replace(SMALL, examples=16), again)
    states = []
    tune(people, SMALL, again, states.append)
    assert [state.done for state in states] == [24]
    first, second = (load_file(folder / "model.safetensors") for folder in (tuned[0], again))
    assert all((first[name] == second[name]).all() for name in first)


def test_a_folder_that_holds_something_is_left_alone(tuned, people):
    with pytest.raises(RunExistsError, match="choose another"):
        tune(people, SMALL, tuned[0])


def test_too_few_users_are_refused_before_anything_is_written(people, tmp_path):
    few = people.of_ratings(people.ratings.take(people.ratings.user_index < 4))
    with pytest.raises(DataError, match="tune: got 4 users"):
        tune(few, SMALL, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_users_with_too_few_ratings_are_refused_and_nothing_is_in_the_way_of_others(people, tmp_path):
    ratings = people.ratings
    place = np.arange(len(ratings)) - np.searchsorted(ratings.user_index, ratings.user_index)
    short = people.of_ratings(ratings.take(place < 6))
    with pytest.raises(DataError, match="ratings"):
        tune(short, SMALL, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_was_learned_before_an_error_is_kept(people, tmp_path, small_chunks):
    def fail(state):
        raise DataError("no room")

    with pytest.raises(DataError, match="no room"):
        tune(people, SMALL, tmp_path / "model", fail)
    assert (tmp_path / f"model{WORK}" / CHECKPOINT).is_file()


def test_families_of_prompts_are_measured_on_people_whom_the_model_never_met(tuned, people, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, card, _ = tuned
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        report = measure_families(model, people, seed=3, seconds=0.0)
    met = {*card["users"]["training"], *card["users"]["validation"]}
    assert report.users_asked
    assert not met & set(report.users_asked)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "gpt"}, "expected scratch or transformers/FOLDER"),
        ({"width": 100}, "expected a multiple of 64"),
        ({"layers": 1}, "2 or more"),
        ({"lora": 4}, "nothing to adapt"),
        ({"learning_rate": 2.0}, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_line(changed, said):
    with pytest.raises(ConfigError, match=said):
        TuningSettings(**({"model": "scratch", "seed": 1} | changed))


def test_a_missing_package_is_named_with_its_remedy(people, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.agents.tuning.tune.find_spec", lambda name: None if name == "gguf" else object())
    with pytest.raises(ConfigError, match=r"got no package gguf.*pip install"):
        tune(people, SMALL, tmp_path / "model")


@pytest.mark.parametrize("lora", [0, 4])
def test_a_model_that_is_there_is_tuned_further(tuned, people, tmp_path, small_chunks, lora):
    pytest.importorskip("peft")
    settings = TuningSettings(
        model=f"transformers/{tuned[0]}", seed=7, examples=8, rating_history=4, lora=lora, learning_rate=0.01
    )
    tune(people, settings, tmp_path / "further")
    before, after = (load_file(folder / "model.safetensors") for folder in (tuned[0], tmp_path / "further"))
    assert before.keys() == after.keys()
    name = "model.layers.0.self_attn.q_proj.weight"
    assert (before[name] != after[name]).any()
    embeddings = "model.embed_tokens.weight"
    assert (before[embeddings] == after[embeddings]).all() == bool(lora)
