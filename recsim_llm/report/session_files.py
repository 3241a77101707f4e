"""The page of sessions: every page of some users, to be looked at in a browser from the run's own folder.

``sessions.html`` loads ``sessions/index.js``, which knows the users, and no more; what a user did is in one of many small
scripts, ``sessions/pages-00000.js`` and so on, and what language models were asked in ``sessions/calls-00000.js``, which the
page loads when it shows that user. Scripts are what a browser loads from a folder without a server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.files import TORN, write_atomically
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.columns import integers
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.log.tables import has_table
from recsim_llm.numerics.key_counts import KeyCounts
from recsim_llm.report.names import Names, read_names
from recsim_llm.report.session_calls import SessionCalls, told_title
from recsim_llm.report.session_rows import SessionRows
from recsim_llm.report.spoken import read_texts
from recsim_llm.terminal_text import printable

__all__ = ["MOST_PAGES", "SESSIONS_PAGE", "Users", "write_sessions"]

Users = int | Literal["all"]
"""Whose sessions are wanted: of so many users, drawn by the run's seed, or of all."""
SESSIONS_PAGE = "sessions.html"
"""Name of the page in a run folder; its data lie in ``sessions/`` beside it."""
MOST_PAGES = 1_000_000
"""Pages that are written at most: about half a gigabyte."""
_FOLDER = "sessions"
_GROUP_PAGES = 200_000
_CHUNK_PAGES = 300
_PURPOSE = "session users"


def write_sessions(run: Path, users: Users) -> Path:
    """Write ``sessions.html`` and ``sessions/`` into a run folder, in the place of older ones.

    Memory holds the pages of a few users; the log is read once for every 200,000 pages.

    Args:
        run: the run folder, finished or not.
        users: whose sessions.

    Returns:
        Path of ``sessions.html``.

    Raises:
        ConfigError: there are more pages than ``MOST_PAGES``, or no user is wanted.
        LogError: the folder is no run or holds no page, or a file is damaged.
    """
    log, names = open_run(run), read_names(run)
    known, pages = _count_pages(log)
    chosen = _choose(log, users, known, pages)
    made = run / f"{_FOLDER}{TORN}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        firsts = _Writer(log, names, made).write(known[chosen], pages[chosen])
        index = _index(log, names, known[chosen], pages[chosen]) | {"firsts": firsts}
        index |= {"everyone": len(known), "every_page": int(pages.sum()), "calls": (run / FILE_NAME).is_file()}
        _write_script(made / "index.js", "index", index)
        parts = files("recsim_llm.report")
        style = "".join(parts.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "sessions.css"))
        (made / "sessions.css").write_text(style, encoding="utf-8")
        (made / "sessions.js").write_bytes(parts.joinpath("sessions.js").read_bytes())
        shutil.rmtree(run / _FOLDER, ignore_errors=True)
        made.rename(run / _FOLDER)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    write_atomically(run / SESSIONS_PAGE, parts.joinpath(SESSIONS_PAGE).read_bytes())
    return run / SESSIONS_PAGE


def _count_pages(log: RunReader) -> tuple[IntArray, IntArray]:
    """Return int64 [u] twice: the users of the log, ascending, and the pages of each."""
    counts = KeyCounts()
    for batch in log.batches("pages", ["user_id"]):
        counts.add(integers(batch, "user_id"))
    users, pages = counts.merged()
    if not len(users):
        raise LogError(f"{log.folder}: got a log without pages, expected at least one; start or resume the run first")
    return users, pages


def _choose(log: RunReader, users: Users, known: IntArray, pages: IntArray) -> IntArray:
    """Return the places of the users wanted, ascending."""
    if users != "all" and users < 1:
        raise ConfigError(f"sessions: got {users} users, expected 1 or more, or all")
    chosen = np.arange(len(known))
    if users != "all" and users < len(known):
        word = keyed.words(int(log.manifest["seed"] or 0), _PURPOSE, known)
        chosen = np.sort(np.argsort(word, kind="stable")[:users])
    if (wanted := int(pages[chosen].sum())) > MOST_PAGES:
        fewer = max(int(len(chosen) * MOST_PAGES / wanted * 0.9), 1)
        raise ConfigError(
            f"sessions: got {wanted:,} pages of {len(chosen):,} users, expected {MOST_PAGES:,} pages at most; "
            f"name fewer users, for instance {fewer}"
        )
    return chosen


class _Writer:
    """Writes the scripts of some users into a folder."""

    def __init__(self, log: RunReader, names: Names, folder: Path) -> None:
        self._log, self._names, self._folder = log, names, folder

    def write(self, users: IntArray, pages: IntArray) -> list[int]:
        """Write those of users with so many pages each; return the place of the first user of each script."""
        run = self._log.folder
        texts = read_texts(run) if has_table(run, "texts") else []
        firsts: list[int] = []
        with ExitStack() as opened:
            asked = (run / FILE_NAME).is_file()
            calls = opened.enter_context(SessionCalls(run, set(users.tolist()))) if asked else None
            for group in _cut(pages, 0, len(users), _GROUP_PAGES):
                said = {arm: [row for row in texts if row["arm"] == arm] for arm in self._log.arms}
                rows = [SessionRows(self._log, arm, users[group], said[arm]) for arm in self._log.arms]
                for chunk in _cut(pages, group.start, group.stop, _CHUNK_PAGES):
                    seen = {user: [arm.of(user) for arm in rows] for user in users[chunk].tolist()}
                    self._write_chunk(len(firsts), seen, calls)
                    firsts.append(chunk.start)
        return firsts

    def _write_chunk(self, number: int, seen: dict[int, list[Any]], calls: SessionCalls | None) -> None:
        items = {slot[0] for arms in seen.values() for visits in arms for slot in _slots(visits)}
        titles = {item: printable(self._names.item(item)) for item in sorted(items)}
        _write_script(self._folder / f"pages-{number:05d}.js", f"pages({number})", {"items": titles, "users": seen})
        if calls is not None:
            parts: dict[str, list[str]] = {}
            told = {item: told_title(title) for item in items if (title := self._names.titles.get(item))}
            asked = {user: calls.of(user, _shown(arms, told), parts) for user, arms in seen.items()}
            _write_script(self._folder / f"calls-{number:05d}.js", f"calls({number})", {"parts": parts, "users": asked})


def _cut(pages: IntArray, start: int, stop: int, most: int) -> Iterator[slice]:
    """Yield runs of users of about so many pages together; one user at least."""
    part = (np.cumsum(pages[start:stop]) - pages[start:stop]) // most
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), stop - start]
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        yield slice(start + first, start + end)


def _slots(visits: Sequence[Any]) -> Iterator[Any]:
    for visit in visits:
        for page in visit["pages"]:
            yield from page["slots"]


def _shown(arms: Sequence[Sequence[Any]], told: Mapping[int, str]) -> dict[tuple[int, int], list[list[str]]]:
    """Return by visit and page, for each recommender, the titles on its page; ``told`` are those of items that have one."""
    found: dict[tuple[int, int], list[list[str]]] = {}
    for arm, visits in enumerate(arms):
        for visit in visits:
            for page in visit["pages"]:
                place = found.setdefault((visit["visit"], page["page"]), [[] for _ in arms])
                place[arm] = [told[slot[0]] for slot in page["slots"] if slot[0] in told]
    return found


def _index(log: RunReader, names: Names, users: IntArray, pages: IntArray) -> dict[str, Any]:
    ids = users.tolist()
    keys = [printable(names.user_keys.get(user, "")) for user in ids] if names.user_keys else None
    return {
        "scenario": printable(str(log.manifest["scenario"])),
        "seed": log.manifest["seed"],
        "arms": [printable(arm) for arm in log.arms],
        "unfinished": [printable(arm) for arm in log.arms if arm not in log.finished_arms],
        "users": ids,
        "keys": keys,
        "pages": pages.tolist(),
    }


def _write_script(path: Path, name: str, content: Any) -> None:
    """Write a script that hands a value to ``sessions``, the object that the page has made before."""
    place, _, number = name.partition("(")
    before = f"sessions.{place}({number[:-1]}, " if number else f"sessions.{place}("
    # ASCII without line separators of its own, which every browser reads alike; a value, never a statement.
    path.write_text(f"{before}{json.dumps(content, separators=(',', ':'), allow_nan=False)});\n", encoding="ascii")
