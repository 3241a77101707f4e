"""Files beside a run's log that a report shows: what is damaged is named, and how it is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsim_llm.errors import LogError

__all__ = ["DAMAGE", "showing"]

DAMAGE = (ArithmeticError, AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError)
"""What plain values raise that are not what their file is said to hold."""


@contextmanager
def showing(path: Path, verb: str) -> Iterator[None]:
    """Turn what goes wrong while a file's content is laid out into an error that names the file.

    Args:
        path: of the file.
        verb: command that writes it.

    Raises:
        LogError: something did.
    """
    try:
        yield
    except LogError:
        raise
    except DAMAGE as error:
        got = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        raise LogError(f"{path}: got {got}, expected what `recsim-llm {verb}` writes; remove it, or make it anew") from error
