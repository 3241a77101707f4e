"""Columns and settings as callers give them, checked before anything is computed.

A value that cannot be meant is refused with its place, never cut, rounded or read as another: 3.7 is no id, a text is no
number, and a column of another length is not stretched.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.errors import ConfigError, DataError

__all__ = [
    "as_column",
    "as_flags",
    "as_labels",
    "as_numbers",
    "as_places",
    "as_texts",
    "as_whole_numbers",
    "check_choice",
    "check_number",
    "check_whole_number",
]

Shape = tuple[int | str | EllipsisType, ...]
"""Lengths of the axes; a word names an axis of any length, ``...`` at the front stands for any axes before the others."""

_ANOTHER = "give another"
_EXACT = 2.0**53
_LONGEST = 60
_WHOLE_OTHERWISE = {
    "b": "give the numbers themselves, not a mask",
    "M": "write seconds since 1970, by times.astype('datetime64[s]').astype('int64')",
}
"""By kind of NumPy's types: what to do about values that have whole numbers behind them."""
_LEAVE_OUT = "leave such rows out"
_NUMBER_THEM = "number texts first, for instance by numpy.unique(ids, return_inverse=True)"
_NO_FRACTION = "leave out what is unknown, and do not cut or round"


def as_numbers(
    name: str,
    values: npt.ArrayLike,
    shape: Shape,
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    unknown: bool = False,
    fewest: int = 0,
) -> DoubleArray:
    """Return the values as float64.

    Args:
        name: what they are, for the error's text.
        values: of any form that NumPy reads as numbers.
        shape: that they must have.
        bounds: least and greatest that a value may be.
        unknown: let NaN stand for unknown; infinite values are refused in any case.
        fewest: entries along the first axis that are needed.

    Raises:
        DataError: the shape is another, or a value is no number, not finite, or out of bounds.
    """
    array = _read(name, values, "numbers")
    _check_shape(name, array, shape, fewest)
    if array.dtype == object:
        _refuse(name, array, ~_each(array, numbers.Real), "numbers", "write NaN for unknown" if unknown else _LEAVE_OUT)
    elif array.dtype.kind not in "biuf":
        _refuse(name, array, np.ones(array.shape, np.bool_), "numbers", "turn texts and dates into numbers first")
    found = array.astype(np.float64, copy=False)
    wrong = ~np.isfinite(found) & ~(np.isnan(found) & unknown)
    _refuse(name, found, wrong, "finite numbers", "write NaN for unknown" if unknown else _LEAVE_OUT)
    low, high = bounds
    if low > -np.inf or high < np.inf:
        expected = f"at least {low:g}" if high == np.inf else f"at most {high:g}" if low == -np.inf else f"{low:g} to {high:g}"
        _refuse(name, found, (found < low) | (found > high), expected, "check where it comes from")
    return found


def as_whole_numbers(name: str, values: npt.ArrayLike, shape: Shape, *, least: int | None = None, fewest: int = 0) -> IntArray:
    """Return the values as int64: ids, places, counts.

    Args:
        name: what they are, for the error's text.
        values: whole numbers, also as floats without a fraction (3.0).
        shape: that they must have.
        least: smallest that a value may be; None for any.
        fewest: entries along the first axis that are needed.

    Raises:
        DataError: the shape is another, or a value has a fraction, is no number or too large for 64 bits, or is too small.
    """
    array = _read(name, values, "whole numbers")
    _check_shape(name, array, shape, fewest)
    expected = "whole numbers" if least is None else f"whole numbers, {least} or more"
    if array.dtype == object:
        _refuse(name, array, ~_each(array, numbers.Real), expected, _NUMBER_THEM)
        exact = [value == value and abs(value) < 2**63 and value == int(value) for value in array.flat]
        _refuse(name, array, ~np.array(exact, np.bool_).reshape(array.shape), expected, _NO_FRACTION)
    elif array.dtype.kind == "f":
        # Beyond 2**53 a float skips whole numbers, so that two ids may have become one.
        fits = np.isfinite(array) & (np.abs(array) <= _EXACT)
        _refuse(name, array, ~fits | (np.where(fits, array, 0.0) % 1.0 != 0.0), expected, _NO_FRACTION)
    elif array.dtype.kind == "u":
        _refuse(name, array, array > np.uint64(2**63 - 1), f"{expected}, below 2**63", _NO_FRACTION)
    elif array.dtype.kind != "i":
        remedy = _WHOLE_OTHERWISE.get(array.dtype.kind, _NUMBER_THEM)
        _refuse(name, array, np.ones(array.shape, np.bool_), expected, remedy)
    found = array.astype(np.int64, copy=False)
    if least is not None:
        _refuse(name, found, found < least, expected, "check where it comes from")
    return found


def as_places(name: str, values: npt.ArrayLike, shape: Shape, size: int, *, blank: bool = True) -> IntArray:
    """Return positions among ``size`` items as int64; -1 for none where ``blank`` is set.

    Raises:
        DataError: the shape is another, or a value is no such position.
    """
    places = as_whole_numbers(name, values, shape, least=-1 if blank else 0)
    _refuse(
        name, places, places >= size, f"positions below {size}", "give positions in the catalog, not ids (Catalog.index_of)"
    )
    return places


def as_flags(name: str, values: npt.ArrayLike, shape: Shape) -> BoolArray:
    """Return the values as bool: True and False, or 1 and 0.

    Raises:
        DataError: the shape is another, or a value is something else.
    """
    array = _read(name, values, "True or False")
    _check_shape(name, array, shape, 0)
    if array.dtype.kind != "b" and array.size:
        known = array.dtype.kind in "iufO"
        _refuse(
            name, array, ~np.isin(array, (0, 1)) if known else np.ones(array.shape, np.bool_), "True or False", "1 and 0 do"
        )
    return array.astype(np.bool_, copy=False)


def as_labels(name: str, values: npt.ArrayLike, shape: Shape) -> npt.NDArray[Any]:
    """Return labels that can be sorted: texts, or numbers without NaN.

    Raises:
        DataError: the shape is another, or a label is unknown or of another kind than the others.
    """
    array = _read(name, values, "labels")
    _check_shape(name, array, shape, 0)
    remedy = "name a group for what is unknown"
    if array.dtype == object:
        texts = _each(array, str)
        _refuse(name, array, ~texts if texts.any() else ~_each(array, numbers.Real), "labels of one kind", remedy)
        array = array.astype(str) if texts.any() else array.astype(np.float64)
    if array.dtype.kind == "f":
        _refuse(name, array, np.isnan(array), "labels", remedy)
    return array


def as_column(name: str, values: npt.ArrayLike, shape: Shape) -> npt.NDArray[Any]:
    """Return the values as an array of whatever they are.

    Raises:
        DataError: the shape is another.
    """
    array = _read(name, values, "a column")
    _check_shape(name, array, shape, 0)
    return array


def as_texts(name: str, values: Sequence[str | None] | TextArray, shape: Shape, *, unknown: bool = False) -> TextArray:
    """Return the values as an array of str objects; with ``unknown`` None stands for what is unknown.

    Raises:
        DataError: it is a single text, the shape is another, or an entry is no text.
    """
    if isinstance(values, str):
        raise DataError(f"{name}: got a single text, expected one for each; give a list of texts")
    array = _read(name, cast(Any, values), "texts").astype(object)
    _check_shape(name, array, shape, 0)
    wrong = ~_each(array, str)
    if unknown:
        wrong &= np.array([value is not None for value in array.flat], np.bool_).reshape(array.shape)
    _refuse(name, array, wrong, "texts" + (", or None for unknown" if unknown else ""), "write what it is called")
    return array


def check_choice(name: str, value: object, choices: Iterable[str], *, remedy: str = _ANOTHER) -> None:
    """Check that a setting is one of some words.

    Raises:
        ConfigError: it is not.
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name}: got {value!r}, expected {' or '.join(map(repr, known))}; {remedy}")


def check_number(name: str, value: float, *, above: float = -np.inf, below: float = np.inf, remedy: str = _ANOTHER) -> None:
    """Check that a setting is a number strictly within two limits.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not above < value < below:
        limits = [f"above {above:g}"] if above > -np.inf else []
        limits += [f"below {below:g}"] if below < np.inf else []
        raise ConfigError(f"{name}: got {value!r}, expected a number {' and '.join(limits) or 'that is finite'}; {remedy}")


def check_whole_number(name: str, value: int, *, least: int, remedy: str = _ANOTHER) -> None:
    """Check that a setting is a whole number, and not too small.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(f"{name}: got {value!r}, expected a whole number, {least} or more; {remedy}")


def _read(name: str, values: Any, expected: str) -> npt.NDArray[Any]:
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise DataError(f"{name}: got masked entries, expected {expected} without a mask; leave such rows out")
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{name}: got rows of different lengths, expected {expected}; give every row as many entries"
        ) from error


def _check_shape(name: str, array: npt.NDArray[Any], shape: Shape, fewest: int) -> None:
    named = shape[1:] if shape[:1] == (...,) else shape
    own = array.shape[len(array.shape) - len(named) :] if named != shape else array.shape
    fits = len(own) == len(named) and all(
        isinstance(wanted, str) or length == wanted for length, wanted in zip(own, named, strict=True)
    )
    if not fits:
        expected = ", ".join("..." if axis is ... else str(axis) for axis in shape)
        remedy = "wrap a single row or column" if array.ndim < len(shape) else "give one entry for each"
        raise DataError(f"{name}: got shape {array.shape}, expected [{expected}]; {remedy}")
    if fewest and len(array) < fewest:
        raise DataError(f"{name}: got {len(array)} entries, expected {fewest} or more; give more")


def _each(array: npt.NDArray[Any], kind: type) -> BoolArray:
    fits = [isinstance(value, kind) and not isinstance(value, bool | np.bool_) for value in array.flat]
    return np.array(fits, np.bool_).reshape(array.shape)


def _refuse(name: str, array: npt.NDArray[Any], wrong: BoolArray, *words: str) -> None:
    """Refuse the first wrong entry; the words are what was expected, and what to do."""
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        value = array[tuple(place)]
        shown = repr(value.item() if isinstance(value, np.generic) else value)
        shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."
        expected, remedy = words
        raise DataError(f"{name}: got {shown} at {place[0] if len(place) == 1 else place}, expected {expected}; {remedy}")
