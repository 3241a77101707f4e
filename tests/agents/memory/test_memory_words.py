"""Words of memories: from the templates of the users' language."""

from __future__ import annotations

import shutil
from importlib.resources import files

import numpy as np
import pytest
from memory_streams import TOPICS, make_memories
from scripted_users import build_users, pages, taking

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.memory import MemorySettings
from recsim_llm.agents.memory.memory_words import MEMORY_FILES, reflection_words
from recsim_llm.agents.memory.reflection import TopicEvidence, reflect
from recsim_llm.errors import ConfigError

SHOWN = np.arange(20).reshape(4, 5)


@pytest.fixture
def german(tmp_path):
    """A folder with the shipped templates, reflections in German."""
    folder = tmp_path / "de"
    shutil.copytree(str(files("recsim_llm.agents.language") / "templates" / "en"), folder)
    words = "{% macro took(item) %}Du nahmst {{ item.title }}.{% endmacro %}\n"
    words += "{% macro reflection(made) %}Von {{ made.overall.seen }} gefielen {{ made.overall.liked }}.{% endmacro %}\n"
    (folder / "remembered.jinja").write_text("{# version: 1 #}\n" + words, encoding="utf-8")
    return folder


@pytest.mark.parametrize("family", ["en", "en_compact"])
def test_english_families_tell_all_three_sides(family):
    comedy, horror, war = np.eye(3, dtype=bool)
    valence = np.array([1, 0.5, -1, -0.5, 1, -1], np.float32)
    stars = np.array([5, 4, 1, 2, np.nan, np.nan], np.float32)
    evidence = TopicEvidence(np.zeros(6), valence, stars, np.array([comedy, comedy, horror, horror, war, war]))
    tell = reflection_words(Templates(family, MEMORY_FILES))
    assert tell(reflect(evidence, TOPICS, MemorySettings())) == (
        "Lately enjoyed Comedy (liked 2 of 2, 4.5 stars on average); let down by Horror (disliked 2 of 2, 1.5 stars on "
        "average); mixed about War (liked 1, disliked 1 of 2). Of the last 6: liked 3, disliked 3, 3.0 stars on average."
    )


def test_users_reflect_in_the_words_of_their_templates(german):
    users = build_users(templates=str(german), memory={"reflect_at": 0.1})
    taking(users, pages(SHOWN), [0, 1, -1, -1], [5, 4, 0, 0])
    assert users.memory_of(100)[0] == "Von 1 gefielen 1."


def test_other_words_of_reflections_change_what_a_manifest_keeps(german):
    assert build_users(templates=str(german)).provenance != build_users().provenance


def test_a_family_without_words_for_reflections_is_refused(german):
    (german / "remembered.jinja").unlink()
    with pytest.raises(ConfigError, match="got FileNotFoundError at remembered"):
        build_users(templates=str(german))


def test_memories_by_themselves_reflect_in_english():
    memories = make_memories(1)
    memories.remember([0], 0.0, ["saw a film"], importance=1.0, valence=1.0, stars=5)
    memories.reflect([0], 1.0)
    assert memories.columns()["text"][-1] == "Of the last 1: liked 1, disliked 0, 5.0 stars on average."
