"""Which environment may write to a log folder: one, in the process that made it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakValueDictionary

import gymnasium

from recsim_llm.errors import ConfigError, RecSimError, RunExistsError
from recsim_llm.log.folders import INDEX, refuse_used_folder

__all__ = ["LogPlace", "carry_refusal", "claim_place", "find_refusal"]

_NATIVE = (
    "for many users in one log use gymnasium.make_vec('RecSimLLM/Browse-v0', num_envs=n, "
    "vectorization_mode='vector_entry_point', log=...)"
)
_PARENT = ("gymnasium.vector.async_vector_env", "__init__")
"""Who makes one environment more for its spaces, where errors are heard: module and function."""
_WORKERS = {
    ("gymnasium.vector.async_vector_env", "_async_worker"),
    ("stable_baselines3.common.vec_env.subproc_vec_env", "_worker"),
}
"""Who makes environments in processes of their own."""
_CLAIMS: WeakValueDictionary[Path, LogPlace] = WeakValueDictionary()


class LogPlace:
    """A folder that was given to one environment; nothing stands there before ``open``.

    Args:
        folder: the folder, as the system names it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._process = folder, os.getpid()
        self.opened = False
        self.refusal: RunExistsError | None = None
        """Why the environment lost it again."""

    @property
    def here(self) -> bool:
        """Whether this is the process that was given the folder, not a fork of it."""
        return os.getpid() == self._process

    def open(self) -> None:
        """Make the folder and take it.

        Raises:
            ConfigError: it cannot be made.
            RunExistsError: another environment was given it too, or something stands there by now.
        """
        if self.refusal is not None:
            raise self.refusal
        refuse_used_folder(self.folder, "log", remedy=f"choose another, or {_NATIVE}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Fails if another process is faster.
            (self.folder / INDEX).open("xb").close()
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self.opened = True

    def release(self) -> None:
        """Give the folder back."""
        if _CLAIMS.get(self.folder) is self:
            del _CLAIMS[self.folder]


def claim_place(folder: Path) -> LogPlace:
    """Give a folder to an environment.

    Raises:
        ConfigError: it could not be made.
        RunExistsError: something stands there; or another environment of this process was given it and is still there. That one
            loses it as well unless it has written: it is one of several, of which none is the one that is meant.
    """
    # As the system names it, however it is spelled, and wherever the program goes until its first page.
    path = Path(os.path.realpath(folder))
    other = _CLAIMS.get(path)
    if other is not None and other.here:
        error = RunExistsError(f"log: got {folder} for several environments, expected one for each; {_NATIVE}")
        if not other.opened:
            other.refusal = error
            other.release()
        raise error
    refuse_used_folder(folder, "log")
    _try_to_make(folder)
    place = _CLAIMS[path] = LogPlace(path)
    return place


def find_refusal(folder: Path) -> ConfigError | None:
    """Say why an environment cannot have a log where it is being made: it is one of many, each in a process of its own.

    Returns:
        The error where it cannot be raised: in a worker, whose end the main process would hear of as a broken connection.
        None where nothing is wrong.

    Raises:
        ConfigError: the same, in the main process.
    """
    error = ConfigError(f"log: got {folder} for environments in processes of their own, expected one writer; {_NATIVE}")
    frame = sys._getframe(1).f_back
    while frame is not None:
        caller = frame.f_globals.get("__name__"), frame.f_code.co_name
        if caller == _PARENT:
            raise error
        if caller in _WORKERS and multiprocessing.parent_process() is not None:
            return error
        frame = frame.f_back
    return None


def carry_refusal(spaces: Iterable[gymnasium.Space[Any]], refusal: RecSimError) -> None:
    """Make spaces raise an error where they are unpickled: of a worker's environment they come to the main process first."""
    told = (_refuse, (str(refusal),))
    for space in spaces:
        space.__class__ = type(type(space).__name__, (type(space),), {"__reduce__": lambda _: told})


def _refuse(message: str) -> NoReturn:
    raise ConfigError(message)


def _try_to_make(folder: Path) -> None:
    """Make a folder with all above it, and take away again what was not there before."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "not writable")
    except OSError as error:
        raise _unusable(folder, error) from error
    finally:
        for path in missing:
            if path.is_dir():
                path.rmdir()


def _unusable(folder: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileExistsError):
        return RunExistsError(f"log: got {folder}, which another environment writes to, expected one for each; {_NATIVE}")
    return ConfigError(f"log: got {folder} ({error.strerror}), expected a folder that can be written; choose another")
