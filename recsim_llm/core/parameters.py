"""What the settings of every model have in common: names that are known, and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from math import isfinite
from typing import Any

from recsim_llm.errors import ConfigError, one_of

__all__ = ["field_names", "is_number", "refuse_unknown_names"]


def field_names(kind: type[Any]) -> list[str]:
    """Return the names of a dataclass's fields, in their order."""
    return [field.name for field in fields(kind)]


def refuse_unknown_names(what: str, names: Iterable[str], known: Sequence[str]) -> None:
    """See to it that every name is known.

    Args:
        what: begins the error's text, for instance ``choice parameter``.
        names: as somebody wrote them.
        known: the names that there are, in the order in which the error lists them.

    Raises:
        ConfigError: one is unknown.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"{what}: got {name!r}, expected {one_of(name, known)}")


def is_number(value: object) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
