"""Files written whole or not at all, and JSON that people mend by hand: what ``json`` lets pass without a word is refused."""

from pathlib import Path

import pytest

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.told_facts import read_facts
from recsim_llm.core.files import read_json, replacing, write_atomically
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


def write_piecewise(path, content):
    with replacing(path) as stream:
        for letter in content.decode():
            stream.write(letter)


@pytest.mark.parametrize("write", [write_atomically, write_piecewise])
def test_what_is_no_file_is_written_to_and_stays_what_it_is(write, tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    write(tmp_path / "null", b"content")
    assert (tmp_path / "null").resolve() == Path("/dev/null")
    assert not Path("/dev/null").is_file()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for content in (b"first", b"second"):
        write(tmp_path / "link", content)
        assert (tmp_path / "file").read_bytes() == content
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "null"]


def test_a_file_that_breaks_off_halfway_leaves_the_older_one(tmp_path):
    (tmp_path / "file").write_text("older")

    def break_off():
        with replacing(tmp_path / "file") as stream:
            stream.write("newer")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "older")]
