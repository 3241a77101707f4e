"""Dialogues and instructions in words, one JSON object a line, made from the log with fixed phrases and no model.

``dialogues.jsonl``, a line a visit:

==============  ======================================================================================================
dialogue_id     ``USER-VISIT``, unique in the file
arm             name of the recommender
user_id, visit  who, and which visit
messages        list of ``{"role": "user" | "assistant", "content": text}``; the user opens, then a page and what the user
                makes of it take turns
pages           list of ``{"page", "item_id", "clicked", "rating"}``: the same as columns, in the order shown; ``rating`` is
                null where no stars were given. Where users could search or look back, ``how`` the page came about
ended           ``left`` (the user ended it), ``max_pages`` (the page budget did), null (cut short by the caller)
==============  ======================================================================================================

``instructions.jsonl``, a line a task, where the user has clicked something on an earlier page:

==============  ======================================================================================================
task            ``next_click``: which items of this page; ``rating``: how many stars for an item that was clicked
instruction     what is asked
input           what is known: the last ``HISTORY`` clicks before this page, then the page or the item
output          the answer: numbered titles, a line each; or stars
arm, user_id, visit, page   where it is from
item_id         list of the ids that the output is about
==============  ======================================================================================================

Ids are the data's own: texts where the data has texts (a blank slot is then null), otherwise numbers (a blank slot is -1).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.exports.arm_log import BACK, SEARCH, Portion
from recsim_llm.exports.ratings_csv import dated_title
from recsim_llm.exports.source import ExportSource

__all__ = ["HISTORY", "page_lead", "write_dialogues"]

HISTORY = 20
"""Clicks that an instruction tells of, the latest ones."""

_OPENING = "What can you recommend?"
_OFFERS = ("Here is what I found for you:", "How about these?", "Perhaps one of these:")
_FOUND, _AGAIN = "Here is what was found for your search:", "The page before, once more:"
_NOTHING = ("Nothing for me here.", "None of these.", "These are not for me.")
_MORE = ("Show me more, please.", "What else is there?", "Next page, please.")
_LEAVING = "That is all for today."
_NEXT_CLICK = "Given what the user chose before, which items of the page shown does the user choose now?"
_RATING = "Given what the user chose before, how many stars (0.5 to 5) does the user give this item?"

_Choice = tuple[str, float]
_Line = dict[str, Any]


def write_dialogues(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``dialogues.jsonl`` and ``instructions.jsonl``, in UTF-8, as the module describes them.

    Returns:
        What was written, by name.
    """
    written = {"dialogues": 0, "instructions": 0}
    names = [_described(source, index) for index in range(len(source.catalog))]
    with (
        (folder / "dialogues.jsonl").open("w", encoding="utf-8", newline="\n") as dialogues,
        (folder / "instructions.jsonl").open("w", encoding="utf-8", newline="\n") as instructions,
    ):
        for portion in source.portions():
            for stream, kind, lines in (
                (dialogues, "dialogues", _dialogues(source, portion, names)),
                (instructions, "instructions", _instructions(source, portion, names)),
            ):
                for line in lines:
                    stream.write(json.dumps({"arm": source.log.arm} | line, ensure_ascii=False) + "\n")
                    written[kind] += 1
    return written


def _dialogues(source: ExportSource, portion: Portion, names: list[str]) -> Iterator[_Line]:
    first = portion.first.tolist()
    users = source.identities.labels(portion.user_id)
    shown = source.item_index(portion.item_id).tolist()
    for start, stop in zip(first, [*first[1:], len(users)], strict=True):
        messages = [{"role": "user", "content": _OPENING}]
        for row in range(start, stop):
            offer = _offer(shown[row], names, page_lead(portion, row), portion.explanation[row].tolist())
            messages.append({"role": "assistant", "content": offer})
            titles = [_title(source, item) if item >= 0 else "" for item in shown[row]]
            messages.append({"role": "user", "content": _reaction(portion, row, titles)})
        last = stop - 1
        yield {
            "dialogue_id": f"{users[start]}-{portion.visit[start]}",
            "user_id": users[start],
            "visit": int(portion.visit[start]),
            "messages": messages,
            "pages": [_page(source, portion, row) for row in range(start, stop)],
            "ended": "left" if portion.left[last] else "max_pages" if portion.out_of_pages[last] else None,
        }


def _offer(items: list[int], names: list[str], lead: str, reasons: list[str | None]) -> str:
    told = enumerate(zip(items, reasons, strict=True), start=1)
    return "\n".join(
        [lead, *(f"{place}. {names[item]}{f' – {why}' if why else ''}" for place, (item, why) in told if item >= 0)]
    )


def page_lead(portion: Portion, row: int) -> str:
    """Return what is said before a page: of one that was searched or looked at again, that it was."""
    how = None if portion.how is None else portion.how[row]
    if how == BACK:
        return _AGAIN
    if how == SEARCH:
        query = None if portion.query is None else portion.query[row]
        return _FOUND if query is None else f'{_FOUND[:-1]} "{query}":'
    return _OFFERS[int(portion.page[row]) % len(_OFFERS)]


def _numbered(items: list[int], names: list[str]) -> list[str]:
    return [f"{number}. {names[item]}" for number, item in enumerate(items, start=1) if item >= 0]


def _reaction(portion: Portion, row: int, titles: list[str]) -> str:
    slots, page = np.flatnonzero(portion.clicked[row]).tolist(), int(portion.page[row])
    parts = []
    for slot in slots:
        stars = float(portion.rating[row, slot])
        opinion = "" if np.isnan(stars) else f", and give it {stars:g} stars"
        parts.append(f"I take number {slot + 1}, {titles[slot]}{opinion}.")
        if portion.text[row, slot]:
            parts.append(str(portion.text[row, slot]))
    if not slots:
        parts.append(_NOTHING[page % len(_NOTHING)])
    parts += [
        str(words) for words, clicked in zip(portion.text[row], portion.clicked[row], strict=True) if words and not clicked
    ]
    if portion.left[row]:
        parts.append(_LEAVING)
    elif not portion.out_of_pages[row]:
        parts.append(_MORE[page % len(_MORE)])
    return " ".join(parts)


def _page(source: ExportSource, portion: Portion, row: int) -> _Line:
    rating = portion.rating[row].tolist()
    return {
        "page": int(portion.page[row]),
        "item_id": source.item_labels(portion.item_id[row]),
        "clicked": portion.clicked[row].tolist(),
        "rating": [None if stars != stars else stars for stars in rating],
        **({} if portion.how is None else {"how": portion.how[row]}),
    }


def _instructions(source: ExportSource, portion: Portion, names: list[str]) -> Iterator[_Line]:
    history: deque[_Choice] = deque(maxlen=HISTORY)
    whose = None
    for row, user in enumerate(portion.user_id.tolist()):
        if user != whose:
            whose = user
            history.clear()
        slots = np.flatnonzero(portion.clicked[row]).tolist()
        if not slots:
            continue
        shown = source.item_index(portion.item_id[row]).tolist()
        place = {
            "user_id": source.identities.labels(portion.user_id[row : row + 1])[0],
            "visit": int(portion.visit[row]),
            "page": int(portion.page[row]),
        }
        rating = portion.rating[row].tolist()
        if history:
            past = "The user chose before:\n" + "\n".join(_told(choice) for choice in history)
            chosen = source.item_labels(portion.item_id[row, slots])
            yield _next_click(past, shown, slots, names) | place | {"item_id": chosen}
            for slot, label in zip(slots, chosen, strict=True):
                if not np.isnan(rating[slot]):
                    yield _stars(past, names[shown[slot]], rating[slot]) | place | {"item_id": [label]}
        # The page itself is history only afterwards: nothing that is asked is told.
        history.extend((names[shown[slot]], rating[slot]) for slot in slots)


def _next_click(past: str, shown: list[int], slots: list[int], names: list[str]) -> _Line:
    page = "\n".join(["The page shows:", *_numbered(shown, names)])
    answer = "\n".join(f"{slot + 1}. {names[shown[slot]]}" for slot in slots)
    return {"task": "next_click", "instruction": _NEXT_CLICK, "input": f"{past}\n{page}", "output": answer}


def _stars(past: str, name: str, stars: float) -> _Line:
    return {"task": "rating", "instruction": _RATING, "input": f"{past}\nThe item: {name}", "output": f"{stars:g}"}


def _told(choice: _Choice) -> str:
    name, stars = choice
    return f"- {name}" if np.isnan(stars) else f"- {name}: {stars:g} stars"


def _described(source: ExportSource, item_index: int) -> str:
    genres = ", ".join(source.catalog.genres_of(item_index))
    name = _title(source, item_index)
    return f"{name} [{genres}]" if genres else name


def _title(source: ExportSource, item_index: int) -> str:
    return " ".join(dated_title(source, item_index).split())
