"""Whom a tuned model has met, by its card."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from recsim_llm.agents.tuning.met_users import met_users
from recsim_llm.agents.tuning.tuned_card import CARD
from recsim_llm.errors import DataError


@pytest.fixture
def tuned_folder(people, tmp_path):
    folder = tmp_path / "model"
    (folder / CARD).parent.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(b"")
    users = {"training": [9, 4], "validation": [2], "test": [3]}
    card = {"data": {"name": people.name, "fingerprint": people.fingerprint}, "users": users}
    (folder / CARD).write_text(json.dumps({"settings": {"templates": "en_compact"}, **card}))
    return folder


@pytest.mark.parametrize("place", ["", "/model.gguf"])
def test_a_tuned_model_has_met_those_trained_and_watched_on_and_not_those_kept_apart(tuned_folder, people, place):
    assert met_users(f"transformers/{tuned_folder}{place}", people) == (2, 4, 9)


def test_the_same_ratings_under_another_name_hold_the_same_people_and_other_ratings_do_not(tuned_folder, people):
    assert met_users(f"llamacpp/{tuned_folder}/model.gguf", replace(people, name="renamed")) == (2, 4, 9)
    fewer = people.of_ratings(people.ratings.take(people.ratings.user_index < 50))
    assert met_users(f"transformers/{tuned_folder}", replace(fewer, name="others")) == ()


def test_a_model_that_was_not_tuned_has_met_nobody(people, tmp_path):
    assert met_users(f"transformers/{tmp_path}", people) == ()
    assert met_users("openai/gpt-4.1-mini", people) == ()


def test_a_damaged_card_is_an_error_rather_than_a_flattering_card(tuned_folder, people):
    (tuned_folder / CARD).write_text("{}")
    with pytest.raises(DataError, match="expected the card of a tuned model"):
        met_users(f"transformers/{tuned_folder}", people)
