"""The files of a run folder, and the refusal to write where something is.

A run folder holds:

    manifest.json               the resolved settings, versions, seed and data fingerprints
    segments.jsonl              one line a finished segment: arm, number, rows, SHA-256 of its files
    impressions/*.parquet       one row a slot shown
    pages/*.parquet             one row a page
    visits/*.parquet            one row a visit
    events/*.parquet            one row an event; in runs with a clock alone
    tool_calls/*.parquet        one row a tool that an agent asked for; of the arms of agents alone
    turns, dialogues/*.parquet  one row an act of either side, and one a dialogue; in conversations alone
    items, users                .parquet: titles and the data's own ids, and what the log is judged by
    held_out                    .parquet: ratings that the log is judged by; logs of environments lack them
    friends                     .parquet: who knows whom; in runs where users have friends alone
    enrichment.jsonl            what was written about items before users arrived; where a scenario asks for it alone
    timings, serving            .parquet: clock times, and what each recommender took; apart from the log, so that the log
                                compares byte for byte
    counts                      .parquet: what recommenders counted while they served; where one counts anything alone
    traceback.txt               where a plug-in crashed, if one did; a folder that holds nothing else counts as empty
    .lock, .report.lock         who is writing it; gone when nobody is

and what later steps add: texts of users, calls of language models, metrics, the report.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from recsim_llm.core.files import TORN
from recsim_llm.errors import RunExistsError

__all__ = [
    "COMPARISON_SETTINGS",
    "INDEX",
    "LOCK",
    "MANIFEST",
    "REPORT_LOCK",
    "RUN_FOLDER",
    "SOMETIMES",
    "TABLES",
    "TALK",
    "TRACEBACK",
    "is_run",
    "refuse_used_folder",
    "remove_torn_files",
]

MANIFEST = "manifest.json"
"""Name of the manifest."""
RUN_FOLDER = "run folder"
"""What errors call it."""
COMPARISON_SETTINGS = "comparison_settings.json"
"""Name of what a comparison was begun with; its folder holds it before anything else."""
INDEX = "segments.jsonl"
"""Name of the index of segments."""
LOCK, REPORT_LOCK = ".lock", ".report.lock"
"""Names of the files that say who is writing a folder, and who its report."""
TRACEBACK = "traceback.txt"
"""Name of the file that says where a plug-in crashed."""
TALK = ("turns", "dialogues")
"""Names of the tables that only conversations have."""
SOMETIMES = ("events", "tool_calls", *TALK)
"""Names of the tables that most runs have none of: events are of runs with a clock, calls of tools of arms that are agents."""
TABLES = ("impressions", "pages", "visits", *SOMETIMES)
"""Names of the log's tables, each a folder of Parquet files."""


def refuse_used_folder(
    out: Path,
    what: str,
    *,
    expected: str = "a new folder",
    remedy: str = "choose another",
    empty: bool = True,
    but: Collection[str] = (),
) -> None:
    """See to it that nothing is overwritten; locks and files that a kill left half-written are nothing.

    Args:
        out: the folder that is going to be written.
        what: who writes it, for the error.
        expected: for the error.
        remedy: for the error.
        empty: whether an empty folder will do; else nothing at all may stand there.
        but: names of files that may be there, since they are gone on with.

    Raises:
        RunExistsError: something stands there already.
    """
    if not empty and (out.exists() or out.is_symlink()):
        raise RunExistsError(f"{what}: got {out}, which exists, expected {expected}; {remedy}")
    if out.exists() and (not out.is_dir() or any(not _is_leftover(path) and path.name not in but for path in out.iterdir())):
        raise RunExistsError(f"{what}: got {out}, which holds files, expected {expected}; {remedy}")


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run or a comparison, finished or not, that can be gone on with."""
    return (folder / MANIFEST).is_file() or (folder / COMPARISON_SETTINGS).is_file()


def remove_torn_files(folder: Path) -> None:
    """Remove what a kill left half-written right in a folder; to be called by the only one who writes it."""
    for torn in folder.glob("*" + TORN):
        shutil.rmtree(torn) if torn.is_dir() else torn.unlink()


def _is_leftover(path: Path) -> bool:
    return path.name in (LOCK, REPORT_LOCK, TRACEBACK) or path.name.endswith(TORN)
