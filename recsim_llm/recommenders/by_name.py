"""From a name and plain settings to a recommender: what a scenario, the command line and other recommenders build with."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError, RecSimError
from recsim_llm.recommenders.base import Recommender
from recsim_llm.registry import resolve

__all__ = ["open_recommender"]


def open_recommender(name: str, settings: Mapping[str, Any] | None = None, *, source: str = "") -> Recommender:
    """Return a new recommender, not yet fitted.

    A class with an attribute ``Settings``, a subclass of ``recsim_llm.recommenders.FrozenSettings``, declares what it takes:
    the settings are checked against it, and the constructor gets one such object. Any other class or factory gets them as
    keyword arguments.

    Args:
        name: a shipped name, an installed one, or ``module:attribute``.
        settings: by name; None for the defaults.
        source: what the error text begins with; ``recommender 'NAME'`` where not given.

    Raises:
        ConfigError: there is none of that name, or it does not take these settings.
    """
    kind, values, source = resolve("recommenders", name), dict(settings or {}), source or f"recommender {name!r}"
    declared = getattr(kind, "Settings", None)
    checked = declared.read(values, source) if isinstance(declared, type) and issubclass(declared, FrozenSettings) else None
    try:
        made: Recommender = kind(**values) if checked is None else kind(checked)
    except RecSimError:
        raise
    except (TypeError, ValueError) as error:
        if checked is None and not signature(kind).parameters:
            raise ConfigError(
                f"{source}: got settings {values}, expected none, since it has nothing to set; leave them out"
            ) from error
        raise ConfigError(f"{source}: got settings {values}, expected what it takes: {error}") from error
    return made
