"""Sixty invented users, enough to keep some apart, and a model that is begun from them."""

from __future__ import annotations

import pytest

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.tuning import training_loop
from recsim_llm.agents.tuning.tiny_model import new_network, new_tokenizer, tell_items
from recsim_llm.agents.tuning.tuning_examples import Examples, ExampleSettings
from recsim_llm.agents.tuning.tuning_split import split_users, users_part
from recsim_llm.data import open_dataset


@pytest.fixture(scope="session")
def people():
    everybody = open_dataset("fictional")
    return everybody.of_ratings(everybody.ratings.take(everybody.ratings.user_index < 60))


@pytest.fixture(scope="session")
def learned_from(people):
    return users_part(people, split_users(people, 7).training)


@pytest.fixture(scope="session")
def examples(learned_from):
    settings = ExampleSettings(rating_history=8, page_items=(5,))
    return Examples(learned_from, Templates("en_compact"), settings, seed=7)


@pytest.fixture(scope="session")
def begun_model(learned_from, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning") / "begun"
    leads = tell_items(learned_from.catalog, Templates("en_compact"))
    tokenizer = new_tokenizer(learned_from.catalog, leads, examples.draw(0, 40))
    tokenizer.save_pretrained(folder)
    new_network(tokenizer, leads, learned_from, width=64, layers=2, seed=7).save_pretrained(folder)
    return folder


@pytest.fixture
def small_chunks(monkeypatch):
    for name, value in (("CHUNK", 8), ("_WATCHED_EVERY", 1), ("_WATCHED", 4)):
        monkeypatch.setattr(training_loop, name, value)
