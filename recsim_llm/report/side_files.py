"""Files beside a run's log that a report shows: what is damaged is named, and how it is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from recsim_llm.errors import LogError, RecSimError

__all__ = ["DAMAGE", "reading", "showing"]

DAMAGE = (ArithmeticError, AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError)
"""What plain values raise that are not what their file is said to hold."""


@contextmanager
def reading(path: Path, verb: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into an error that names the file.

    Args:
        path: of the file.
        verb: command that writes it.

    Raises:
        LogError: something did.
    """
    try:
        yield
    except (OSError, RecSimError, *DAMAGE) as error:
        raise _damaged(path, verb, error) from error


@contextmanager
def showing(path: Path, verb: str) -> Iterator[None]:
    """Turn what goes wrong while a file's content is laid out into an error that names the file.

    Errors of the machine pass: pictures are written meanwhile, and a full disk is no fault of the file.

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
        raise _damaged(path, verb, error) from error


def _damaged(path: Path, verb: str, error: BaseException) -> LogError:
    remedy = "check the path" if isinstance(error, OSError) else "remove it"
    return LogError(f"{path}: got {_found(error)}, expected what `recsim-llm {verb}` writes; {remedy}, or make it anew")


def _found(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return f"{'.'.join(map(str, error.errors()[0]['loc'])) or 'text'} that does not fit"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
