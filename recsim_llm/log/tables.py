"""Tables of a run folder beside its log: one Parquet file each, written and read whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError
from recsim_llm.log.column_types import refuse_nulls, refuse_other_types

__all__ = [
    "COUNTS",
    "FRIENDS",
    "HELD_OUT",
    "INTERVIEWS",
    "ITEMS",
    "PRICE",
    "RATED_BEFORE",
    "SERVING",
    "TEXTS",
    "TIMINGS",
    "USERS",
    "USER_KEYS",
    "add_serving",
    "add_timings",
    "has_table",
    "join_counts",
    "join_serving",
    "keep_counts",
    "read_table",
    "table_path",
    "write_table",
]

ITEMS = pa.schema(
    [
        ("item_id", pa.int64()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", pa.list_(pa.string())),
        ("provider", pa.string()),
        ("popularity", pa.int64()),
        ("item_key", pa.string()),
    ]
)
"""``items``: one row an item. ``year`` and ``provider`` are null where unknown; ``popularity`` counts ratings in the training
part; ``item_key`` is the data's own id where it is a text, null everywhere where ``item_id`` is the data's own."""
PRICE = "price"
"""Further column of ``items``, float, where the data have prices: what each item costs before any intervention."""
USER_KEYS = pa.schema([("user_id", pa.int64()), ("user_key", pa.string())])
"""``users`` of an environment's log: one row a user of the population. ``user_key`` is the data's own id where it is a text,
null where ``user_id`` is the data's own."""
USERS = pa.schema(
    [
        *USER_KEYS,
        ("activity_tercile", pa.string()),
        ("diversity_tercile", pa.string()),
        ("mainstreamness_tercile", pa.string()),
        ("history_popularity", pa.float64()),
        ("history_genres", pa.map_(pa.string(), pa.float64())),
    ]
)
"""``users`` of a run: one row a user of the population, its own id as above; after these, one column a demographic field.
Terciles of traits are ``low``, ``middle`` or ``high``, null where all users are alike. ``history_popularity`` is the mean
popularity of what the user rated in the training part, null for users without ratings (synthetic ones); ``history_genres`` the
weight of each genre there, each item spread over its genres."""
FRIENDS = pa.schema([("user_id", pa.int64()), ("friend_id", pa.int64())])
"""``friends``: one row a pair of users who know each other, in runs where users have friends alone."""
HELD_OUT = pa.schema([("user_id", pa.int64()), ("item_id", pa.int64()), ("rating", pa.float32())])
"""``held_out``: one row a rating of the population's users after the training part; none for synthetic users. ``rating`` is
null where the data are clicks or purchases."""
RATED_BEFORE = pa.schema([("user_id", pa.int64()), ("item_id", pa.int64()), ("rating", pa.float32())])
"""``rated_before``: one row a rating of the population's users in the training part, in runs whose users read words on pages
alone: what an explanation says of a user is held against it."""
TEXTS = pa.schema(
    [
        ("arm", pa.string()),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("position", pa.int16()),
        ("item_id", pa.int64()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("title", pa.string()),
        ("rating", pa.float32()),
        ("judged", pa.float32()),
    ]
)
"""``texts``: one row a text. ``kind`` is ``review``, or of reasons ``taken`` (of a page's items) or ``left`` (after it);
``position`` and what is of an item are null for reasons; ``judged`` is the judge's mean stars; ``text`` and ``judged`` are null
where the model's replies could not be used."""
INTERVIEWS = pa.schema(
    [
        ("arm", pa.string()),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("question", pa.string()),
        *((f"level_{level}", pa.float32()) for level in range(1, 6)),
        ("mean", pa.float32()),
    ]
)
"""``interviews``: one row a visit and statement: the probability of each level of agreement, 1 not at all to 5 fully, and their
mean."""
TIMINGS = pa.schema([("arm", pa.string()), ("visit", pa.int32()), ("page", pa.int32()), ("seconds", pa.float64())])
"""``timings``: one row a page of the batch: seconds since its arm was begun."""


SERVING = pa.schema(
    [
        ("arm", pa.string()),
        ("pages", pa.int64()),
        ("fit_seconds", pa.float64()),
        ("recommend_seconds", pa.float64()),
        ("observe_seconds", pa.float64()),
        ("requests", pa.int64()),
        ("retries", pa.int64()),
        ("bytes_sent", pa.int64()),
        ("bytes_received", pa.int64()),
        ("failures", pa.map_(pa.string(), pa.int64())),
        ("stopped", pa.string()),
        ("model_calls", pa.int64()),
        ("model_hits", pa.int64()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("dollars", pa.float64()),
    ]
)
"""``serving``: one row each time that an arm was served, so that an arm that was stopped and resumed has several. ``pages``
asked of its recommender; wall-clock seconds in each of its methods; of a recommender behind HTTP the requests sent (every
attempt, and the description), those of them that repeat a failed one, bytes of bodies, and failed attempts by cause, all null
for others; ``stopped``: why it was not served to the end, null where it was; what its recommender asked of the language model
of the role ``policy`` meanwhile: replies received, answers from a cache, tokens read and written in these replies, and US
dollars, null where prices are not known; all null in runs without that role."""

COUNTS = pa.schema(
    [
        ("arm", pa.string()),
        ("what", pa.string()),
        ("of", pa.string()),
        ("share", pa.bool_()),
        ("user_id", pa.int64()),
        ("amount", pa.float64()),
        ("cases", pa.float64()),
    ]
)
"""``counts``: what recommenders counted while they served, one row a count and user; only where one counts anything. ``amount``
of what was counted in ``cases`` of what it is told of; ``share``: every case counts for 0 or 1."""


_SCHEMAS = {
    "items": ITEMS,
    "users": USERS,
    "friends": FRIENDS,
    "held_out": HELD_OUT,
    "rated_before": RATED_BEFORE,
    "texts": TEXTS,
    "interviews": INTERVIEWS,
    "timings": TIMINGS,
    "serving": SERVING,
    "counts": COUNTS,
}
"""Columns of the tables by name."""
_NEVER_NULL = {
    "items": ("item_id", "genres"),
    "users": ("user_id", "history_genres"),
    "friends": ("user_id", "friend_id"),
    "held_out": ("user_id", "item_id"),
    "rated_before": ("user_id", "item_id"),
}
"""Of some of them, the columns that hold something in every row."""


def table_path(run: Path, name: str) -> Path:
    """Return where a table lies."""
    return run / f"{name}.parquet"


def has_table(run: Path, name: str) -> bool:
    """Tell whether a run folder holds a table."""
    return table_path(run, name).is_file()


def write_table(run: Path, name: str, table: pa.Table, *, compression: str = "zstd") -> Path:
    """Write a table; equal tables give equal bytes, and a kill leaves the old file or the new one."""
    sink, path = pa.BufferOutputStream(), table_path(run, name)
    pq.write_table(table, sink, compression=compression)
    write_atomically(path, sink.getvalue().to_pybytes())
    return path


def read_table(run: Path, name: str, columns: Sequence[str] = ()) -> pa.Table:
    """Read a table.

    Args:
        run: the run folder.
        name: of the table.
        columns: that must be there, beside whatever else is.

    Raises:
        LogError: it is missing or damaged, or lacks a column.
    """
    path = table_path(run, name)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error
    missing = set(columns) - set(table.schema.names)
    if missing:
        raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(columns)}; start a new run")
    if name in _SCHEMAS:
        refuse_other_types(path, table.schema, _SCHEMAS[name], table.schema.names)
        refuse_nulls(path, table, _NEVER_NULL.get(name, ()))
    return table


def add_timings(run: Path, rows: Sequence[tuple[str, int, int, float]]) -> None:
    """Append rows of ``TIMINGS`` to those that are there; no rows write nothing."""
    if rows:
        _append(run, "timings", TIMINGS, [dict(zip(TIMINGS.names, row, strict=True)) for row in rows])


def add_serving(run: Path, row: Mapping[str, Any]) -> None:
    """Append a row of ``SERVING`` to those that are there; what it lacks is null."""
    _append(run, "serving", SERVING, [row])


def keep_counts(run: Path, arm: str, rows: pa.Table) -> None:
    """Write what the recommender of an arm counted, in place of what an earlier try at the arm left.

    Args:
        run: the run folder.
        arm: its name.
        rows: of ``COUNTS``; nothing is written for none.
    """
    if has_table(run, "counts"):
        kept = read_table(run, "counts", COUNTS.names).cast(COUNTS)
        rows = pa.concat_tables([kept.filter(pc.not_equal(kept["arm"], arm)), rows])
    if len(rows):
        write_table(run, "counts", rows, compression="snappy")


def join_counts(out: Path, folders: Sequence[Path]) -> None:
    """Give the folder of joined runs what the recommenders counted in each of them; their users differ."""
    tables = [read_table(folder, "counts", COUNTS.names) for folder in folders if has_table(folder, "counts")]
    if tables:
        write_table(out, "counts", pa.concat_tables(tables), compression="snappy")


def join_serving(out: Path, folders: Sequence[Path]) -> None:
    """Give the folder of joined runs their rows of ``SERVING``."""
    tables = [read_table(folder, "serving", SERVING.names) for folder in folders if has_table(folder, "serving")]
    if tables:
        write_table(out, "serving", pa.concat_tables(tables), compression="snappy")


def _append(run: Path, name: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    table = pa.Table.from_pylist(list(rows), schema=schema)
    if has_table(run, name):
        table = pa.concat_tables([read_table(run, name, schema.names).cast(schema), table])
    write_table(run, name, table, compression="snappy")
