"""What users of a run had in mind, page by page: read from the prompts that the run keeps."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from recsim_llm.errors import LogError
from recsim_llm.language.calls.calls_file import open_calls

__all__ = ["RememberedPage", "read_remembered"]

# What is asked for a contrast is no page.
_CALLS = """
SELECT nonce, parts FROM calls WHERE role = 'user' AND subject = ? AND status = 'answered' AND form != 'likelihood'
GROUP BY nonce, parts ORDER BY min(id)
"""
_PARTS = "SELECT name, text FROM parts WHERE hash = ?"


class RememberedPage(NamedTuple):
    """What a user had in mind when a page was shown."""

    visit: int
    """Visit number, from 0."""
    page: int
    """Page number within the visit, from 0."""
    knows: str
    """The part of the prompt on what holds for long: facts, reflection; empty where there was nothing."""
    remembers: str
    """The part on what the page called up."""


def read_remembered(run: str | Path, user_id: int | str) -> list[RememberedPage]:
    """Return what a user of a run had in mind on each page that a language model was asked about, in the order asked.

    Where several recommenders were run, the pages of one come after those of the other; the same page with the same memory
    stands once.

    Args:
        run: run folder, finished or not.
        user_id: the run's number of the user, ``user_id`` of its log.

    Raises:
        LogError: there are no calls, or the file is damaged.
    """
    with closing(open_calls(Path(run))) as connection:
        try:
            calls = connection.execute(_CALLS, (str(user_id),)).fetchall()
            found = []
            for nonce, parts in calls:
                _, _, visit, page = nonce.split()
                texts = dict(connection.execute(_PARTS, (part,)).fetchone() for part in json.loads(parts))
                found.append(RememberedPage(int(visit), int(page), texts.get("memory", ""), texts.get("recent", "")))
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise LogError(f"{run}: got {error}, expected the calls of a run with language users; restore the file") from error
    return found
