"""The filter of the tool ``select``: a small language over the catalog's columns, read by a parser of its own.

    filter  = clause { "or" clause }
    clause  = term { "and" term }
    term    = "not" term | "(" filter ")" | "retired" | test
    test    = column operator value | column "in" "(" value { "," value } ")"

Columns of words are ``genre``, ``title``, ``description`` and ``provider`` (``=``, ``!=``, ``contains``), those of numbers
``id``, ``year``, ``popularity`` and ``price`` (``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``). Words stand in quotes and are
compared without regard to case. An item meets no test of a column in which it has nothing, such as an unknown year. Nothing of
a filter is ever run as code, and its length and depth are bounded.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ToolError, one_of
from recsim_llm.language.base.safe_text import safe_text

__all__ = ["COLUMNS", "LONGEST", "select_items"]

LONGEST = 500
"""Most characters of a filter."""
_DEEPEST = 16
_MOST_VALUES = 50
_SHOWN = 60

COLUMNS = {
    "genre": "words",
    "title": "words",
    "description": "words",
    "provider": "words",
    "id": "numbers",
    "year": "numbers",
    "popularity": "numbers",
    "price": "numbers",
}
"""Columns that a filter can name, and what they hold; ``retired`` stands alone."""

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]+)|(?P<number>-?\d{1,18}(?:\.\d{1,9})?(?![\w.]))|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<sign><=|>=|!=|<>|==|[=<>(),]))"
)
_BEGINS_NUMBER = re.compile(r"-?\d[\w.]*")
_SIGNS: dict[str, Callable[[npt.NDArray[np.float64], float], BoolArray]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ALIKE = {"==": "=", "<>": "!="}
_WORDS = ("=", "!=", "contains")


def select_items(catalog: Catalog, text: str) -> BoolArray:
    """Return bool [n]: which items of the catalog meet a filter, retired ones among them.

    Args:
        catalog: the items.
        text: ``genre = 'Drama' and year >= 1990 and not retired``.

    Raises:
        ToolError: the filter cannot be read; the text says where, and what was expected.
    """
    if len(text) > LONGEST:
        raise _wrong(f"a filter of {len(text)} characters", f"at most {LONGEST}; ask for less at once")
    return _Reader(catalog, _tokens(text)).whole()


class _Token(NamedTuple):
    kind: str
    """``word``, ``number``, ``text``, ``sign`` or ``end``."""
    text: str
    """As it stands there, texts without quotes."""


def _tokens(text: str) -> list[_Token]:
    tokens, place = list[_Token](), 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            rest = text[place:].lstrip()
            number = _BEGINS_NUMBER.match(rest)
            if number:
                raise _wrong(_quoted(number[0]), "a number of at most 18 digits before the point and 9 behind it, such as 12.5")
            raise _wrong(_quoted(rest), "a column, a sign, a number or words in quotes")
        kind = str(found.lastgroup)
        tokens.append(_Token(kind, _plain(kind, found[kind])))
        place = found.end()
    return [*tokens, _Token("end", "")]


def _plain(kind: str, text: str) -> str:
    if kind == "text":
        return text[1:-1].replace(text[0] * 2, text[0])
    return text.lower() if kind == "word" else _ALIKE.get(text, text)


class _Reader:
    """Reads the tokens of one filter, and works out which items meet it on the way."""

    def __init__(self, catalog: Catalog, tokens: Sequence[_Token]) -> None:
        self._catalog, self._tokens, self._place, self._depth = catalog, tokens, 0, 0

    def whole(self) -> BoolArray:
        found = self._filter()
        if self._next.kind != "end":
            raise self._unexpected("'and', 'or' or the end")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _is(self, text: str, kind: str = "word") -> bool:
        """Take the next token if it is this one."""
        if self._next != _Token(kind, text):
            return False
        self._take()
        return True

    def _filter(self) -> BoolArray:
        found = self._clause()
        while self._is("or"):
            found = found | self._clause()
        return found

    def _clause(self) -> BoolArray:
        found = self._term()
        while self._is("and"):
            found = found & self._term()
        return found

    def _term(self) -> BoolArray:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong(f"a filter more than {_DEEPEST} levels deep", "one that is flatter")
        found = self._inner()
        self._depth -= 1
        return found

    def _inner(self) -> BoolArray:
        if self._is("not"):
            return ~self._term()
        if self._is("(", "sign"):
            found = self._filter()
            if not self._is(")", "sign"):
                raise self._unexpected("')'")
            return found
        if self._is("retired"):
            return ~self._catalog.on_sale
        return self._test()

    def _test(self) -> BoolArray:
        name = self._next.text
        if self._next.kind != "word" or name not in COLUMNS:
            expected = one_of(name, [*COLUMNS, "retired"]) if self._next.kind == "word" else "a column, 'not' or '('"
            raise self._unexpected(expected)
        self._take()
        column: _Words | _Numbers = _Words(self._catalog, name) if COLUMNS[name] == "words" else _Numbers(self._catalog, name)
        if self._is("in"):
            return self._any_of(column)
        signs = _WORDS if COLUMNS[name] == "words" else tuple(_SIGNS)
        if self._next.text not in signs or self._next.kind not in ("sign", "word"):
            raise self._unexpected(f"one of {', '.join((*signs, 'in'))} after {name}")
        return column.meets(self._take().text, self._value(column))

    def _any_of(self, column: _Words | _Numbers) -> BoolArray:
        if not self._is("(", "sign"):
            raise self._unexpected("'(' after in")
        found = column.meets("=", self._value(column))
        count = 1
        while self._is(",", "sign"):
            count += 1
            if count > _MOST_VALUES:
                raise _wrong(f"more than {_MOST_VALUES} values after in", "fewer")
            found = found | column.meets("=", self._value(column))
        if not self._is(")", "sign"):
            raise self._unexpected("',' or ')'")
        return found

    def _value(self, column: _Words | _Numbers) -> str:
        if self._next.kind != column.takes:
            raise self._unexpected("words in quotes" if column.takes == "text" else "a number")
        return self._take().text

    def _unexpected(self, expected: str) -> ToolError:
        got = _quoted(self._next.text) if self._next.kind != "end" else "the end"
        return _wrong(got, expected)


class _Numbers:
    """A column of numbers, NaN where an item has none."""

    takes = "number"

    def __init__(self, catalog: Catalog, name: str) -> None:
        columns = {"id": catalog.item_id, "year": catalog.year, "popularity": catalog.popularity, "price": catalog.price}
        column = columns[name]
        if column is None:
            raise _wrong(f"a test of {name}", "another column, since the catalog has no such numbers")
        self._values: npt.NDArray[np.float64] = np.asarray(column, np.float64).copy()
        if name == "year":
            self._values[catalog.year < 0] = np.nan

    def meets(self, sign: str, value: str) -> BoolArray:
        met: BoolArray = _SIGNS[sign](self._values, float(value)) & ~np.isnan(self._values)
        return met


class _Words:
    """A column of words; of genres an item has several, and meets ``=`` by any of them."""

    takes = "text"

    def __init__(self, catalog: Catalog, name: str) -> None:
        self._catalog, self._name = catalog, name

    def meets(self, sign: str, value: str) -> BoolArray:
        if self._name == "genre":
            return self._genre(sign, value)
        texts = getattr(self._catalog, self._name)
        if texts is None:
            raise _wrong(f"a test of {self._name}", "another column, since the catalog has no such words")
        wanted = value.lower()
        lower = [str(text).lower() if text else "" for text in texts.tolist()]
        if sign == "contains":
            return np.array([wanted in text for text in lower], np.bool_)
        equal = np.array([text == wanted for text in lower], np.bool_)
        there = np.array([bool(text) for text in lower], np.bool_)
        return equal & there if sign == "=" else ~equal & there

    def _genre(self, sign: str, value: str) -> BoolArray:
        names, wanted = [name.lower() for name in self._catalog.genre_names], value.lower()
        mine = np.array([wanted in name if sign == "contains" else name == wanted for name in names], np.bool_)
        if not mine.any():
            shown = [safe_text(name, _SHOWN) for name in self._catalog.genre_names[:_MOST_VALUES]]
            raise _wrong(f"the genre {_quoted(value)}", one_of(value, shown) if shown else "no genre: the catalog has none")
        has: BoolArray = np.asarray(self._catalog.genres[:, mine].any(axis=1))
        some: BoolArray = np.asarray(self._catalog.genres.any(axis=1))
        return ~has & some if sign == "!=" else has


def _quoted(text: str) -> str:
    return f"'{safe_text(text, _SHOWN)}'"


def _wrong(got: str, expected: str) -> ToolError:
    return ToolError(f"filter: got {got}, expected {expected}", cause="filter")
