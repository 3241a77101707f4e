"""Genres of one item in one field: lists in any of the usual spellings, or names with a separator that the column tells."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.column_values import is_list, is_record
from recsim_llm.data.movielens_words import split_genres
from recsim_llm.data.table_settings import in_all_forms
from recsim_llm.errors import DataError

__all__ = ["read_genres"]

_NOTHING = ("", "nan", "none", "null", "n/a", "<na>")
# A bar or a semicolon stands in no genre's name; a comma and the others may, so the column has to prove them.
_SURE = ("|", ";")
_DOUBTFUL = (",", "/", ">")
_NAME_KEYS = ("name", "genre", "title", "label")
_BESIDE = re.compile(r"""(['"])\s+(['"])""")
_PLAIN_LIST = re.compile(r"""[\[({][^\[\](){}'":]*[\])}]""")

Names = list[str]


def read_genres(check: RowCheck, separator: str | None) -> list[Names]:
    """Return the genre names of each row of the column ``genres``; none, and counted, where a field cannot be read.

    Args:
        check: the item table.
        separator: what stands between names in one field; None goes by the column: a bar or a semicolon where there is one,
            and a comma, slash or ``>`` where some name stands in more than one combination.

    Raises:
        DataError: there is a comma, slash or ``>`` and the column does not tell whether it separates names.
    """
    raw = check.table.columns["genres"]
    if is_list(raw) or is_record(raw):
        found = [_names_in(value) for value in raw.to_pylist()]
    else:
        words, texts = check.words("genres"), list[str]()
        lists = {text: _list_in(text) for text in set(words.tolist()) if _is_bracketed(text)}
        texts = [text for text in words.tolist() if text not in lists]
        mark = separator or _separator_of(check, texts)
        found = [lists[text] if text in lists else _split(text, mark) for text in words.tolist()]
    check.lose(np.array([names is None for names in found], dtype=np.bool_), "bad genres")
    return [names or [] for names in found]


def _split(text: str, mark: str) -> Names:
    return [] if text.strip().lower() in _NOTHING else split_genres(text, mark)


def _separator_of(check: RowCheck, texts: Sequence[str]) -> str:
    distinct = Counter(texts)
    for mark in _SURE:
        if any(mark in text for text in distinct):
            return mark
    for mark in _DOUBTFUL:
        joined = [text for text in distinct if mark in text]
        if joined and _proves(mark, joined, distinct):
            return mark
        if joined:
            row = list(check.words("genres")).index(joined[0])
            raise DataError(
                f"{check.table.place(row)}: genres: got {joined[0][:40]!r}, expected genres whose separator can be told from "
                f"the column; if {mark!r} belongs to the name pass --genre-separator='|'; if it stands between names pass "
                f"{in_all_forms(genre_separator=mark)}"
            )
    return "|"


def _proves(mark: str, joined: Sequence[str], distinct: Iterable[str]) -> bool:
    """Say whether some name stands in more than one combination."""
    pieces = Counter(piece for text in distinct for piece in set(_split(text, mark)))
    return any(pieces[piece] > 1 for text in joined for piece in _split(text, mark))


def _is_bracketed(text: str) -> bool:
    return text.strip()[:1] in ("[", "{") or (text.strip()[:1] == "(" and text.strip()[1:2] in ("'", '"', ")"))


def _list_in(text: str) -> Names | None:
    """Return the names of a list written as JSON, Python, NumPy, PostgreSQL or without quotes; None where it is broken."""
    text = text.strip()
    if _PLAIN_LIST.fullmatch(text):
        return [name for name in map(str.strip, text[1:-1].split(",")) if name]
    for read in (json.loads, ast.literal_eval):
        try:
            # NumPy writes no commas between texts; Python would join such texts to one.
            return _names_in(read(_BESIDE.sub(r"\1, \2", text)))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


def _names_in(value: Any) -> Names | None:
    """Return the names in a list, a record with a name, or a list of such; None for anything else."""
    if value is None:
        return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    names = [_name_of(member) for member in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    known = [name for name in names if name is not None]
    return _cleaned(known) if len(known) == len(names) else None


def _name_of(member: Any) -> str | None:
    if isinstance(member, dict):
        found = [member[key] for key in _NAME_KEYS if isinstance(member.get(key), str)]
        return found[0] if found else None
    if member is None:
        return ""
    return str(member) if isinstance(member, str | int) and not isinstance(member, bool) else None


def _cleaned(names: Iterable[str]) -> Names:
    # One name in a list is one genre, whatever stands in it.
    return [name for text in names for name in [text.strip()] if name.lower() not in _NOTHING and split_genres(name, "\x00")]
