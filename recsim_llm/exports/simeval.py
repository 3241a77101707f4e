"""Sessions for SimEval-IR: its JSON schema, a line a session, beside an account of what the schema cannot hold.

Source: SimEval-IR, arXiv:2604.27878, section 3.2 (schema) and 3.3 (loss accounting); ``core/session.py`` of
https://github.com/searchsim-org/simeval-ir.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.data.exposure_logs.simeval_sessions import SCHEMA_VERSION, SESSIONS_FILE
from recsim_llm.dynamics.clock import HOURS
from recsim_llm.exports.arm_log import BACK, SEARCH, Portion
from recsim_llm.exports.source import ExportSource

__all__ = ["write_simeval"]

_MAPPED = ["user_id", "visit", "page", "position", "item_id", "title", "clicked", "rating", "propensity", "stop_reason"]
_LOST = [
    *("prefix_propensity", "slate_propensity", "examine_prob", "click_prob", "examined", "watched", "liked", "text"),
    *("reward", "satisfaction", "leave_prob", "next_action", "invalid_slots", "demographics"),
]
_WORDS = ("explanation", "shown_title", "plain_click_prob", "trust")
_NOTES = [
    "a visit is a session of type search, and a page a serp_view: users were offered items and asked for nothing, so that "
    "there is no query_issued",
    "timestamp and dwell_time are null: the log has no times within a visit",
    "propensity and title are in the meta of ranked items, rating in that of clicks, visit and its end in that of sessions",
    "ranks count from 1; a blank slot leaves its rank out",
]
_ASKED = (
    "the meta of a page that was searched or looked at again says how, and which query it answers; it has no event of its own"
)
_TIMED = "day and hour of a visit, of a run with a clock, are in the meta of its session; events beside pages are left out"


def write_simeval(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``sessions.jsonl`` and ``losses.json``, in UTF-8.

    Sessions are in the order of the exported users' ids and their visits. ``losses.json`` has the keys of SimEval-IR's loss
    accounting manifest: ``source_format``, ``target_format``, ``sessions_processed``, ``sessions_skipped``, ``fields_mapped``,
    ``fields_lost``, ``transformation_notes``, and ``blank_slots``.

    Returns:
        What was written, and what was left out, by name.
    """
    timed, acting = source.log.timed, source.log.calls_tools
    written = {"sessions": 0, "pages": 0, "clicks": 0, "blank_slots_left_out": 0}
    with (folder / SESSIONS_FILE).open("w", encoding="utf-8", newline="\n") as stream:
        for portion in source.portions():
            for session in _sessions(source, portion):
                stream.write(json.dumps(session, ensure_ascii=False) + "\n")
                written["sessions"] += 1
            written["pages"] += len(portion.page)
            written["clicks"] += int(portion.clicked.sum())
            written["blank_slots_left_out"] += int((portion.item_id < 0).sum())
    losses = {
        "source_format": "recsim_llm run",
        "target_format": "simeval-ir",
        "sessions_processed": written["sessions"],
        "sessions_skipped": 0,
        "fields_mapped": [*_MAPPED, *(("day", "hour") if timed else ())],
        "fields_lost": [
            *_LOST,
            *(("intent", "friend_id", "events") if timed else ()),
            *(_WORDS if source.log.worded else ()),
            *(("tool_calls",) if acting else ()),
        ],
        "transformation_notes": [*_NOTES, *([_TIMED] if timed else []), *([_ASKED] if source.log.asks else [])],
        "blank_slots": written["blank_slots_left_out"],
    }
    (folder / "losses.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")
    return written


def _sessions(source: ExportSource, portion: Portion) -> Iterator[dict[str, Any]]:
    first = portion.first.tolist()
    users = source.identities.labels(portion.user_id)
    for start, stop in zip(first, [*first[1:], len(users)], strict=True):
        last = stop - 1
        name = f"{users[start]}-{portion.visit[start]}"
        events = [event for row in range(start, stop) for event in _events(source, portion, row, f"{name}-{row - start}")]
        yield {
            "schema_version": SCHEMA_VERSION,
            "session_id": name,
            "dataset_id": source.log.arm,
            "session_type": "search",
            "user_id": str(users[start]),
            "topic_id": None,
            "domain": "recommendation",
            "events": events,
            "meta": {
                "visit": int(portion.visit[start]),
                "ended": "left" if portion.left[last] else "max_pages" if portion.out_of_pages[last] else None,
                **_when(int(portion.hour[start])),
            },
        }


def _when(hour: int) -> dict[str, int]:
    return {} if hour < 0 else dict(zip(("day", "hour"), divmod(hour, HOURS), strict=True))


def _events(source: ExportSource, portion: Portion, row: int, name: str) -> Iterator[dict[str, Any]]:
    """Yield the page, where it shows anything, and the clicks on it, where there are any."""
    shown = np.flatnonzero(portion.item_id[row] >= 0)
    labels = source.item_labels(portion.item_id[row, shown])
    places = source.item_index(portion.item_id[row, shown]).tolist()
    items, clicks = [], []
    for slot, label, place in zip(shown.tolist(), labels, places, strict=True):
        stars, chance = float(portion.rating[row, slot]), float(portion.propensity[row, slot])
        where: dict[str, Any] = {"doc_id": str(label), "rank": slot + 1}
        meta = {"title": str(source.catalog.title[place])} | ({} if np.isnan(chance) else {"propensity": chance})
        items.append(where | {"score": None, "judged_relevance": None, "meta": meta})
        if portion.clicked[row, slot]:
            clicks.append(where | {"dwell_time": None, "meta": {} if np.isnan(stars) else {"rating": stars}})
    page = int(portion.page[row])
    if items:
        yield _event(f"{name}-page", "serp_view", "system", page, **_came_about(portion, row)) | {"ranked_items": items}
    if clicks:
        yield _event(f"{name}-clicks", "click", "user", page) | {"clicked_items": clicks}


def _came_about(portion: Portion, row: int) -> dict[str, str]:
    """Return how a page came about that was not recommended, and what was typed for it."""
    if portion.how is None or portion.query is None or portion.how[row] not in (SEARCH, BACK):
        return {}
    query = portion.query[row]
    return {"how": str(portion.how[row])} | ({} if query is None else {"query": str(query)})


def _event(name: str, kind: str, role: str, page: int, **more: str) -> dict[str, Any]:
    empty = ("timestamp", "query", "utterance", "ranked_items", "clicked_items", "dialogue_act", "response_to")
    return {
        "event_id": name,
        "type": kind,
        "turn_id": page,
        "role": role,
        **dict.fromkeys(empty),
        "meta": {"page": page, **more},
    }
