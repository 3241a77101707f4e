"""A GGUF file as a folder that transformers loads in a second: reading one anew takes twenty to sixty times as long."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from recsim_llm.core.files import TORN
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.backends.local_model import quiet
from recsim_llm.language.backends.model_files import fingerprint_file, import_package, said_by
from recsim_llm.language.backends.packaged_models import GgufFile, models_folder

__all__ = ["convert_gguf"]

_VERSION = "gguf 1"
"""Rises when a file would become another folder."""


def convert_gguf(file: GgufFile) -> Path:
    """Return the folder of a model in a file; where there is none yet, make it in the user's cache folder.

    Weights become 32-bit floats, which all of GGUF's types can be without a change: 4 bytes a parameter.

    Raises:
        ConfigError: transformers cannot read the file, or the package gguf cannot be imported.
        DataError: the folder cannot be written.
    """
    mark = fingerprint_file(file.path, f"{_VERSION} {file.template}")
    folder = models_folder() / f"{file.path.stem}-{mark}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name: a folder of this name is whole. Two runs may begin together.
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=TORN, dir=folder.parent) as temporary:
            made = Path(temporary) / folder.name
            _convert(file, made)
            if not folder.is_dir():
                shutil.move(made, folder)
    except OSError as error:
        raise DataError(
            f"{folder}: got {error.strerror or error}, expected room for the model, 4 bytes a parameter; set XDG_CACHE_HOME"
        ) from error
    return folder


def _convert(file: GgufFile, folder: Path) -> None:
    # First and apart: a package that does not work says nothing about the file.
    import_package("gguf")
    try:
        # The reader draws a progress bar that nothing turns off.
        with quiet(), redirect_stderr(StringIO()):
            tokenizer, network = _read(file.path)
    # Whatever a broken file makes its reader raise.
    except Exception as error:
        expected = "expected a GGUF file that transformers can read; get it again, or serve it: llamacpp/FILE.gguf"
        raise ConfigError(f"model {file.path}: cannot be loaded ({said_by(error)}), {expected}") from None
    if file.template:
        tokenizer.chat_template = file.template
    # They are plain numbers now, but the objects still say that they come from a GGUF, which nobody can save.
    network.hf_quantizer = None
    del network.config.quantization_config
    with quiet():
        tokenizer.save_pretrained(folder)
        network.save_pretrained(folder)


def _read(path: Path) -> tuple[Any, Any]:
    import torch
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **place)
    network = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place)
    kind = GGUFReader(path).get_field("tokenizer.ggml.pre")
    if kind is not None and kind.contents() == "smollm":
        # transformers reads how words are cut for some families only, and takes another way for this one: blank lines before
        # numbers would be other tokens than those that the model learnt.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    return tokenizer, network
