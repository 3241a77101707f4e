"""Models that packages bring: found without importing them, put together once, checked."""

from __future__ import annotations

import dataclasses
import os
import sys
from hashlib import sha256

import pytest

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.backends.packaged_models import PACKAGED, find_gguf, models_folder

PARTS = (b"GGUF" + bytes(100), b"second" * 50)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Folder of two packages that hold a model's parts and cannot be imported, and the model's name."""
    for number, part in enumerate(PARTS):
        package = tmp_path / "packages" / f"part_of_a_model_{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        (package / "part.bin").write_bytes(part)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages"), *sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = dataclasses.replace(
        PACKAGED["gemma3-270m"],
        files=tuple((f"part_of_a_model_{number}", "part.bin") for number in range(2)),
        digest=sha256(b"".join(PARTS)).hexdigest(),
    )
    monkeypatch.setitem(PACKAGED, "parted", model)
    return tmp_path / "packages"


def test_parts_are_put_together_in_the_cache_folder(installed):
    file = find_gguf("parted")
    assert file.path.read_bytes() == b"".join(PARTS)
    assert list(models_folder().iterdir()) == [file.path]


def test_a_whole_file_is_not_put_together_again(installed):
    file = find_gguf("parted")
    before = file.path.stat().st_ino
    assert find_gguf("parted").path.stat().st_ino == before


def test_a_file_that_was_cut_off_is_put_together_again(installed):
    path = find_gguf("parted").path
    os.truncate(path, 5)
    assert find_gguf("parted").path.read_bytes() == b"".join(PARTS)


def test_damaged_parts_are_refused_and_leave_nothing(installed):
    (installed / "part_of_a_model_1" / "part.bin").write_bytes(b"another")
    with pytest.raises(DataError, match=r"^model parted: got parts whose SHA-256 is .*; install it again: pip install [^\n]*$"):
        find_gguf("parted")
    assert not list(models_folder().iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(installed, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"^[^\n]*set XDG_CACHE_HOME$"):
        find_gguf("parted")


@pytest.mark.parametrize("name", ["smollm2", "gemma3-270m"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setattr("recsim_llm.language.backends.packaged_models.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as refusal:
        find_gguf(name)
    assert PACKAGED[name].install in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_path_is_a_file_or_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"got no file there, expected a GGUF file, or one of smollm2, gemma3-270m$"):
        find_gguf(tmp_path / "none.gguf")
    (tmp_path / "some.GGUF").write_bytes(b"GGUF")
    assert find_gguf(tmp_path / "some.GGUF") == (tmp_path / "some.GGUF", "")
    assert find_gguf(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"Some text, tokenizer.chat_template"])
def test_a_file_that_is_no_gguf_is_told_so(tmp_path, content):
    (tmp_path / "text.gguf").write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"^model [^\n]*text\.gguf: got a file that begins with b'[^\n]*, expected a GGUF file"
    ):
        find_gguf(tmp_path / "text.gguf")
