"""The small models that packages bring, where they are installed; tests of those that are not skip and say how to get them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from recsim_llm.errors import RecSimError
from recsim_llm.language.backends.packaged_models import find_gguf

NEEDED = {"llamacpp": ("xllamacpp",), "transformers": ("transformers", "torch", "llguidance", "gguf")}


def need_model(name: str) -> None:
    """Skip unless a model such as ``llamacpp/smollm2`` can be opened here."""
    provider, _, model = name.partition("/")
    missing = [package for package in NEEDED[provider] if find_spec(package) is None]
    if missing:
        pytest.skip(f"{name} needs {', '.join(missing)}: pip install {' '.join(missing)}")
    try:
        find_gguf(model)
    except RecSimError as error:
        pytest.skip(str(error))


@contextmanager
def shared_cache(factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep probes, models that were put together or converted, and fits in one folder for all modules of a session.

    Each worker of a session has a folder of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(factory.getbasetemp() / "small_models_cache"))
        yield
