"""One writer a folder, or a file: a lock that the operating system takes back when its process ends, however it ends.

The lock is on a file of its own, in the folder or beside the file, which says who holds it. A process that is killed leaves
that behind and no lock: the next one takes it over. It is removed on release, together with the folders that were made for it
where they are still empty, so that what is refused leaves nothing behind.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from recsim_llm.errors import ConfigError, FolderInUseError, RunExistsError, is_full
from recsim_llm.log.folders import LOCK, REPORT_LOCK

__all__ = ["FolderLock", "lock_file", "lock_folder", "lock_report"]

_TRIES_AT_ONCE = 3  # A holder may be just about to remove its file.
_TRIES = 100
_PAUSE = 0.1
_LARGEST_NOTE = 200
_held = dict[Path, "FolderLock"]()


class FolderLock:
    """A lock that this process holds; ``lock_folder`` takes one. Leaving it as a context releases it."""

    def __init__(self, path: Path, descriptor: int, made: list[Path]) -> None:
        self._path, self._descriptor, self._made = path, descriptor, made
        self.thread, self.times = threading.get_ident(), 1

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Let others write the folder; a lock that was taken several times is released as often."""
        # A forked child has a copy of this object, but not the lock.
        if _held.get(self._path) is not self:
            return
        self.times -= 1
        if self.times:
            return
        del _held[self._path]
        # Removed while the lock is still held: whoever opened it before finds that it is no longer the folder's.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)
        _remove(self._made)


def lock_folder(folder: Path, what: str) -> FolderLock:
    """Make a folder that nobody else may write until the lock is released; it is made where it is missing.

    The thread that holds the lock may take it again.

    Args:
        folder: to be written.
        what: it is, for the error: ``run folder``.

    Raises:
        FolderInUseError: another process or thread is writing it; the text says which and since when.
        RunExistsError: a file stands there.
        ConfigError: the folder cannot be made or written.
    """
    return _take(folder, LOCK, what, tries=_TRIES_AT_ONCE)


def lock_file(path: Path, what: str) -> FolderLock:
    """Let nobody else write a file, and what is kept beside it, until the lock is released; others in its folder may be.

    Args:
        path: of the file, there or not.
        what: it is, for the error: ``calibration``.

    Raises:
        FolderInUseError: another process or thread is writing it; the text says which and since when.
        ConfigError: its folder cannot be made or written.
    """
    return _take(path.parent, f".{path.name}{LOCK}", what, tries=_TRIES_AT_ONCE, shown=path)


def lock_report(folder: Path) -> FolderLock:
    """Wait until nobody else writes the report of a run folder, and let nobody else until the lock is released.

    A run may go on meanwhile: what a report is made of is read from finished segments alone.

    Raises:
        FolderInUseError: another process has been writing the report for ten seconds and more.
        ConfigError: the folder cannot be written.
    """
    return _take(folder, REPORT_LOCK, "report", tries=_TRIES)


def _take(folder: Path, name: str, what: str, *, tries: int, shown: Path | None = None) -> FolderLock:
    # As the system names it, so that one folder has one lock however it is spelled.
    path = Path(os.path.realpath(folder)) / name
    known = _held.get(path)
    if known is not None and known.thread == threading.get_ident():
        known.times += 1
        return known
    if path.parent.exists() and not path.parent.is_dir():
        raise RunExistsError(f"{what}: got {folder}, which is a file, expected a new folder; choose another")
    made: list[Path] = []
    try:
        descriptor = _wait(path, tries, made)
        if descriptor is None:
            raise FolderInUseError(
                f"{what}: got {shown or folder}, in use by {_holder(path)}, expected one that nobody is writing; wait for its "
                "end, or choose another"
            )
        _note(descriptor, path)
    except OSError as error:
        _remove(made)
        if is_full(error):
            error.filename = str(folder)
            raise
        raise ConfigError(
            f"{what}: got {folder} ({error.strerror or error}), expected a folder that can be made and written; choose another"
        ) from error
    lock = _held[path] = FolderLock(path, descriptor, made)
    return lock


def _wait(path: Path, tries: int, made: list[Path]) -> int | None:
    """Return the descriptor of the locked file, None where somebody else holds the lock to the end; note folders made."""
    while tries:
        # What a holder removed between two of these steps is made again.
        with suppress(FileNotFoundError):
            made += _make_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if _lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        tries -= 1
        if tries:
            time.sleep(_PAUSE)
    return None


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and return those that were missing, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # What is locked there cannot be read by others: a byte behind what the file says.

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _note(descriptor: int, path: Path) -> None:
    """Say in the locked file who holds it."""
    since = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"process {os.getpid()} since {since}\n".encode())
    except BaseException:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        raise


def _holder(path: Path) -> str:
    try:
        noted = path.read_text(encoding="utf-8", errors="replace")[:_LARGEST_NOTE]
    except OSError:
        noted = ""
    return " ".join(noted.split()) or "another process"


def _remove(made: list[Path]) -> None:
    """Remove folders that were made for a lock, as far as they are empty."""
    for folder in reversed(made):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def _forget() -> None:
    """Give a forked child no share in its parent's locks, which would outlive the parent."""
    for lock in _held.values():
        os.close(lock._descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
