"""Saving: what is loaded continues exactly where the saved memories stopped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from memory_streams import ROWS, live, make_memories, same, same_recall, streams, texts, times

from recsim_llm.agents.memory import Memories
from recsim_llm.errors import ConfigError, DataError

EVERYONE = np.arange(ROWS)


@given(streams, streams, texts, times)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_loaded_memories_are_the_saved_ones(tmp_path, past, future, query, now):
    memories = live(make_memories(strength=3.0), past)
    memories.save(tmp_path / "memories.npz")
    loaded = Memories.load(tmp_path / "memories.npz")
    assert same(loaded.columns(), memories.columns())
    assert loaded.settings == memories.settings
    assert loaded.due().tolist() == memories.due().tolist()
    live(memories, future)
    live(loaded, future)
    assert same_recall(*(each.recall(EVERYONE, [query] * ROWS, now) for each in (memories, loaded)))
    assert same(loaded.columns(), memories.columns())


def test_the_same_memories_make_the_same_bytes(tmp_path):
    memories = make_memories()
    memories.remember([0, 1], 0.0, ["naïve 漢字 \ud800", "comet"], importance=0.5, valence=0)
    memories.save(tmp_path / "first.npz")
    Memories.load(tmp_path / "first.npz").save(tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_what_a_forgotten_user_remembered_is_not_in_the_file(tmp_path):
    memories = make_memories()
    memories.remember([0, 1], 0.0, ["a secret", "comet"], importance=0.5, valence=0)
    memories.forget(np.array([0]))
    memories.save(tmp_path / "memories.npz")
    assert b"secret" not in (tmp_path / "memories.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "memories.npz").write_bytes(content)
    with pytest.raises(DataError, match="expected saved memories"):
        Memories.load(tmp_path / "memories.npz")


def test_a_file_of_other_columns_is_refused(tmp_path):
    notes = np.frombuffer(b'{"version": 1, "embedded": false}', np.uint8)
    np.savez(tmp_path / "memories.npz", notes=notes)
    with pytest.raises(DataError, match="expected saved memories"):
        Memories.load(tmp_path / "memories.npz")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected saved memories"):
        Memories.load(tmp_path / "memories.npz")


def test_memories_with_an_embedder_are_not_loaded_without_one(tmp_path):
    make_memories(embedder=lambda names: np.ones((len(names), 2))).save(tmp_path / "memories.npz")
    with pytest.raises(ConfigError, match="saved with an embedder"):
        Memories.load(tmp_path / "memories.npz")
