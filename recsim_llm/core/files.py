"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["TORN", "write_atomically"]

TORN = ".part"
"""End of the name of a file that is being written; one that a kill leaves behind holds nothing of worth."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it into place.

    Raises:
        OSError: it cannot be written, for instance on a full disk; the old file is as it was, and nothing is left beside it.
    """
    temporary = path.with_name(path.name + TORN)
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
