"""Runs written by hand, row by row, for tests of what reads them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.log import open_segments
from recsim_llm.log.schema import IMPRESSIONS, PAGES, VISITS


def make_table(schema, rows):
    # As of a tool that writes a log of its own: whatever is not said is null, also where this package always says something.
    schema = pa.schema([field.with_nullable(True) for field in schema])
    return pa.Table.from_pylist([{field.name: None for field in schema} | row for row in rows], schema=schema)


def write_table(folder, schema, rows, name="000"):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(make_table(schema, rows), folder / f"{name}.parquet")


def write_run(run, pages, *, arms, slate_size=2, max_pages=3, users=None, items=4, per_file=None, finished=None):
    """Write a run of pages, each ``(arm, user_id, visit, page, [slot, ...])``, a slot ``(item_id, rating or None)``.

    ``finished`` tells of each arm whether its last segment is there, and makes an index of one segment an arm; without it there
    is no index.
    """
    impressions, page_rows, visits = [], [], {}
    for arm, user, visit, page, slots in pages:
        key = {"arm": arm, "user_id": user, "visit": visit}
        for position, (item, rating) in enumerate(slots):
            opinion = {} if rating is None else {"rating": rating, "liked": rating >= 4, "watched": rating / 5}
            row = {"page": page, "position": position, "item_id": item, "clicked": rating is not None}
            impressions.append(key | row | opinion)
        clicks, invalid = sum(rating is not None for _, rating in slots), sum(item < 0 for item, _ in slots)
        row = {
            "page": page,
            "clicks": clicks,
            "invalid_slots": invalid,
            "reward": 2.0 * clicks,
            "satisfaction": 0.25 + 0.25 * page,
        }
        page_rows.append(key | row)
        visits.setdefault((arm, user, visit), []).append(clicks)
    ends = {True: "max_pages", False: "left"}
    visit_rows = [
        {"arm": a, "user_id": u, "visit": v, "pages": len(c), "clicks": sum(c), "stop_reason": ends[len(c) == max_pages]}
        for (a, u, v), c in visits.items()
    ]
    tables = (("impressions", IMPRESSIONS, impressions), ("pages", PAGES, page_rows), ("visits", VISITS, visit_rows))
    segments = open_segments(run) if finished else None
    for place, arm in enumerate(finished or ()):
        mine = {name: make_table(schema, [row for row in rows if row["arm"] == arm]) for name, schema, rows in tables}
        segments.add(arm, place, 0, tables=mine, last=finished[arm])
    if finished:
        segments.settle()
    for name, schema, rows in () if finished else tables:
        step = per_file or max(len(rows), 1)
        for start in range(0, max(len(rows), 1), step):
            write_table(run / name, schema, rows[start : start + step], f"{start:06d}")
    manifest = {
        "scenario": "hand",
        "arms": list(arms),
        "seed": 3,
        "slate_size": slate_size,
        "max_pages": max_pages,
        "visits": 1,
    }
    manifest |= {"users": len({page[1] for page in pages}) if users is None else users, "user_model": "choice"}
    manifest |= {"data": {"name": "none", "fingerprint": "0", "licence": "MIT"}, "versions": {"numpy": "2"}, "settings": {}}
    (run / "manifest.json").write_text(json.dumps(manifest | {"catalog": {"items": items}}), encoding="utf-8")
    return run


HAND = [
    ("a", 7, 0, 0, [(1, 4.0), (2, None)]),
    ("a", 7, 0, 1, [(3, 2.0), (-1, None)]),
    ("a", 9, 0, 0, [(1, None), (2, 5.0)]),
    ("b", 7, 0, 0, [(1, 3.0), (2, 3.0)]),
    ("b", 7, 0, 1, [(1, 3.0), (2, 3.0)]),
    ("b", 7, 0, 2, [(1, None), (2, None)]),
    ("b", 9, 0, 0, [(1, 1.0), (2, None)]),
]
