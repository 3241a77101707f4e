"""Visits page by page told as conversations: what recommenders wrote beside their items, and what users said back.

Of runs whose users read words on pages (``presentation``) or say a word about them (``remarks``). A visit is a dialogue, a page
a turn: the recommender recommends the page's items, each with its explanation and the title it was shown under; the user
accepts what it clicked, refuses a page of which it took nothing, and criticises where it asked for something in words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsim_llm.conversation.acts import (
    ACCEPT,
    CRITIQUE,
    CRITIQUES,
    LESS,
    MORE,
    NOT_THIS,
    POLICY_ACTS,
    RECOMMEND,
    REFUSE,
    STOPS,
    USER_ACTS,
)
from recsim_llm.conversation.transcripts import LoggedAct, Transcript
from recsim_llm.dynamics.remarks import read_requests
from recsim_llm.exports.arm_log import Portion
from recsim_llm.exports.dialogues import page_lead
from recsim_llm.exports.source import ExportSource

__all__ = ["PAGE_LOST", "PAGE_MAPPED", "PAGE_NOTES", "page_transcripts"]

PAGE_MAPPED = (
    *("user_id", "visit", "page", "item_id", "clicked", "text", "explanation", "shown_title"),
    *("stop_reason", "satisfaction"),
)
"""Columns of such a log that conversations hold."""
PAGE_LOST = (
    *("arm", "position", "propensity", "prefix_propensity", "slate_propensity", "examine_prob", "click_prob"),
    *("plain_click_prob", "leave_prob", "examined", "watched", "rating", "liked", "dwell", "clicks", "invalid_slots"),
    *("reward", "next_action", "decided_by", "disagreement", "memories_dropped", "trust"),
)
"""Columns that they do not hold."""
PAGE_NOTES = (
    "users do not talk in this run: a visit is told as a dialogue and a page as a turn, in which what was clicked is accepted "
    "and a page of which nothing was taken is refused; such acts have no probability of their own",
    "explanations, shown titles and what users said are the log's words, the rest is made by templates",
    "what was accepted, of the whole, is what was clicked last; a dialogue ends as left, or as max_turns with the last page",
)
"""What else a reader must know."""
_MORE, _LESS = "more", "less"
_FINAL = {True: STOPS.index("left"), False: STOPS.index("max_turns")}


def page_transcripts(source: ExportSource) -> Iterator[Transcript]:
    """Yield the visits of an arm that are over, in the order of the exported users' ids, visits and pages.

    Raises:
        LogError: a file cannot be read, or an item is not in the catalog.
    """
    for portion in source.portions():
        first = portion.first.tolist()
        for start, stop in zip(first, [*first[1:], len(portion.user_id)], strict=True):
            last = stop - 1
            if portion.left[last] or portion.out_of_pages[last]:
                yield _visit(source, portion, range(start, stop))


def _visit(source: ExportSource, portion: Portion, rows: range) -> Transcript:
    last = rows[-1]
    acts = [act for row in rows for act in (_shown(source, portion, row), *_answered(source, portion, row))]
    taken = portion.item_id[rows.start : rows.stop][portion.clicked[rows.start : rows.stop]]
    return Transcript(
        user_id=int(portion.user_id[last]),
        visit=int(portion.visit[last]),
        acts=tuple(acts),
        stop_reason=STOPS[_FINAL[bool(portion.left[last])]],
        accepted=int(taken[-1]) if taken.size else None,
        goal_item=None,
        satisfaction=float(portion.satisfaction[last]),
        turn_satisfaction=tuple(float(value) for value in portion.satisfaction[rows.start : rows.stop]),
    )


def _shown(source: ExportSource, portion: Portion, row: int) -> LoggedAct:
    items = portion.item_id[row][portion.item_id[row] >= 0].tolist()
    text = _page_words(source, portion, row) if items else None
    return LoggedAct(int(portion.page[row]) + 1, "policy", POLICY_ACTS[RECOMMEND], None, None, None, tuple(items), None, text)


def _page_words(source: ExportSource, portion: Portion, row: int) -> str | None:
    """Return the words of a page; None where it has none, so that a template makes some."""
    reasons, titles = portion.explanation[row], portion.shown_title[row]
    slots = np.flatnonzero(portion.item_id[row] >= 0).tolist()
    searched = portion.how is not None and portion.how[row] != "recommended"
    if not searched and not any(words[slot] for words in (reasons, titles) for slot in slots):
        return None
    lines = [page_lead(portion, row)]
    for slot in slots:
        title = _title(source, int(portion.item_id[row, slot]))
        shown = f', shown as "{titles[slot]}"' if titles[slot] else ""
        lines.append(f"'{title}'{shown}" + (f": {reasons[slot]}" if reasons[slot] else ""))
    return "\n".join(lines)


def _answered(source: ExportSource, portion: Portion, row: int) -> Iterator[LoggedAct]:
    """Yield what the user made of a page: what was taken or that nothing was, then what it asked for."""
    turn, said = int(portion.page[row]) + 1, portion.text[row]
    slots = np.flatnonzero(portion.clicked[row]).tolist()
    asked = [slot for slot in np.flatnonzero(portion.item_id[row] >= 0).tolist() if said[slot] and _asking(source, said[slot])]
    passed = [slot for slot, words in enumerate(said) if words and slot not in slots and slot not in asked]
    items = tuple(portion.item_id[row, slots].tolist())
    words = None
    if remarks := [str(said[slot]) for slot in slots if said[slot] and slot not in asked]:
        titles = ", ".join(f"'{_title(source, item)}'" for item in items)
        words = " ".join([f"Yes, I take {titles}.", *remarks])
    act = USER_ACTS[ACCEPT if slots else REFUSE]
    yield LoggedAct(turn, "user", act, None, None, None, items, None, words)
    for slot in sorted([*asked, *passed]):
        kind, genre = _asking(source, said[slot]) or (NOT_THIS, None)
        attribute = None if genre is None else "genre"
        about = () if genre is not None else (int(portion.item_id[row, slot]),)
        criticised = (USER_ACTS[CRITIQUE], attribute, genre, CRITIQUES[kind])
        yield LoggedAct(turn, "user", *criticised, about, None, str(said[slot]))


def _asking(source: ExportSource, text: str) -> tuple[int, str] | None:
    """Return the kind of critique and the genre that words ask more or less of; None where they ask for no genre."""
    names = source.catalog.genre_names
    for asking in read_requests(text, names):
        if asking.kind in (_MORE, _LESS):
            return (MORE if asking.kind == _MORE else LESS), names[asking.subject]
    return None


def _title(source: ExportSource, item: int) -> str:
    return " ".join(str(source.catalog.title[source.place_of(item)]).split())
