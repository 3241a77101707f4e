"""Settings as plain values: what a manifest can hold, so that a run that goes on has the settings that it began with."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic_core import PydanticCustomError

from recsim_llm.errors import ConfigError

__all__ = ["refuse_flag", "refuse_other_values", "refuse_unnamed"]


def refuse_flag(value: Any) -> Any:
    """Return a value, but see to it that ``visits: yes`` is no number; true would count as 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a truth value")
    return value


def refuse_unnamed(value: Any, source: str, place: str = "") -> None:
    """See to it that every key is a text; YAML takes ``on`` and ``yes`` for true, and digits for a number.

    Args:
        value: mappings, lists and values in each other.
        source: begins the error's text.
        place: where the value stands, as a dotted key.

    Raises:
        ConfigError: a key is something else; names the first.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                where = f"{place}: " if place else ""
                raise ConfigError(f"{source}: {where}got key {key!r}, expected a name; put it in quotes if it is one")
            refuse_unnamed(inner, source, _inside(place, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            refuse_unnamed(inner, source, _inside(place, number))


def refuse_other_values(value: Any, source: str, place: str = "") -> None:
    """See to it that every value is one that JSON gives back: text, a finite number within 64 bits, true, false or null.

    Args:
        value: mappings, lists and values in each other.
        source: begins the error's text.
        place: where the value stands, as a dotted key.

    Raises:
        ConfigError: a value is something else, for instance a date; names the first.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            refuse_other_values(inner, source, _inside(place, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            refuse_other_values(inner, source, _inside(place, number))
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            got = f"a whole number of {value.bit_length()} bits"
            raise ConfigError(f"{source}: {place}: got {got}, expected one within 64 bits, or a text in quotes")
    elif isinstance(value, float):
        if not isfinite(value):
            raise ConfigError(f"{source}: {place}: got {value}, expected a finite number")
    elif not isinstance(value, str | None):
        got = f"{' '.join(str(value).split()):.60} ({type(value).__name__})"
        raise ConfigError(f"{source}: {place}: got {got}, expected text, a number, true, false or null; quote what is text")


def _inside(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)
