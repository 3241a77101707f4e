"""A first scenario file: commented, and running as it stands."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import ConfigError, RunExistsError

__all__ = ["write_scenario"]

_NAME = re.compile(r"[\w.-]+")
_PLACE = "NAME"


def write_scenario(place: Path) -> Path:
    """Write a scenario file.

    Args:
        place: its path, with ``.yaml`` or without; the last part is the scenario's name: letters, digits, dots, dashes.

    Returns:
        Path of the file.

    Raises:
        ConfigError: the name is none that a scenario can have, or its folder does not exist.
        RunExistsError: the file is there already.
    """
    name = place.name.removesuffix(".yaml")
    if not _NAME.fullmatch(name) or not name.strip("."):
        raise ConfigError(f"new scenario: got the name {name!r}, expected letters, digits, dots and dashes; choose another")
    path = place.with_name(f"{name}.yaml")
    if not path.parent.is_dir():
        raise ConfigError(f"new scenario: got {path.parent}, expected a folder that exists; make it first")
    if path.exists() or path.is_symlink():
        raise RunExistsError(f"new scenario: got {path}, which exists, expected a new file; choose another name")
    text = (files("recsim_llm.scenarios") / "starter" / "scenario.yaml").read_text(encoding="utf-8")
    write_atomically(path, text.replace(_PLACE, name).encode())
    return path
