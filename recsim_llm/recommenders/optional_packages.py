"""Packages that only some recommenders need: imported when one of these is built."""

from __future__ import annotations

import importlib
from typing import Any

from recsim_llm.errors import ConfigError

__all__ = ["import_for"]


def import_for(recommender: str, module: str, extra: str = "recommenders") -> Any:
    """Return a module of a package that an extra installs.

    Args:
        recommender: who needs it, for the error text.
        module: its full name.
        extra: what installs it.

    Raises:
        ConfigError: the package is not installed, or another that it needs.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = (error.name or module).partition(".")[0]
        raise ConfigError(
            f"{recommender}: got no package {package!r}, expected it installed, as the extra {extra!r} does; run "
            f"pip install '.[{extra}]' in the project's folder, or pip install {module.partition('.')[0]}"
        ) from error
