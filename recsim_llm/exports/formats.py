"""A new folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from recsim_llm.errors import ConfigError, is_full
from recsim_llm.log.folders import refuse_used_folder

__all__ = ["new_folder"]


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Lend a hidden folder beside ``out``, and rename it to ``out`` when the body ends without an error.

    Args:
        out: the folder to make; nothing may stand there.

    Yields:
        The folder to write into; it is removed where the body fails.

    Raises:
        RunExistsError: something stands there already.
        ConfigError: the folder cannot be made or written.
        OSError: the disk is full.
    """
    out = Path(os.path.abspath(out))
    refuse_used_folder(out, "export", empty=False)
    draft = out.with_name(f".{out.name}.{token_hex(4)}.part")
    try:
        draft.mkdir(parents=True)
        yield draft
        for path in (path for path in draft.rglob("*") if path.is_file()):
            _flush(path)
        refuse_used_folder(out, "export", empty=False)
        draft.rename(out)
    except OSError as error:
        if is_full(error):
            error.filename = str(out)
            raise
        raise ConfigError(
            f"export: got {error.strerror or error} for {out}, expected a folder that can be written; choose another"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
