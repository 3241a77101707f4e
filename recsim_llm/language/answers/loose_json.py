"""A parser of nearly-JSON: comments, trailing commas, single quotes, bare keys, Python's constants, percent signs.

It accepts what has one meaning and nothing else; time and depth are bounded whatever the text is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable

__all__ = ["CONTRADICTION", "find_values", "parse"]

CONTRADICTION = "\0contradiction"
"""Stands for the value of a name that an object gives twice with different values."""

_DEEPEST = 24
_MOST_ATTEMPTS = 64
_SKIPPED = re.compile(r"(?:\s++|//[^\n]*+|#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_STRINGS = {
    quote: re.compile(rf"(?:[^{end}\\]++|\\.)*+{end}", re.DOTALL)
    for quote, end in (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"))
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?(?![\w.])(\s?%)?")
_OPENING = re.compile(r"[{\[]")
_NAME = re.compile(r"[A-Za-z0-9_][\w-]*+")
_CONSTANT = re.compile(r"[+-]?[A-Za-z]+\b")
_CONSTANTS: dict[str, object] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
    "NaN": math.nan,
    "nan": math.nan,
    "Infinity": math.inf,
    "+Infinity": math.inf,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "-inf": -math.inf,
}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class _UnparsableError(Exception):
    """The text is no value."""


class _EndedError(_UnparsableError):
    """The text ended inside a value."""


def _object(members: Iterable[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, value in members:
        made[name] = value if name not in made or made[name] == value else CONTRADICTION
    return made


_STRICT = json.JSONDecoder(object_pairs_hook=_object)


def parse(text: str) -> object:
    """Return the value of a text that is strict JSON and nothing else; None for any other text."""
    try:
        return _STRICT.decode(text)
    except (ValueError, RecursionError):
        return None


def find_values(text: str) -> tuple[list[object], bool]:
    """Return the objects and arrays in a text, in order, and whether it ends inside an object.

    At most 64 places where one could begin are tried.
    """
    values: list[object] = []
    place = 0
    for _ in range(_MOST_ATTEMPTS):
        begin = _OPENING.search(text, place)
        if begin is None:
            break
        parser = _Parser(text, begin.start())
        try:
            values.append(parser.value(0))
            place = parser.place
        except _EndedError:
            if begin[0] == "{":
                return values, True
            place = begin.end()
        except _UnparsableError:
            place = begin.end()
    return values, False


class _Parser:
    """Reads values from ``place`` on and moves it behind them."""

    def __init__(self, text: str, place: int) -> None:
        self.text, self.place = text, place

    def value(self, depth: int) -> object:
        if depth > _DEEPEST:
            raise _UnparsableError
        mark = self._next()
        if mark == "{":
            return self._members(depth)
        if mark == "[":
            return self._elements(depth)
        if mark in _STRINGS:
            return self._string(mark)
        return self._number_or_constant()

    def _next(self) -> str:
        """Skip blanks and comments; return the character that follows."""
        self.place = _SKIPPED.match(self.text, self.place).end()  # type: ignore[union-attr]
        if self.place >= len(self.text):
            raise _EndedError
        return self.text[self.place]

    def _members(self, depth: int) -> dict[str, object]:
        members = []
        self.place += 1
        while (mark := self._next()) != "}":
            name = self._string(mark) if mark in _STRINGS else self._name()
            if self._next() != ":":
                raise _UnparsableError
            self.place += 1
            members.append((name, self.value(depth + 1)))
            self._comma("}")
        self.place += 1
        return _object(members)

    def _elements(self, depth: int) -> list[object]:
        elements = []
        self.place += 1
        while self._next() != "]":
            elements.append(self.value(depth + 1))
            self._comma("]")
        self.place += 1
        return elements

    def _comma(self, closing: str) -> None:
        mark = self._next()
        if mark == ",":
            self.place += 1
        elif mark != closing:
            raise _UnparsableError

    def _name(self) -> str:
        name = _NAME.match(self.text, self.place)
        if name is None:
            raise _UnparsableError
        self.place = name.end()
        return name[0]

    def _string(self, quote: str) -> str:
        string = _STRINGS[quote].match(self.text, self.place + 1)
        if string is None:
            raise _EndedError
        self.place = string.end()
        return _whole(_ESCAPE.sub(_unescape, string[0][:-1]))

    def _number_or_constant(self) -> object:
        number = _NUMBER.match(self.text, self.place)
        if number is not None:
            self.place = number.end()
            if number[1]:
                return number[0]
            return int(number[0]) if number[0].lstrip("+-").isdigit() else float(number[0])
        constant = _CONSTANT.match(self.text, self.place)
        if constant is None or constant[0] not in _CONSTANTS:
            cut = constant is not None and constant.end() == len(self.text)
            raise _EndedError if cut else _UnparsableError
        self.place = constant.end()
        return _CONSTANTS[constant[0]]


def _whole(text: str) -> str:
    """Return a text whose pairs of halves of characters are one; lone halves, which UTF-8 cannot carry, are replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _ESCAPED.get(escape[2], escape[2])
