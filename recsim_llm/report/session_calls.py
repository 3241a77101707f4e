"""What language models were asked about some users and what they replied, for the page of sessions."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.base.wire import RawReply
from recsim_llm.language.calls.calls_file import FILE_NAME, damaged, open_calls
from recsim_llm.language.calls.raw_replies import load_reply
from recsim_llm.report.session_rows import plain_number
from recsim_llm.terminal_text import printable

__all__ = ["SessionCalls", "told_title"]

_WHOM = "SELECT id, subject FROM calls ORDER BY id"
_CALL = """
SELECT key, role, model, form, parts, questions, nonce, status, cause, reply, cache_hit, seconds, prompt_tokens,
       completion_tokens
FROM calls WHERE id = ?
"""
_ANSWER = "SELECT reply FROM calls WHERE key = ? AND status = 'answered' AND reply IS NOT NULL ORDER BY id DESC LIMIT 1"
_PART = "SELECT name, text FROM parts WHERE hash = ?"
_TOLD_TOKENS, _TOLD_ALTERNATIVES = 40, 5
_TOLD_TITLE = 40
Place = tuple[int, int]


class SessionCalls:
    """The calls of a run about some users; a context that closes their file.

    Args:
        run: run folder, which holds calls.
        users: their ids; calls about anybody else are passed over.

    Raises:
        LogError: the file is damaged.
    """

    def __init__(self, run: Path, users: Collection[int]) -> None:
        self._path = run / FILE_NAME
        self._file = open_calls(run)
        self._ids: dict[int, list[int]] = defaultdict(list)
        wanted = {str(user): user for user in users}
        try:
            for number, subject in self._file.execute(_WHOM):
                if subject in wanted:
                    self._ids[wanted[subject]].append(number)
        except sqlite3.Error as error:
            self._file.close()
            raise damaged(self._path, error) from error

    def __enter__(self) -> SessionCalls:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def of(self, user: int, shown: Mapping[Place, Sequence[Collection[str]]], parts: dict[str, list[str]]) -> list[Any]:
        """Return the calls about a user in the order in which they were made.

        The file does not say for which recommender a page was asked about. A call is told of those whose page it names item
        by item, of all of them (``arms`` is None) where it names the items of none.

        Args:
            user: id of the user.
            shown: by visit and page, for each recommender the titles on its page, as ``told_title`` gives them; none where it
                has no such page.
            parts: of prompts by their hash, name and text; those that are new are added.

        Raises:
            LogError: the file is damaged.
        """
        try:
            return [self._call(number, shown, parts) for number in self._ids.get(user, ())]
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(self._path, error) from error

    def _call(self, number: int, shown: Mapping[Place, Sequence[Collection[str]]], parts: dict[str, list[str]]) -> Any:
        key, role, model, form, hashes, asked, nonce, *rest = self._file.execute(_CALL, (number,)).fetchone()
        status, cause, reply, cached, seconds, read, written = rest
        if reply is None and status == "answered":
            found = self._file.execute(_ANSWER, (key,)).fetchone()
            reply = None if found is None else found[0]
        prompt = json.loads(hashes)
        for one in (*prompt, asked):
            if one not in parts:
                name, text = self._file.execute(_PART, (one,)).fetchone()
                parts[one] = [printable(name), printable(text)]
        place = _place(nonce)
        text = "\n".join(parts[one][1] for one in prompt)
        told = {"role": role, "model": model, "form": form, "prompt": prompt, "asked": asked, "status": status, "cause": cause}
        told |= {"cached": bool(cached), "seconds": plain_number(seconds), "read": read, "written": written}
        told |= {"arms": None if place is None else _arms(text, shown.get(place, ())), "place": place}
        return told | ({} if reply is None else _reply(load_reply(reply)))


def told_title(title: str) -> str:
    """Return of an item's title what every prompt that names the item holds: its beginning, since long ones are cut."""
    return safe_text(title, _TOLD_TITLE).rstrip("…")


def _place(nonce: str) -> Place | None:
    """Return the visit and page that end a nonce; None for what was asked apart from any page."""
    *_, visit, page = ("", "", *nonce.split())
    return (int(visit), int(page)) if visit.isdecimal() and page.isdecimal() else None


def _arms(prompt: str, shown: Sequence[Collection[str]]) -> list[int] | None:
    """Return the places of the recommenders all of whose titles a prompt holds; None where it is nobody's or anybody's."""
    found = [arm for arm, titles in enumerate(shown) if titles and all(title in prompt for title in titles)]
    return found or None


def _reply(reply: RawReply) -> dict[str, Any]:
    texts: list[str] = [printable(text) for text in (*reply.texts, *([reply.refusal] if reply.refusal else []))]
    calls = [printable(json.dumps(call, ensure_ascii=False)) for call in reply.calls]
    likely = [
        [printable(choice.token), *_likeliest(choice.alternatives)]
        for tokens in reply.tokens[:1]
        for choice in tokens[:_TOLD_TOKENS]
    ]
    chances = [[plain_number(chance) for chance in row] for row in reply.probabilities]
    more = {"calls": calls, "likely": likely, "chances": chances, "finish": "" if reply.finish == "stop" else reply.finish}
    return {"texts": texts} | {name: value for name, value in more.items() if value}


def _likeliest(alternatives: Iterable[tuple[str, float]]) -> list[list[Any]]:
    return [[printable(text), plain_number(math.exp(chance))] for text, chance in [*alternatives][:_TOLD_ALTERNATIVES]]
