"""The pace of a watched run: a thread of its own plays it, and others say when and how fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from recsim_llm.errors import ConfigError, RecSimError, hide_secrets
from recsim_llm.numerics.threads import one_thread
from recsim_llm.watch.watched_run import WatchedRun

__all__ = ["Pacer"]

_FASTEST = 1000.0


class Pacer:
    """Plays a run in a thread of its own: not before somebody says so, and never faster than is wanted.

    Args:
        run: what is played; from here on only this thread plays it.
        told: called with the error where the run cannot go on.
    """

    def __init__(self, run: WatchedRun, told: Callable[[Exception], None] = lambda _: None) -> None:
        self._run, self._told = run, told
        self._moved = threading.Condition()
        self._steps: int | None = 0  # to be played before it rests; None: all there are
        self._speed = 0.0
        self._closing = False
        self.error: Exception | None = None
        """What ended the run early."""
        self._version = 0
        self._thread = threading.Thread(target=self._play, name="watched run")
        self._thread.start()

    @property
    def version(self) -> int:
        """Rises whenever there is something new to see."""
        return self._version

    @property
    def state(self) -> str:
        """``playing``, ``paused``, ``finished`` or ``failed``."""
        if self.error is not None:
            return "failed"
        if self._run.finished:
            return "finished"
        return "paused" if self._steps == 0 else "playing"

    def snapshot(self, since: int = 0) -> dict[str, Any]:
        """Return how the run is played and where it stands, as plain values; ``since`` as of ``WatchedRun.snapshot``."""
        # Before anything else is read: what happens meanwhile is told next time rather than never.
        pace = {"version": self._version, "state": self.state, "speed": self._speed}
        error = None if self.error is None else hide_secrets(str(self.error))
        return {**pace, "error": error, **self._run.snapshot(since)}

    def play(self) -> None:
        """Play on until told otherwise."""
        self._set(None)

    def pause(self) -> None:
        """Rest after the step that goes on."""
        self._set(0)

    def step(self) -> None:
        """Play one step more, and rest."""
        self._set(1)

    def pace(self, speed: object) -> None:
        """Set the speed.

        Args:
            speed: most steps a second; 0 for as many as there can be.

        Raises:
            ConfigError: it is none.
        """
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 <= speed <= _FASTEST:
            raise ConfigError(f"speed: got {speed!r}, expected 0 to {_FASTEST:g} steps a second, 0 for any number")
        with self._moved:
            self._speed = float(speed)
            self._say()

    def changed(self) -> None:
        """Note that there is something new to see."""
        with self._moved:
            self._say()

    def close(self) -> None:
        """Stop after the page that is being answered, and wait for that."""
        with self._moved:
            self._closing = True
            self._say()
        self._thread.join()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is played; return whether that came within the time."""
        with self._moved:
            return self._moved.wait_for(lambda: self.state != "playing", seconds)

    def _set(self, steps: int | None) -> None:
        with self._moved:
            self._steps = steps
            self._say()

    def _say(self) -> None:
        self._version += 1
        self._moved.notify_all()

    @one_thread
    def _play(self) -> None:
        began = 0.0
        while self._wait_for_turn(began):
            began = time.monotonic()
            try:
                self._play_step()
            except Exception as error:
                if not isinstance(error, RecSimError | OSError):
                    # A fault of this package, or of a library: with where it is.
                    error.add_note("the watched run cannot go on")
                self.error = error
                with suppress(Exception):
                    self._told(error)
            with self._moved:
                if self.error is not None or self._run.finished:
                    self._steps = 0
                elif self._steps:
                    self._steps -= 1
                self._say()

    def _play_step(self) -> None:
        step = self._run.step()
        try:
            for _ in step:
                self.changed()
                if self._closing:
                    return
        finally:
            step.close()

    def _wait_for_turn(self, began: float) -> bool:
        """Wait until a step is wanted and due; return false once there will be none."""
        with self._moved:
            while not self._closing:
                if self.state in ("finished", "failed"):
                    self._steps = 0
                due = began + (1 / self._speed if self._speed else 0.0) - time.monotonic()
                if self._steps != 0 and due <= 0:
                    return True
                self._moved.wait(due if self._steps != 0 else None)
            return False
