"""Names of things that are imported when they are used: user models and recommenders that plug in, and the faces of rooms.

A name that plugs in is looked up among the shipped ones, then among installed entry points, and may also be a dotted path
``module:attribute``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from recsim_llm.errors import ConfigError

__all__ = ["SHIPPED", "lazy_names", "names", "resolve"]


SHIPPED: dict[str, dict[str, str]] = {
    "users": {
        "choice": "recsim_llm.agents.worlds:choice_world",
        "language": "recsim_llm.agents.worlds:language_world",
        "cascade": "recsim_llm.agents.worlds:cascade_world",
        "replay": "recsim_llm.agents.worlds:replay_world",
    },
    "recommenders": {
        "random": "recsim_llm.recommenders:RandomRecommender",
        "popularity": "recsim_llm.recommenders:Popularity",
        "item-knn": "recsim_llm.recommenders:ItemKNN",
        "mf": "recsim_llm.recommenders:MatrixFactorization",
        "linucb": "recsim_llm.recommenders:LinUCB",
        "softmax": "recsim_llm.recommenders:Softmax",
        "oracle": "recsim_llm.recommenders:Oracle",
        "language": "recsim_llm.recommenders:LanguageRanker",
    },
}
"""Shipped plug-ins by kind and name."""


def names(kind: str) -> list[str]:
    """Return every known name of a kind (``users`` or ``recommenders``), shipped ones first."""
    return [*SHIPPED[kind], *(point.name for point in entry_points(group=f"recsim_llm.{kind}"))]


def resolve(kind: str, name: str) -> Any:
    """Return the class or factory of a name.

    Args:
        kind: ``users`` or ``recommenders``.
        name: a shipped name, an entry point's name, or ``module:attribute``.

    Raises:
        ConfigError: nothing has that name, or the module or attribute is missing.
    """
    path = SHIPPED[kind].get(name, name)
    if ":" not in path:
        for point in entry_points(group=f"recsim_llm.{kind}", name=name):
            return point.load()
        raise ConfigError(f"{kind}: got {name!r}, expected one of {', '.join(names(kind))} or module:attribute")
    module, attribute = path.split(":", 1)
    if not module or module.startswith("."):
        raise ConfigError(f"{kind}: got {name!r}, expected module:attribute, with the module's full name")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{kind} {name!r}: got {error}, expected an importable module:attribute") from error


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names are imported when they are first asked for.

    Args:
        package: its full name.
        homes: public names, and the modules below the package that have them.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, listed
