"""What the files of a model tell before it is loaded."""

from __future__ import annotations

import json

import pytest

from recsim_llm.language.backends.model_files import read_context


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_position_embeddings": 2048}, 2048),
        ({"text_config": {"max_position_embeddings": 512}, "max_position_embeddings": 1}, 512),
        ({"max_position_embeddings": "many"}, None),
        ({"max_position_embeddings": 0}, None),
        ({}, None),
        ([], None),
    ],
)
def test_the_context_is_read_where_the_config_tells_it(tmp_path, config, expected):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_context(tmp_path) == expected


def test_without_a_readable_config_the_context_is_not_known(tmp_path):
    assert read_context(tmp_path) is None
    (tmp_path / "config.json").write_text("{")
    assert read_context(tmp_path) is None
