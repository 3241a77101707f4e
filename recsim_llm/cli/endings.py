"""How the command ends: its exit status, and one line on what failed, what is kept, and how it goes on.

| status | meaning |
| --- | --- |
| 0 | done |
| 1 | the machine did not let it: a full disk, no memory, a folder that went away |
| 2 | bad input, a limit that was reached, or a plug-in that broke its contract |
| 3 | `run --expect` or `suite` is done, and not everything holds that was expected or handed in |
| 130, 143 | stopped by Ctrl-C, by SIGTERM |
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from recsim_llm.errors import BudgetExceeded, ConfigError, DataError, LogError, RecSimError, RunExistsError, is_full
from recsim_llm.log.folders import MANIFEST, is_run
from recsim_llm.log.manifest import read_manifest
from recsim_llm.log.segments import read_segments

__all__ = ["Terminated", "ending", "go_on", "go_on_by_calls", "go_on_by_folder", "heed_signals"]


_BEGINS_ANEW = "nothing is left half-written; the same command begins anew"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: everything ends as after Ctrl-C."""


@contextmanager
def heed_signals() -> Iterator[None]:
    """Have SIGTERM end things as Ctrl-C does, and a second of either end the process at once."""

    def stop(number: int, _: FrameType | None) -> None:
        for each in former:
            signal.signal(each, signal.SIG_DFL)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    try:
        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # Not in the main thread, where signals are not ours to heed.
        yield
        return
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def go_on(how: str) -> Iterator[None]:
    """Note on whatever ends the body early what is kept and how it goes on; empty where nothing is kept.

    Bad input ends it the next time too, whether it is an option, the data or a damaged file, so that its own line says it all.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not isinstance(error, ConfigError | DataError) and not _is_damage(error):
            error.add_note(how)
        raise


def _is_damage(error: BaseException) -> bool:
    """Tell whether an error comes again until what is damaged is mended, which its own line says."""
    return isinstance(error, LogError) and not error.passing


@contextmanager
def go_on_by_calls(out: Path, seed: int) -> Iterator[None]:
    """Note likewise that an audit or card goes on by its command, once a model's answers are kept in its folder."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        from recsim_llm.language.calls.calls_file import FILE_NAME

        if (out / FILE_NAME).exists() and not isinstance(error, RunExistsError) and not _is_damage(error):
            # Of a seed that was drawn, too: under another one nothing that was answered is asked again.
            again = f"--seed {seed} --out {shlex.quote(str(out))}"
            error.add_note(f"what the model answered is kept; give the same command with {again}")
        raise


@contextmanager
def go_on_by_folder(out: Path) -> Iterator[None]:
    """Note likewise that a run or comparison goes on by its folder, once it has begun there.

    Settings that cannot work, such as too few users to judge, and damage would end it the next time too, and get no note.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_run(out) and not isinstance(error, ConfigError) and not _is_damage(error):
            folder = shlex.quote(str(out))
            shown = "" if not _can_be_reported(out) else f", `recsim-llm report {folder}` shows it"
            higher = f" {error.option} N" if isinstance(error, BudgetExceeded) and error.option else ""
            again = "" if _was_changed_by_hand(out) else f"; go on with `recsim-llm resume {folder}{higher}`"
            error.add_note(f"what was done is kept{shown}{again}")
        raise


def _was_changed_by_hand(out: Path) -> bool:
    with suppress(RecSimError):
        return bool(read_manifest(out).get("by_hand"))
    return False


def _can_be_reported(out: Path) -> bool:
    with suppress(RecSimError):
        return (out / MANIFEST).is_file() and any(segment.rows.get("pages") for segment in read_segments(out) or ())
    return False


def ending(error: BaseException) -> tuple[str, int]:
    """Return the one line for what ended the command, and its exit status.

    Args:
        error: a ``RecSimError``, ``KeyboardInterrupt``, ``OSError``, ``sqlite3.Error`` or ``MemoryError``.
    """
    # Where in a shard an error was raised is a note of many lines, for those who ask for tracebacks.
    notes = [note for note in getattr(error, "__notes__", []) if "\n" not in note]
    if isinstance(error, RecSimError):
        return "; ".join([str(error), *notes]), 2
    if isinstance(error, KeyboardInterrupt):
        by, status = ("SIGTERM", 143) if isinstance(error, Terminated) else ("Ctrl-C", 130)
        return f"stopped by {by}; " + ("; ".join(notes) or _BEGINS_ANEW), status
    what, remedy = _trouble(error)
    return "; ".join([what, remedy, *(notes or [_BEGINS_ANEW])]), 1


def _trouble(error: BaseException) -> tuple[str, str]:
    """Return what the machine did not let happen, and what to do."""
    if isinstance(error, MemoryError):
        return "got no more memory, expected enough", "lower --n-users, or close other programs"
    if isinstance(error, OSError):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        where = f" for {' and '.join(names)}" if names else ""
        remedy = "make room on the disk" if is_full(error) else "see that the path is right and can be read and written"
        return f"got {error.strerror or ' '.join(str(error).split())}{where}, expected a file to read or write", remedy
    return f"got {error} from a SQLite file, expected one that can be read and written", "make room on the disk"
