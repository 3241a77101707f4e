"""A GGUF file in this process: the model that the folder holds, converted once, whole or not at all."""

from __future__ import annotations

import asyncio
import sys

import pytest

pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")
pytest.importorskip("gguf", reason="needs recsim_llm[small-models]")

from gguf_file import write_gguf
from tiny_language_model import make_tiny_model

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.backends import gguf_conversion
from recsim_llm.language.backends.packaged_models import GgufFile, models_folder
from recsim_llm.language.backends.transformers_backend import TransformersBackend
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no

ASK = Ask(
    Prompt((Part("rules", "You browse films."), Part("page", '<page>\n1. "Title" (1999) | Comedy\n</page>'))),
    (yes_no("click_1", "Click?"), score("stars_1", "Stars?")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a model, with the same as a file beside it."""
    folder = make_tiny_model(tmp_path_factory.mktemp("llama") / "tiny", 1)
    write_gguf(folder, folder.parent / "tiny.gguf")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def decide(place):
    async def main():
        backend = TransformersBackend(place)
        try:
            return backend.name, (await backend.send(prepare(ASK, "forced"))).probabilities
        finally:
            await backend.close()

    return asyncio.run(main())


def test_a_file_answers_as_its_folder_does(folder):
    name, probabilities = decide(folder.parent / "tiny.gguf")
    assert name.startswith("transformers/tiny.gguf@")
    for found, expected in zip(probabilities, decide(folder)[1], strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_file_is_converted_once(folder, monkeypatch):
    first = decide(folder.parent / "tiny.gguf")
    monkeypatch.setattr(gguf_conversion, "_read", None)
    assert decide(folder.parent / "tiny.gguf") == first


def test_a_conversion_that_breaks_off_leaves_nothing(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf_conversion.shutil, "move", full)
    with pytest.raises(DataError, match=r"^[^\n]*got No space left on device, [^\n]*; set XDG_CACHE_HOME$"):
        decide(folder.parent / "tiny.gguf")
    assert not list(models_folder().iterdir())


def test_a_template_goes_before_that_of_the_file(folder):
    from transformers import AutoTokenizer

    file = GgufFile(folder.parent / "tiny.gguf", "{{ messages[0]['content'] }}")
    converted = gguf_conversion.convert_gguf(file)
    assert AutoTokenizer.from_pretrained(converted).chat_template == file.template
    assert converted != gguf_conversion.convert_gguf(file._replace(template=""))


def test_a_reader_that_cannot_be_imported_is_told_and_not_the_file(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ConfigError, match=r"^gguf cannot be imported \([^\n]*\), [^\n]*; pip install gguf$"):
        gguf_conversion.convert_gguf(GgufFile(folder.parent / "tiny.gguf", ""))


def test_a_broken_file_is_one_line(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ConfigError, match=r"^model [^\n]*broken\.gguf: cannot be loaded \([^\n]*get it again[^\n]*$"):
        decide(tmp_path / "broken.gguf")
