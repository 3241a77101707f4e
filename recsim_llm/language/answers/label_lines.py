"""Where a text answers which question: keys in any dress, and the words that follow them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from recsim_llm.language.answers.question_lists import check_questions, hint
from recsim_llm.language.answers.reading import plain_marks
from recsim_llm.language.answers.reading_words import DECORATION
from recsim_llm.language.base.questions import Question

__all__ = ["LabelledText", "Table", "find_segments", "make_table"]

_CLOSERS = re.compile(r"[ \t*_`'\"\])}\\]*+")
_SEPARATOR = re.compile(
    r"[ \t*_`'\"\])}\\]*+(?:\([^()\n]{0,200}\)[ \t*_`'\"\]]*+)?(?::|=+>?|-+>|-{1,3}(?![0-9])|→|\||,|;)[ \t*_`'\"]*+"
)
_BLANKS = re.compile(r"[ \t]+")
_NEXT_LINE = re.compile(r"\s*+([^\n]*)")
_JOINTS = ".,;|!?"


class Table(NamedTuple):
    """What is precomputed of the questions."""

    lines: tuple[Mapping[str, int], ...]
    """The well-formed lines of each question with the number of the option."""
    starts: tuple[str, ...]
    """``KEY: `` of each question."""
    keys: re.Pattern[str]
    """Any key in any dress."""
    numbers: Mapping[str, int]
    """The number of each question by its key in lower case."""
    hints: tuple[str, ...]


class LabelledText(NamedTuple):
    """A key in a text, and where its answer stands."""

    question: int
    key_start: int
    start: int
    end: int
    must_be_clean: bool


@lru_cache(maxsize=512)
def make_table(questions: tuple[Question, ...]) -> Table:
    """Return what is precomputed of some questions.

    Raises:
        ConfigError: see ``check_questions``.
    """
    check_questions(questions)
    starts = tuple(f"{question.key}: " for question in questions)
    lines = tuple(
        MappingProxyType(
            {
                f"{start}{written}": number
                for number, label in enumerate(question.labels)
                for written in (label, label.capitalize(), label.upper())
            }
        )
        for start, question in zip(starts, questions, strict=True)
    )
    longest_first = sorted((question.key for question in questions), key=len, reverse=True)
    pattern = "|".join(key.replace("_", r"\\?[ _-]") for key in longest_first)
    return Table(
        lines,
        starts,
        re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE | re.ASCII),
        MappingProxyType({question.key.lower(): number for number, question in enumerate(questions)}),
        tuple(plain_marks(hint(question)).lower() for question in questions),
    )


def find_segments(questions: tuple[Question, ...], table: Table, plain: str) -> list[LabelledText]:
    """Return the keys of a text that are followed by an answer, in the order of the text.

    Args:
        questions: what was asked.
        table: of the same questions.
        plain: the text as ``plain_marks`` returns it.
    """
    segments: list[LabelledText] = []
    line_end, seen_in_line, last = -1, False, 0
    inside_text = False
    for match in table.keys.finditer(plain):
        if match.start() > line_end:
            line_start = plain.rfind("\n", last, match.start()) + 1
            last = max(last, line_start)
            line_end = plain.find("\n", match.end())
            line_end = len(plain) if line_end < 0 else line_end
            seen_in_line = inside_text = False
        if inside_text:
            continue
        gap, last = plain[last : match.start()], match.end()
        number = table.numbers[re.sub(r"\\?[ _-]", "_", match[0]).lower()]
        start, must_be_clean = _answer_start(table.hints[number], plain, match.end(), seen_in_line)
        if start >= 0 and _may_begin(gap, seen_in_line):
            if segments and segments[-1].end > match.start():
                segments[-1] = segments[-1]._replace(end=match.start())
            segments.append(LabelledText(number, match.start(), start, line_end, must_be_clean))
            inside_text = questions[number].kind == "text" and not must_be_clean
        seen_in_line = True
    return _with_next_lines(plain, segments)


def _answer_start(hint_text: str, plain: str, end: int, seen_in_line: bool) -> tuple[int, bool]:
    """Return where the answer begins after a key that ends at ``end``, -1 for nowhere, and whether only blanks part them."""
    place = _CLOSERS.match(plain, end).end()  # type: ignore[union-attr]
    if plain[place : place + len(hint_text)].lower() == hint_text:
        place += len(hint_text)
    separator = _SEPARATOR.match(plain, place)
    if separator is not None:
        return separator.end(), False
    blanks = None if seen_in_line else _BLANKS.match(plain, end)
    return (blanks.end(), True) if blanks else (-1, False)


def _may_begin(gap: str, seen_in_line: bool) -> bool:
    """Return whether a key may follow what stands between it and the line's beginning or the key before it."""
    stripped = gap.strip(DECORATION + "-+>\\")
    if "|" in gap[len(gap.rstrip(DECORATION)) :]:
        return True
    if not stripped or stripped[-1] in _JOINTS:
        return True
    return not seen_in_line and (stripped[-1] == ":" or re.fullmatch(r"\w{1,4}[)\]]?", stripped) is not None)


def _with_next_lines(plain: str, segments: Sequence[LabelledText]) -> list[LabelledText]:
    """Return the segments; one without words on its line takes the next line that has any, unless that has a key."""
    completed = []
    for number, segment in enumerate(segments):
        if plain[segment.start : segment.end].strip(DECORATION):
            completed.append(segment)
            continue
        line = _NEXT_LINE.match(plain, segment.end) if plain[segment.end : segment.end + 1] == "\n" else None
        following = segments[number + 1].key_start if number + 1 < len(segments) else len(plain)
        if line is not None and line.end() <= following:
            completed.append(segment._replace(start=line.start(1), end=line.end()))
    return completed
