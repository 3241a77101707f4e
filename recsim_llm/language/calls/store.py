"""The calls of a run: one SQLite file that is its cache, its record and its bill.

Every attempt that went over the wire is one row, answered or failed with its cause, committed before the answer is handed
out: a process killed at any instant loses no answer that anybody had. What comes in at the same time is committed together.
An answer taken from the file is one more row, with ``cache_hit`` set and without a copy of the answer. Prompts are kept as
parts by content hash, each once, so a call can be rebuilt word for word. Only messages and replies get in; addresses, headers
and keys never do.

The file is made at the first use, so that a run without calls has none. It is in write-ahead mode: others may read it while
a run writes it. A further file or run folder may serve as cache: answers found there are copied into the run's own file, so
that a run can be replayed from its own folder alone.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from recsim_llm.errors import LogError, ModelReplyError
from recsim_llm.language.base.questions import Part, Question
from recsim_llm.language.base.wire import RawReply
from recsim_llm.language.calls.calls_file import damaged, find_calls, open_calls, open_writer
from recsim_llm.language.calls.raw_replies import dump_reply, load_reply

__all__ = ["RENORMALISED", "CallRecord", "CallStore", "Paid", "read_paid"]

RENORMALISED = "renormalised"
"""Cause of an answered row whose percentages did not sum to 100 and were divided by their sum, as declared."""

_KNOWN_PARTS = 100_000
_ANSWER = "SELECT reply FROM calls WHERE key = ? AND status = 'answered' AND reply IS NOT NULL ORDER BY id DESC LIMIT 1"
_GIVEN_UP = "no answer to {}"
_NOTE = "SELECT value FROM notes WHERE model = ? AND name = ?"
_HAS_NOTES = "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'"
_INSERT = f"INSERT INTO calls VALUES (NULL{', ?' * 20})"
_PAID = """
SELECT subject, count(*), sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), sum(coalesce(cost, 0))
FROM calls WHERE cache_hit = 0 AND (status = 'answered' OR reply IS NOT NULL) GROUP BY subject ORDER BY subject
"""


class CallRecord(NamedTuple):
    """One row of the table ``calls``: an attempt on the wire, or an answer from the cache."""

    key: bytes
    """What was asked, 32 bytes; equal keys may share an answer."""
    role: str
    """What the model is used for."""
    model: str
    """``provider/model``."""
    elicitation: str
    """How decisions are got out of it."""
    form: str
    """The call's form; of a question that was asked alone of a server ``forced WAY``."""
    parts: tuple[Part, ...]
    """The prompt."""
    questions: tuple[Question, ...]
    """What was asked; empty for free text."""
    nonce: str
    """What tells asks of equal content apart."""
    subject: str
    """Whom it is about."""
    attempt: int
    """Number of the attempt, from 1; 0 for an answer from the cache."""
    status: Literal["answered", "failed"]
    """``failed``: nothing came back, or something that could not be read."""
    started: str
    """When it was sent: ISO 8601, UTC."""
    cause: str = ""
    """Why it failed; of an answer ``RENORMALISED`` or nothing."""
    reply: RawReply | None = None
    """What came back."""
    seconds: float | None = None
    """From sending to the whole reply; None for an answer from the cache."""
    cost: float | None = None
    """US dollars; None where prices are unknown."""
    cache_hit: bool = False
    """Nothing was sent: the answer was known."""


class Paid(NamedTuple):
    """What the calls of a file that brought a reply, readable or not, have used up."""

    calls: int
    """Replies received."""
    tokens: int
    """Tokens read and written."""
    cost: float
    """US dollars, where prices were known."""
    by_subject: dict[str, int]
    """Calls about each subject; the empty one left out."""


class CallStore:
    """The calls file of a run, to be used by one thread at a time.

    Args:
        path: the file; None keeps everything in memory until it is closed.
        cache: a calls file or run folder in which answers are looked up too; it is never written.

    Raises:
        ConfigError: ``cache`` does not exist.
        LogError: a file is damaged or is no calls file (on first use; for ``cache`` at once).
    """

    def __init__(self, path: Path | None, *, cache: Path | None = None) -> None:
        self.path = path
        self._writer: sqlite3.Connection | None = None
        self._caches: dict[Path, sqlite3.Connection | None] = {}
        self._known_parts = set[str]()
        self._foreign = set[bytes]()
        self._lost: LogError | None = None
        if cache is not None:
            self.also_read(cache)

    def also_read(self, path: Path) -> None:
        """Look answers up in one more calls file or run folder, after those named before; naming one twice changes nothing.

        Raises:
            ConfigError: it does not exist.
            LogError: it is damaged or is no calls file.
        """
        place = find_calls(path)
        own = self.path is not None and self.path.resolve() == place
        if not own and place not in self._caches:
            self._caches[place] = open_calls(place)

    def get(self, key: bytes) -> RawReply | None:
        """Return the newest answer to what ``key`` stands for: the run's own, else that of a cache; None if there is none.

        Raises:
            LogError: the file cannot be read.
        """
        reply = self._look_up(self._own(), self.path, key)
        if reply is None:
            for path, connection in self._caches.items():
                if connection is None:
                    connection = self._caches[path] = open_calls(path)
                reply = self._look_up(connection, path, key)
                if reply is not None:
                    self._foreign.add(key)
                    break
        return reply

    def put(self, record: CallRecord) -> None:
        """Write one row, which ``commit`` keeps.

        The reply of a cache hit is written only where it came from another file.

        Raises:
            LogError: the file cannot be written; rows since the last commit are lost, and none is taken any more.
        """
        reply = record.reply
        if record.cache_hit:
            if record.key in self._foreign:
                self._foreign.remove(record.key)
            else:
                reply = None
        usage = record.reply.usage if record.reply and not record.cache_hit else (None, None, None)
        questions = _questions(record.questions)
        parts = [part for part in (*record.parts, questions) if part.hash not in self._known_parts]
        row = (
            *record[:5],
            '["' + '","'.join([part.hash for part in record.parts]) + '"]',
            questions.hash,
            *record[7:11],
            record.cause,
            None if reply is None else dump_reply(reply),
            *usage,
            record.seconds,
            record.cost,
            record.cache_hit,
            record.started,
        )
        connection = self._own()
        try:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            for part in parts:
                connection.execute("INSERT OR IGNORE INTO parts VALUES (?, ?, ?)", (part.hash, part.name, part.text))
            connection.execute(_INSERT, row)
        except sqlite3.Error as error:
            self._lose(connection, error)
        self._remember(parts)

    def commit(self) -> None:
        """Keep every row that was written; where there is none, do nothing.

        Raises:
            LogError: rows since the last commit could not be written.
        """
        if self._lost is not None:
            raise self._lost
        if self._writer is not None and self._writer.in_transaction:
            try:
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                self._lose(self._writer, error)

    def _lose(self, connection: sqlite3.Connection, error: sqlite3.Error) -> NoReturn:
        if connection.in_transaction:
            connection.rollback()
        self._known_parts.clear()
        self._lost = damaged(self.path, error)
        raise self._lost from error

    def note(self, model: str, name: str, value: str) -> None:
        """Keep something that prompts hang on, so that whoever goes on with these calls writes the same ones; the first counts.

        Raises:
            LogError: the file cannot be written.
        """
        connection = self._own()
        beside_rows = connection.in_transaction
        try:
            connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", (model, name, value))
        except sqlite3.Error as error:
            if beside_rows:
                self._lose(connection, error)
            raise damaged(self.path, error) from error

    def noted(self, model: str, name: str) -> str | None:
        """Return what was noted in the run's own file, else in that of a cache; None if nothing was.

        Raises:
            LogError: the file cannot be read.
        """
        if self._writer is not None or (self.path is not None and self.path.exists()):
            value = self._look_up_note(self._own(), self.path, (model, name))
            if value is not None:
                return value
        for path in self._caches:
            connection = self._caches[path] = self._caches[path] or open_calls(path)
            value = self._look_up_note(connection, path, (model, name))
            if value is not None:
                return value
        return None

    def give_up(self, model: str, key: bytes, error: ModelReplyError) -> None:
        """Keep why there is no answer to what ``key`` stands for, for whoever goes on with these calls; the first one counts.

        Raises:
            LogError: the file cannot be written.
        """
        self.note(model, _GIVEN_UP.format(key.hex()), json.dumps([error.cause, str(error)], ensure_ascii=False))

    def given_up(self, model: str, key: bytes, subject: str) -> ModelReplyError | None:
        """Return why there is no answer, where that is kept in the run's own file or in that of a cache; else None.

        Raises:
            LogError: the file cannot be read.
        """
        kept = self.noted(model, _GIVEN_UP.format(key.hex()))
        if kept is None:
            return None
        cause, text = json.loads(kept)
        return ModelReplyError(text, cause=cause, subject=subject)

    def paid(self) -> Paid:
        """Return what the file's calls have used up; nothing, and no file is made, where there is none yet.

        Raises:
            LogError: the file cannot be read.
        """
        if self._writer is None and (self.path is None or not self.path.exists()):
            return Paid(0, 0, 0.0, {})
        return _paid(self._own(), self.path)

    def close(self) -> None:
        """Commit, and close the file and those named as caches; the next use opens them again."""
        for path, connection in self._caches.items():
            if connection is not None:
                connection.close()
                self._caches[path] = None
        if self._writer is not None:
            with suppress(LogError):  # Whoever waits for these rows hears of it from the commit that it waits for.
                self.commit()
            self._writer.close()
            self._writer = None
            self._known_parts.clear()

    def _own(self) -> sqlite3.Connection:
        if self._lost is not None:
            raise self._lost
        if self._writer is None:
            self._writer = open_writer(self.path)
        return self._writer

    @staticmethod
    def _look_up(connection: sqlite3.Connection, path: Path | None, key: bytes) -> RawReply | None:
        try:
            row = connection.execute(_ANSWER, (key,)).fetchone()
            return None if row is None else load_reply(row[0])
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(path, error) from error

    @staticmethod
    def _look_up_note(connection: sqlite3.Connection, path: Path | None, key: tuple[str, str]) -> str | None:
        try:
            if not connection.execute(_HAS_NOTES).fetchone()[0]:
                return None
            row = connection.execute(_NOTE, key).fetchone()
            return None if row is None else str(row[0])
        except sqlite3.Error as error:
            raise damaged(path, error) from error

    def _remember(self, parts: list[Part]) -> None:
        if len(self._known_parts) > _KNOWN_PARTS:
            self._known_parts.clear()
        self._known_parts.update([part.hash for part in parts])


def read_paid(path: Path) -> Paid:
    """Return what the calls of a file that nobody writes have used up.

    Raises:
        ConfigError: it does not exist.
        LogError: it is damaged or is no calls file.
    """
    with closing(open_calls(path)) as connection:
        return _paid(connection, path)


def _paid(connection: sqlite3.Connection, path: Path | None) -> Paid:
    try:
        rows = connection.execute(_PAID).fetchall()
    except sqlite3.Error as error:
        raise damaged(path, error) from error
    return Paid(
        sum(row[1] for row in rows),
        sum(row[2] for row in rows),
        sum(row[3] for row in rows),
        {row[0]: row[1] for row in rows if row[0]},
    )


@lru_cache(maxsize=256)
def _questions(questions: tuple[Question, ...]) -> Part:
    return Part("questions", json.dumps(questions, ensure_ascii=False, separators=(",", ":")))
