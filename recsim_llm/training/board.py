"""Curves for TensorBoard, where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["Board", "open_board"]


class Board:
    """Writes curves of every seed, one run of TensorBoard each; nothing where TensorBoard is not installed.

    Args:
        folder: to write to; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writers = dict[int, Any]()

    def write(self, seed: int, steps: int, **curves: float | None) -> None:
        """Add a point to each curve that has one."""
        if self._folder is None:
            return
        if seed not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[seed] = SummaryWriter(str(self._folder / f"seed-{seed}"))
        for name, value in curves.items():
            if value is not None:
                self._writers[seed].add_scalar(f"return/{name}", value, steps)
        self._writers[seed].flush()

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()


def open_board(out: Path) -> Board:
    """Return what writes to ``tensorboard/`` of a training folder."""
    installed = all(find_spec(name) is not None for name in ("tensorboard", "torch"))
    return Board(out / "tensorboard" if installed else None)
