"""The files of a model on disk: whether they are all there, and a fingerprint that changes when any of them does."""

from __future__ import annotations

import json
from hashlib import blake2b
from importlib import import_module
from pathlib import Path

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.packaged_models import PACKAGED

__all__ = ["fingerprint", "fingerprint_file", "import_package", "read_context", "said_by"]

WHOLE_BYTES = 200_000_000
"""Weights up to this size are read in full, larger ones at places spread over the file."""
PLACES = 256
PLACE_BYTES = 65_536
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
SETTINGS = ("*.json", "*.jinja", "*.model", "*.txt")


def fingerprint(folder: Path, scheme: str) -> str:
    """Return 12 hexadecimal digits that stand for a model folder: its settings, its tokenizer and its weights.

    Names, sizes and contents count, dates do not; of weights above 200 MB the beginning, where their layout is described, and
    256 blocks of 64 KB are read.

    Args:
        folder: folder with ``config.json``, tokenizer files and weights.
        scheme: version of the code that turns weights into answers; part of the fingerprint.

    Raises:
        ConfigError: a part of the model is missing or cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"model {folder}: got no folder there, expected one with config.json, a tokenizer and weights, a GGUF file or "
            f"one of {', '.join(PACKAGED)}; fetch a model with: hf download NAME --local-dir FOLDER"
        )
    weights = sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))
    found = {"config.json": (folder / "config.json").is_file(), "weights (*.safetensors)": bool(weights)}
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise ConfigError(f"model {folder}: got no {' and no '.join(missing)}, expected the files of a transformers model")
    digest = blake2b(scheme.encode(), digest_size=6)
    settings = sorted({path for pattern in SETTINGS for path in folder.glob(pattern)})
    try:
        for path in [*settings, *weights]:
            digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
            _add(digest, path)
    except OSError as error:
        raise ConfigError(f"model {folder}: cannot be read ({error.strerror}: {error.filename})") from None
    return digest.hexdigest()


def fingerprint_file(path: Path, scheme: str) -> str:
    """Return 12 hexadecimal digits that stand for a model in one file, wherever it lies and whatever it is called.

    Of a file above 200 MB the beginning, where everything but the weights stands, and 256 blocks of 64 KB are read.

    Args:
        path: the file.
        scheme: version of the code that turns weights into answers; part of the fingerprint.

    Raises:
        ConfigError: it cannot be read.
    """
    digest = blake2b(scheme.encode(), digest_size=6)
    try:
        digest.update(f"\0{path.stat().st_size}\0".encode())
        _add(digest, path)
    except OSError as error:
        raise ConfigError(f"model {path}: cannot be read ({error.strerror}: {error.filename})") from None
    return digest.hexdigest()


def import_package(name: str) -> None:
    """Import a package that a model in this process needs.

    Raises:
        ConfigError: it is there, but cannot be imported.
    """
    try:
        import_module(name)
    # Whatever a package raises that does not fit this machine: missing parts, libraries of the system, other versions.
    except Exception as error:
        raise ConfigError(
            f"{name} cannot be imported ({said_by(error)}), expected it for a local model; pip install {name}"
        ) from None


def said_by(error: Exception) -> str:
    """Return what a library's error says, one line of at most 300 characters."""
    return (f"{type(error).__name__}: " + " ".join(str(error).split()))[:300]


def read_context(folder: Path) -> int | None:
    """Return how many tokens a model reads and writes in one call, as its ``config.json`` says; None where it does not say."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        found = config.get("text_config", config).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _add(digest: blake2b, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return
        for place in range(PLACES):
            file.seek(place * (size - PLACE_BYTES) // (PLACES - 1))
            digest.update(file.read(PLACE_BYTES))
