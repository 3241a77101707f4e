"""Hostile input: valid content with something changed, and what may come of reading it.

Whatever is read, there are two ends: what was read, or one line of the package's own that says what was got and what was
expected. ``RECSIM_LLM_FUZZ=20`` tries twenty times as many examples.
"""

from __future__ import annotations

import copy
import os
import re
import signal
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from recsim_llm.errors import RecSimError

LONGEST_LINE = 3_700
PATIENCE_SECONDS = 60
_MORE = float(os.environ.get("RECSIM_LLM_FUZZ", "1"))
_TURNED = set("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

PLANTED = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil"
"""What a terminal would obey."""
ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 3, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400),
    *(float("nan"), float("inf"), "", "x", "0", "-1", "nan", "\x00", PLANTED, "\ud83d", "é" * 300, "../../x", "=1+1"),
    *([], {}, [[]], [None], ["x"], [0], {"a": 1}, {"": None}, [[[[[[[[1]]]]]]]], [1, "x", None]),
]
"""Values that stand where others are expected."""
ODD_WORDS = [
    *("", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "9" * 30, "9" * 5000, "0x10", "1_000", "½", "٣", "\x00", "\x1b[31m"),
    *(
        "\u202e",
        "\ufeff",
        '"',
        '""',
        "'",
        ",",
        "\t",
        ";",
        "|",
        "::",
        "\\",
        "{",
        "[",
        "}",
        "]",
        "true",
        "null",
        "None",
        "é",
        "=1+1",
    ),
    *(
        "2024-02-30",
        "1970-01-01T00:00:00+99:99",
        "x" * 10_000,
        "\r",
        "\n",
        "\r\n",
        "\u2028",
        "\x85",
        "%s",
        "{0}",
        "$a",
        "../..",
    ),
]
"""Words that stand in a text where others are expected."""


def fuzz(examples: int) -> Any:
    """Return settings of a test: the same examples each time, none kept, so many of them."""
    return settings(
        derandomize=True,
        database=None,
        max_examples=max(int(examples * _MORE), 1),
        deadline=None,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


class Refusal(NamedTuple):
    """An input that was not taken."""

    line: str
    """Why."""


def outcome(read: Callable[[], Any]) -> Any:
    """Return what reading gives, or a ``Refusal``; anything else that is raised, or no end at all, is a fault."""
    with _ending():
        try:
            return read()
        except RecSimError as error:
            return Refusal(checked_line(str(error)))


def checked_line(line: str) -> str:
    """Return a line if it is one: bounded, nothing that a terminal obeys, what was got and what to do."""
    assert len(line.splitlines()) == 1, line[:500]
    assert len(line) <= LONGEST_LINE, len(line)
    obeyed = [mark for mark in line if (unicodedata.category(mark) in ("Cc", "Cs") and mark != "\t") or mark in _TURNED]
    assert not obeyed, ascii(line)
    assert re.search(r"\bgot\b|cannot be|could not|missing|no such|is empty", line), line
    assert re.search(r"\bexpected\b|;", line), line
    return line


@contextmanager
def _ending() -> Iterator[None]:
    """See to it that what begins ends."""

    def complain(*_: object) -> None:
        raise AssertionError(f"no end within {PATIENCE_SECONDS} s")

    before = signal.signal(signal.SIGALRM, complain)
    signal.alarm(PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


# JSON and other trees


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where something stands, the whole included; of long lists the first three entries."""
    yield above
    entries = content.items() if isinstance(content, dict) else enumerate(content[:3]) if isinstance(content, list) else ()
    for key, value in entries:
        yield from places(value, (*above, key))


def put(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value at a place."""
    if not place:
        return value
    content = copy.deepcopy(content)
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return content


def take_out(content: Any, place: tuple[Any, ...]) -> Any:
    """Return a copy without what stands at a place."""
    content = copy.deepcopy(content)
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    return content


@st.composite
def spoiled(draw: st.DrawFn, content: Any, most: int = 3) -> Any:
    """A tree with one to three places changed, taken out, renamed or doubled."""
    for _ in range(draw(st.integers(1, most))):
        known = [*places(content)]
        place = draw(st.sampled_from(known))
        act = draw(st.sampled_from(["value", "value", "other", "remove", "add", "rename"]))
        if act == "value" or not place:
            content = put(content, place, draw(st.sampled_from(ODD_VALUES)))
        elif act == "other":
            content = put(content, place, copy.deepcopy(_at(content, draw(st.sampled_from(known)))))
        elif act == "remove":
            content = take_out(content, place)
        else:
            content = _renamed(content, place, draw(st.sampled_from(ODD_WORDS)), keep=act == "add")
    return content


def _at(content: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def _renamed(content: Any, place: tuple[Any, ...], name: str, *, keep: bool) -> Any:
    value, above = _at(content, place), _at(content, place[:-1])
    if isinstance(above, list):
        return put(content, place[:-1], [*above, copy.deepcopy(value)] if keep else above[::-1])
    if not keep:
        content = take_out(content, place)
    return put(content, (*place[:-1], name), value)


# Bytes and lines


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that are cut, flipped, doubled, filled in or taken out, as disks and hostile hands do it."""
    for _ in range(draw(st.integers(1, 3))):
        if not content:
            return content
        start = draw(st.integers(0, len(content) - 1))
        size = draw(st.sampled_from([1, 1, 2, 4, 8, 64, 1024]))
        act = draw(st.sampled_from(["flip", "flip", "set", "cut", "out", "twice", "zero", "insert", "tail"]))
        if act == "flip":
            content = content[:start] + bytes([content[start] ^ (1 << draw(st.integers(0, 7)))]) + content[start + 1 :]
        elif act == "set":
            more = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"]))
            content = content[:start] + more + content[start + len(more) :]
        elif act == "cut":
            content = content[:start]
        elif act == "tail":
            content = content[start:]
        elif act == "out":
            content = content[:start] + content[start + size :]
        elif act == "twice":
            content = content[:start] + content[start : start + size] + content[start:]
        elif act == "zero":
            content = content[:start] + bytes(min(size, len(content) - start)) + content[start + size :]
        else:
            content = content[:start] + draw(st.binary(min_size=1, max_size=8)) + content[start:]
    return content


@st.composite
def rewritten(draw: st.DrawFn, text: str, separator: str = ",") -> str:
    """A text of lines with fields and lines changed, doubled, taken out or in another order."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, max(len(lines) - 1, 0)))
        if not lines:
            return ""
        act = draw(st.sampled_from(["field", "field", "field", "insert", "remove", "twice", "swap", "cut", "word", "long"]))
        if act == "field":
            fields = lines[row].split(separator)
            fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(ODD_WORDS))
            lines[row] = separator.join(fields)
        elif act == "insert":
            lines.insert(row, draw(st.sampled_from(ODD_WORDS)))
        elif act == "remove":
            del lines[row]
        elif act == "twice":
            lines.insert(row, lines[row])
        elif act == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[row], lines[other] = lines[other], lines[row]
        elif act == "cut":
            lines[row] = lines[row][: draw(st.integers(0, len(lines[row])))]
        elif act == "word":
            at = draw(st.integers(0, len(lines[row])))
            lines[row] = lines[row][:at] + draw(st.sampled_from(ODD_WORDS)) + lines[row][at:]
        else:
            lines[row] = separator.join([lines[row]] * 50)
    return "\n".join(lines)


def encoded(text: str) -> bytes:
    """Return a text as bytes, halves of characters as they come."""
    return text.encode("utf-8", "surrogatepass")
