"""One rule for what cannot be used: a row is refused by file, line and remedy, or counted and left out; a field is counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.data.column_values import (
    holds_labels,
    parse_decimals,
    parse_labels,
    parse_times,
    parse_whole_numbers,
    parse_words,
    shown,
)
from recsim_llm.data.table_files import RawTable
from recsim_llm.data.table_settings import in_all_forms
from recsim_llm.errors import DataError

__all__ = ["CLICKS_REMEDY", "LOWEST_STARS", "MOST_STARS", "OTHER_SCALE_SHARE", "SKIP_REMEDY", "RowCheck", "later_copies"]


LOWEST_STARS = 0.5
MOST_STARS = 5.0
OTHER_SCALE_SHARE = 0.2
"""Share of rows outside a scale from which on the rows are not to blame, but the scale."""
_FEW_ROWS = 2
SKIP_REMEDY = "fix the row or pass --skip-bad-rows"
"""What to do about a row; in a scenario and in Python the option is ``skip_bad_rows``."""
_LABELS_REMEDY = f"{SKIP_REMEDY}; if ids are texts pass {in_all_forms(string_ids=True)}"
CLICKS_REMEDY = "pass " + in_all_forms(feedback="implicit") + " if rows are clicks or purchases"
"""What to do about rows that are no ratings."""


class RowCheck:
    """Which rows of one table are usable, and why the others are not.

    Every method that reads a column either raises at the first unusable row or, when rows may be skipped, drops them
    from ``keep`` and counts them once, under the first reason found. A field that a row can do without costs the row nothing:
    it is counted in ``unread``.
    """

    def __init__(self, table: RawTable, *, skip: bool) -> None:
        """Start with every row kept.

        Args:
            table: the raw columns.
            skip: count and drop unusable rows instead of raising.

        Raises:
            DataError: a row has the wrong number of fields and rows may not be skipped.
        """
        self.table = table
        self.skip = skip
        self.keep: BoolArray = np.ones(table.row_count, dtype=np.bool_)
        self.skipped: dict[str, int] = {}
        self.unread: dict[str, int] = {}
        if table.malformed and not skip:
            place, got, expected = table.malformed_place()
            raise DataError(f"{place}: got {got} fields, expected {expected}; {SKIP_REMEDY}")
        if table.malformed:
            self.skipped[f"{table.name}: wrong number of fields"] = table.malformed
        self.require_rows()

    def has(self, column: str) -> bool:
        """Say whether the table has the column."""
        return column in self.table.columns

    def refuse(self, bad: BoolArray, *, column: str, expected: str, reason: str, remedy: str = SKIP_REMEDY) -> None:
        """Refuse the marked rows.

        Args:
            bad: bool [r]; rows dropped earlier do not count again.
            column: whose value the error text shows.
            expected: what should stand there.
            reason: under which words skipped rows are counted; the file's name is put before them.
            remedy: what to do about it.

        Raises:
            DataError: a marked row exists and rows may not be skipped, or no row is left.
        """
        marked = bad & self.keep
        if not marked.any():
            return
        if not self.skip:
            row = int(np.argmax(marked))
            got = shown(self.table.columns[column], row)
            raise DataError(f"{self.table.place(row)}: {column}: got {got}, expected {expected}; {remedy}")
        self.leave_out(marked, reason)

    def leave_out(self, marked: BoolArray, reason: str) -> None:
        """Leave marked rows out, whether bad ones may be skipped or not, and count them.

        Raises:
            DataError: no row is left.
        """
        marked = marked & self.keep
        if not marked.any():
            return
        key = f"{self.table.name}: {reason}"
        self.skipped[key] = self.skipped.get(key, 0) + int(marked.sum())
        self.keep &= ~marked
        self.require_rows()

    def lose(self, bad: BoolArray, reason: str) -> None:
        """Count the marked rows as rows whose optional field could not be read; they are kept."""
        if count := int((bad & self.keep).sum()):
            self.unread[f"{self.table.name}: {reason}"] = count

    def require_rows(self) -> None:
        """Raise ``DataError`` where no row is left."""
        if not self.keep.any():
            reasons = ", ".join(f"{key.partition(': ')[2]} {count}" for key, count in self.skipped.items())
            raise DataError(f"{self.table.name}: got no usable row ({reasons}), expected at least one; fix the file")

    def whole_numbers(self, column: str) -> IntArray:
        """Return a column of whole numbers of 0 or more, int64 [r]."""
        numbers, bad = parse_whole_numbers(self.table.columns[column])
        self.refuse(bad, column=column, expected="a whole number of 0 or more", reason=f"bad {column}")
        return numbers

    def ids(self, column: str, *, labels: bool | None) -> tuple[IntArray, tuple[str, ...] | None]:
        """Return a column of ids, int64 [r], and their labels where they are texts.

        Args:
            column: the column.
            labels: true for texts, false for whole numbers, None to go by the whole column.
        """
        raw = self.table.columns[column]
        if not (holds_labels(raw) if labels is None else labels):
            numbers, bad = parse_whole_numbers(raw)
            self._refuse_ids(bad, column=column, expected="a whole number of 0 or more", may_be_texts=True)
            return numbers, None
        found, bad = parse_labels(raw, every=labels is True)
        self._refuse_ids(bad, column=column, expected="a label", may_be_texts=labels is None)
        return found.ids, found.names

    def _refuse_ids(self, bad: BoolArray, *, column: str, expected: str, may_be_texts: bool) -> None:
        # What stands nowhere is no id, whatever ids are taken for.
        row = int(np.argmax(bad & self.keep))
        there = may_be_texts and bool(str(self.table.columns[column][row].as_py() or "").strip())
        remedy = _LABELS_REMEDY if there else SKIP_REMEDY
        self.refuse(bad, column=column, expected=expected, reason=f"bad {column}", remedy=remedy)

    def decimals(self, column: str, *, expected: str) -> npt.NDArray[np.float64]:
        """Return a column of finite numbers, float64 [r]."""
        numbers, bad = parse_decimals(self.table.columns[column])
        self.refuse(bad, column=column, expected=expected, reason=f"bad {column}")
        return numbers

    def stars(self, column: str) -> npt.NDArray[np.float32]:
        """Return a column of ratings from 0.5 to 5, float32 [r]."""
        expected = f"a number from {LOWEST_STARS:g} to {MOST_STARS:g}"
        numbers = self.decimals(column, expected=expected)
        bad = (numbers < LOWEST_STARS) | (numbers > MOST_STARS)
        self.refuse(bad, column=column, expected=expected, reason=f"bad {column}")
        return numbers.astype(np.float32)

    def require_scale(self, column: str, *, remedy: str) -> None:
        """Refuse a column with many numbers outside 0.5 to 5, even where rows may be skipped: its scale is another.

        Raises:
            DataError: more than a fifth of the rows that hold a number do.
        """
        numbers, bad = parse_decimals(self.table.columns[column])
        outside = ~bad & ((numbers < LOWEST_STARS) | (numbers > MOST_STARS))
        if outside.sum() > max(OTHER_SCALE_SHARE * (~bad).sum(), _FEW_ROWS):
            row = int(np.argmax(outside))
            got = shown(self.table.columns[column], row)
            expected = f"a number from {LOWEST_STARS:g} to {MOST_STARS:g} in most rows"
            raise DataError(f"{self.table.place(row)}: {column}: got {got}, expected {expected}; {remedy}")

    def times(self, column: str) -> IntArray:
        """Return a column of times as seconds since 1970-01-01 UTC, int64 [r]; 0 and counted where there is none."""
        seconds, bad = parse_times(self.table.columns[column])
        self.lose(bad, f"bad {column}")
        return np.where(bad, 0, seconds)

    def words(self, column: str) -> npt.NDArray[np.object_]:
        """Return a column of texts, str [r]; empty and counted where there is none."""
        texts, bad = parse_words(self.table.columns[column])
        self.lose(bad, f"bad {column}")
        return texts

    def coded(self, column: str, words: dict[str, str]) -> npt.NDArray[np.object_]:
        """Return a column of codes as their words, str [r]; codes without a word are refused."""
        codes = self.words(column)
        bad = np.array([code not in words for code in codes], dtype=np.bool_)
        known = list(words)
        expected = f"one of {', '.join(known)}" if len(known) < 10 else f"a code from {known[0]} to {known[-1]}"
        self.refuse(bad, column=column, expected=expected, reason=f"bad {column}")
        return np.array([words.get(code, "") for code in codes], dtype=np.object_)

    def refuse_copies(self, key: IntArray, *, column: str, expected: str, reason: str, remedy: str = SKIP_REMEDY) -> None:
        """Refuse rows whose key stands in an earlier kept row already; the earliest in file order stays."""
        self.refuse(later_copies(key, self.keep), column=column, expected=expected, reason=reason, remedy=remedy)


def later_copies(key: IntArray, among: BoolArray) -> BoolArray:
    """Mark the rows whose key stands in an earlier row.

    Args:
        key: int64 [r].
        among: bool [r]: the rows that are looked at; others are neither marked nor counted as earlier.

    Returns:
        bool [r].
    """
    rows = np.flatnonzero(among)
    marked = np.zeros(len(key), dtype=np.bool_)
    ordered = np.sort(key[rows])
    if not (ordered[1:] == ordered[:-1]).any():
        return marked
    # A stable sort keeps file order among equal keys; it costs more, so it runs only when there are copies.
    order = np.argsort(key[rows], kind="stable")
    ordered = key[rows][order]
    marked[rows[order[1:][ordered[1:] == ordered[:-1]]]] = True
    return marked
