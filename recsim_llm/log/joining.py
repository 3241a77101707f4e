"""Many runs of different users as one: their segments linked into a new folder, not copied."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError
from recsim_llm.log.folders import INDEX, SOMETIMES, TABLES
from recsim_llm.log.segments import encode_segments, read_segments, segment_name

__all__ = ["join_logs"]


def join_logs(out: Path, folders: Sequence[Path], arms: Sequence[str]) -> None:
    """Make a folder's log that of all the runs; doing it again after more runs, or after a kill halfway, gives the same.

    Args:
        out: the folder.
        folders: runs of the same arms, in order; an arm is finished where it is in the last of them.
        arms: names of the arms, in the order of the manifests.

    Raises:
        LogError: a run has no index.
    """
    for table in TABLES:
        if table not in SOMETIMES:
            (out / table).mkdir(exist_ok=True)
    counts: Counter[str] = Counter()
    joined = []
    for folder in folders:
        segments = read_segments(folder)
        if segments is None:
            raise LogError(f"{folder}: got no {INDEX}, expected a run; resume it first")
        for segment in segments:
            arm = str(segment.arm)
            name = segment_name(arms.index(arm), counts[arm])
            files = {table: f"{table}/{name}" for table in segment.files}
            for table, path in segment.files.items():
                _link(folder / path, out / files[table])
            last = segment.last and folder == folders[-1]
            joined.append(replace(segment, number=counts[arm], files=files, last=last))
            counts[arm] += 1
    write_atomically(out / INDEX, encode_segments(joined))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        if target.samefile(source):
            return
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)
