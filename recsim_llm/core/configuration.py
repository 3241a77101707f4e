"""Settings that are declared once: typed, frozen, and refused in words that name key, value and remedy."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from recsim_llm.errors import ConfigError, one_of

__all__ = ["FrozenSettings", "config_error", "first_fault"]

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
_BOUNDS = {
    "ge": "of at least",
    "gt": "above",
    "le": "of at most",
    "lt": "below",
    "min_length": "of length at least",
    "max_length": "of length at most",
    "pattern": "that matches",
}


_SHOWN_CHARACTERS = 200


class FrozenSettings(BaseModel):
    """Settings of one thing, by keyword; subclasses declare the fields, with a line on meaning, unit and range under each.

    An unknown key is an error, and so is a value of another type: nothing is converted, but for whole numbers where any number
    will do. Settings compare by value, go to plain values with ``model_dump`` and come back with ``read``.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or is out of range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}
        try:
            super().__init__(**plain)
        except ValidationError as error:
            raise config_error(error, type(self)) from error

    @classmethod
    def read(cls, values: Mapping[str, Any], source: str) -> Self:
        """Return the settings that plain values stand for, as a YAML file or a manifest holds them.

        Args:
            values: by name; what is missing keeps its default.
            source: what they belong to, for the error text: ``recommender 'mf'``.

        Raises:
            ConfigError: as the constructor; the text begins with the source.
        """
        try:
            return cls(**{str(key): value for key, value in values.items()})
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error

    @classmethod
    def given(cls, settings: Self | None) -> Self:
        """Return the settings that a constructor was given, the defaults where it was given none.

        Raises:
            ConfigError: it was given something else.
        """
        if settings is None:
            return cls()
        if not isinstance(settings, cls):
            owner = cls.__qualname__.removesuffix(".Settings")
            raise ConfigError(f"{owner}: got {settings!r}, expected {owner}({cls.__qualname__}(…)), with settings by name")
        return settings


def config_error(error: ValidationError, model: type[BaseModel], source: str = "") -> ConfigError:
    """Say what is wrong with settings, as got, expected and nearest key; one fault only.

    It is the one that ``first_fault`` finds. A validator's own words stand as they are: "expected …" after what was got, or
    "got …, expected …" where the value itself must not be shown.

    Args:
        error: what pydantic found.
        model: the settings' type.
        source: what the text begins with; empty for nothing.
    """
    fault = first_fault(error)
    before = f"{source}: " if source else ""
    if fault["loc"][-1:] == ("[key]",):
        place = _place(model, fault["loc"][:-2])[2]
        return ConfigError(f"{before}{place}: got key {fault['input']!r}, expected a name; put it in quotes if it is one")
    annotation, metadata, place = _place(model, fault["loc"])
    if fault["type"] == "extra_forbidden":
        return ConfigError(f"{before}got unknown key {place!r}, expected {_one_of(annotation, str(fault['loc'][-1]))}")
    got = "nothing" if fault["type"] == "missing" else _shown(fault["input"])
    said = fault.get("ctx", {}).get("error")
    kind = "a finite number" if fault["type"] == "finite_number" else _expected(annotation, metadata)
    expected = f"expected {kind}" if said is None else str(said)
    if not place:
        return ConfigError(f"{before}{expected}")  # it is about all of them, which would say nothing
    if expected.startswith("got "):
        return ConfigError(f"{before}{place}: {expected}")
    return ConfigError(f"{before}{place}: got {got}, {expected}")


def first_fault(error: ValidationError) -> ErrorDetails:
    """Return the fault to tell: the first, but for a key that is missing since it was misspelt, where it is the unknown key.

    A fault inside settings that are part of others has the whole place.
    """
    faults = error.errors(include_url=False)
    unknown = [fault for fault in faults if fault["type"] == "extra_forbidden"]
    fault = unknown[0] if unknown and faults[0]["type"] == "missing" else faults[0]
    # The constructor of ``FrozenSettings`` has made an error of its own of what was found inside.
    inside = getattr(fault.get("ctx", {}).get("error"), "__cause__", None)
    if not isinstance(inside, ValidationError):
        return fault
    told = first_fault(inside)
    return {**told, "loc": (*fault["loc"], *told["loc"])}


def _shown(value: object) -> str:
    """Return a value as a text shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _one_of(annotation: Any, key: str) -> str:
    known = _keys(annotation)
    if not known:
        return "no keys here"
    return one_of(key, known)


def _keys(annotation: Any) -> tuple[str, ...]:
    return tuple(annotation.model_fields) if _is_model(annotation) else ()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _place(model: type[BaseModel], location: Collection[int | str]) -> tuple[Any, Collection[Any], str]:
    """Follow a fault's place through the types: what stands there, its bounds, and the place as a dotted key.

    What pydantic adds to a place to tell the members of a union apart is no part of the key.
    """
    annotation, metadata, keys = model, (), list[str]()
    for part in location:
        inner = _inner(annotation, part)
        if inner is None and (chosen := _named_member(annotation, part)) is not None:
            annotation, metadata = chosen, ()
            continue
        if inner is None and (part != list(location)[-1] or not _is_model(_single(annotation))):
            continue
        keys.append(str(part))
        annotation, metadata = inner if inner is not None else (_single(annotation), ())
    return annotation, metadata, ".".join(keys)


def _named_member(annotation: Any, part: int | str) -> Any:
    """Return the settings among the members of a union that pydantic names so, bare or with their checks; None for none."""
    models = [member for member in _members(annotation) if _is_model(member)]
    named = [model for model in models if re.search(rf"\b{model.__name__}\b", str(part))]
    return named[0] if len(_members(annotation)) > 1 and named else None


def _single(annotation: Any) -> Any:
    """Return what a type is besides None and its bounds."""
    if get_origin(annotation) is Annotated:
        return _single(get_args(annotation)[0])
    members = [member for member in _members(annotation) if member is not type(None)]
    return members[0] if len(members) == 1 else annotation


def _inner(annotation: Any, part: int | str) -> tuple[Any, Any] | None:
    annotation = _single(annotation)
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return None if field is None else (field.annotation, field.metadata)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping | Collection) and arguments:
        return arguments[1 if issubclass(origin, Mapping) else 0], ()
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _expected(annotation: Any, metadata: Collection[Any]) -> str:
    """Say in words what a field takes: its type and its bounds."""
    return " or ".join(
        _kind(member) + (_bounds(metadata) if member is not type(None) else "") for member in _members(annotation)
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        inner, *around = get_args(annotation)
        return _expected(inner, [bound for one in around for bound in getattr(one, "metadata", [one])])
    if get_origin(annotation) is Literal:
        values = ", ".join(str(value) for value in get_args(annotation))
        return values if len(get_args(annotation)) == 1 else f"one of {values}"
    if annotation in _WORDS:
        return _WORDS[annotation]
    if _is_model(annotation):
        return f"settings by name: {', '.join(_keys(annotation))}"
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "settings by name"
    return "a list" if isinstance(origin, type) and issubclass(origin, Collection) else "another value"


def _bounds(metadata: Collection[Any]) -> str:
    found = {name: getattr(bound, name) for bound in metadata for name in _BOUNDS if hasattr(bound, name)}
    if "ge" in found and "le" in found:
        return f" from {found['ge']} to {found['le']}"
    text = " and ".join(f"{_BOUNDS[name]} {bound}" for name, bound in found.items())
    return f" {text}" if text else ""
