"""Settings as plain values: what a manifest can hold, so that a run that goes on has the settings that it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from pydantic_core import PydanticCustomError

from recsim_llm.errors import ConfigError

__all__ = ["Place", "refuse_flag", "refuse_other_values", "refuse_unnamed"]

Place = tuple[int | str, ...]
"""Where a setting stands: keys and numbers of list entries, from the outside in."""

_HALF = "half a character, expected whole ones; write the character itself, or the escape of both halves"


def refuse_flag(value: Any) -> Any:
    """Return a value, but see to it that ``visits: yes`` is no number; true would count as 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a truth value")
    return value


def refuse_unnamed(value: Any, source_of: Callable[[Place], str], place: Place = ()) -> None:
    """See to it that every key is a text; YAML takes ``on`` and ``yes`` for true, and digits for a number.

    Args:
        value: mappings, lists and values in each other.
        source_of: says how the error's text begins, by the place that it is about.
        place: where the value stands.

    Raises:
        ConfigError: a key is something else; names the first.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                where = f"{_dotted(place)}: " if place else ""
                raise ConfigError(f"{source_of(place)}: {where}got key {key!r}, expected a name; put it in quotes if it is one")
            if _is_broken(key):
                raise ConfigError(f"{source_of(place)}: got key {key!r}, which has {_HALF}")
            refuse_unnamed(inner, source_of, (*place, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            refuse_unnamed(inner, source_of, (*place, number))


def refuse_other_values(value: Any, source_of: Callable[[Place], str], place: Place = ()) -> None:
    """See to it that every value is one that JSON gives back: text, a finite number within 64 bits, true, false or null.

    Args:
        value: mappings, lists and values in each other.
        source_of: says how the error's text begins, by the place that it is about.
        place: where the value stands.

    Raises:
        ConfigError: a value is something else, for instance a date; names the first.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            refuse_other_values(inner, source_of, (*place, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            refuse_other_values(inner, source_of, (*place, number))
    elif (fault := _fault(value)) is not None:
        raise ConfigError(f"{source_of(place)}: {_dotted(place)}: {fault}")


def _fault(value: Any) -> str | None:
    """Say why a value cannot be held; None where it can."""
    if isinstance(value, int):
        fits = -(2**63) <= value < 2**63
        got = f"a whole number of {value.bit_length()} bits"
        return None if fits else f"got {got}, expected one within 64 bits, or a text in quotes"
    if isinstance(value, float):
        return None if isfinite(value) else f"got {value}, expected a finite number"
    if isinstance(value, str):
        return f"got a text with {_HALF}" if _is_broken(value) else None
    if value is None:
        return None
    got = f"{' '.join(str(value).split()):.60} ({type(value).__name__})"
    return f"got {got}, expected text, a number, true, false or null; quote what is text"


def _is_broken(text: str) -> bool:
    """Tell whether a text cannot be written, since it holds half of a pair that YAML's and JSON's escapes spell."""
    return any("\ud800" <= mark <= "\udfff" for mark in text)


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
