"""JSON that people write or mend by hand: what ``json`` lets pass without a word is refused."""

import pytest

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.told_facts import read_facts
from recsim_llm.core.files import read_json
from recsim_llm.errors import DataError


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2, "a": 1}', '[{"deep": {"a": 1, "a": 2}}]'])
def test_a_key_that_stands_twice_is_named(text, tmp_path):
    (tmp_path / "file.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^key 'a' twice in one object$"):
        read_json(tmp_path / "file.json")


def test_equal_keys_in_different_objects_are_fine(tmp_path):
    (tmp_path / "file.json").write_text('{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}', encoding="utf-8")
    assert read_json(tmp_path / "file.json") == {"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}


@pytest.mark.parametrize(
    ("load", "text", "remedy"),
    [
        (read_facts, '{"12": {"a": "You hate it."}, "12": {"b": "You love it."}}', "expected a JSON file such as"),
        (Calibration.load, '{"click_bias": -1.0, "click_bias": 0.0}', "`recsim-llm calibrate` writes one"),
    ],
)
def test_files_of_users_making_are_refused_in_one_line(load, text, remedy, tmp_path):
    (tmp_path / "file.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"file\.json: got ValueError: key '\w+' twice in one object, ") as error:
        load(str(tmp_path / "file.json"))
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)
