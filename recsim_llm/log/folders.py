"""The files of a run folder, and the refusal to write where something is.

A run folder holds:

    manifest.json               the resolved settings, versions, seed and data fingerprints
    segments.jsonl              one line a finished segment: arm, number, rows, SHA-256 of its files
    impressions/*.parquet       one row a slot shown
    pages/*.parquet             one row a page
    visits/*.parquet            one row a visit
    items, users                .parquet: titles and the data's own ids, and what the log is judged by
    held_out                    .parquet: ratings that the log is judged by; logs of environments lack them
    timings.parquet             clock times, apart from the log so that the log compares byte for byte
    traceback.txt               where a plug-in crashed, if one did; a folder that holds nothing else counts as empty

and what later steps add: texts of users, calls of language models, metrics, the report.
"""

from __future__ import annotations

from pathlib import Path

from recsim_llm.errors import RunExistsError

__all__ = ["INDEX", "MANIFEST", "TABLES", "TRACEBACK", "refuse_used_folder"]

MANIFEST = "manifest.json"
"""Name of the manifest."""
INDEX = "segments.jsonl"
"""Name of the index of segments."""
TRACEBACK = "traceback.txt"
"""Name of the file that says where a plug-in crashed."""
TABLES = ("impressions", "pages", "visits")
"""Names of the log's tables, each a folder of Parquet files."""


def refuse_used_folder(
    out: Path, what: str, *, expected: str = "a new folder", remedy: str = "choose another", empty: bool = True
) -> None:
    """See to it that nothing is overwritten.

    Args:
        out: the folder that is going to be written.
        what: who writes it, for the error.
        expected: for the error.
        remedy: for the error.
        empty: whether an empty folder will do; else nothing at all may stand there.

    Raises:
        RunExistsError: something stands there already.
    """
    if not empty and (out.exists() or out.is_symlink()):
        raise RunExistsError(f"{what}: got {out}, which exists, expected {expected}; {remedy}")
    if out.exists() and (not out.is_dir() or any(path.name != TRACEBACK for path in out.iterdir())):
        raise RunExistsError(f"{what}: got {out}, which holds files, expected {expected}; {remedy}")
