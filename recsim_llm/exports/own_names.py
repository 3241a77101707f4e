"""The data's own ids in an export: as fields of a table, or in files that translate the numbers of a format without texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recsim_llm.core.spreadsheet_text import defused
from recsim_llm.exports.source import ExportSource

__all__ = ["cell", "quote", "write_own_ids"]


def quote(text: str, separator: str) -> str:
    """Return a field as CSV has it (RFC 4180): in double quotes where it holds the separator, a quote or a line break."""
    if not any(letter in text for letter in (separator, '"', "\n", "\r")):
        return text
    return '"' + text.replace('"', '""') + '"'


def cell(value: object) -> str:
    """Return a field of a table that spreadsheets open, parted by commas: what begins like a formula gets an apostrophe."""
    return quote(defused(value) if isinstance(value, str) else str(value), ",")


def write_own_ids(source: ExportSource, folder: Path) -> None:
    """Write ``items.csv`` (item_id, item_key, title) and ``users.csv`` (user_id, user_key) beside a format of numbers.

    Each is written where the data has its own ids; of an anonymous export nobody learns the users'.
    """
    catalog, identities = source.catalog, source.identities
    if catalog.item_key is not None:
        rows = zip(catalog.item_id.tolist(), catalog.item_key, catalog.title, strict=True)
        _write(folder / "items.csv", ("item_id", "item_key", "title"), rows)
    if identities.user_key is not None:
        users = source.log.keys("user_id")[0]
        _write(folder / "users.csv", ("user_id", "user_key"), zip(users.tolist(), identities.labels(users), strict=True))


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for row in (header, *rows):
            stream.write(",".join(cell(value) for value in row) + "\n")
