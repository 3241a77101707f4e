"""Networks of learners: their weights as files, and answers that do not depend on the batch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.files import write_atomically
from recsim_llm.envs.observations import Observation
from recsim_llm.errors import LogError

__all__ = ["fixed_batches", "read_weights", "write_weights"]

_WEIGHTS = "weights.npz"
_ROWS = 256


def write_weights(folder: Path, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays by name to ``weights.npz``; equal arrays give equal bytes.

    Args:
        folder: exists.
        weights: of any shape, numbers.
    """
    stream = io.BytesIO()
    np.savez(stream, **dict(weights))  # type: ignore[arg-type] # A name of its own, allow_pickle, is none of a weight.
    write_atomically(folder / _WEIGHTS, stream.getvalue())


def read_weights(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Return what ``write_weights`` wrote; nothing in the file is executed.

    Raises:
        LogError: the file is missing or damaged.
    """
    path = folder / _WEIGHTS
    try:
        return read_arrays(path)
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: got {error}, expected a policy's weights as they were written; train again") from error


def fixed_batches(observation: Observation) -> Iterator[tuple[slice, int, Observation]]:
    """Cut a batch into parts of one size, the last one filled up with zeros.

    Matrix libraries round products of other shapes otherwise, so that a row's answer would hang on the batch that it came in.

    Args:
        observation: columns of ``r`` rows.

    Yields:
        which rows; how many; and the columns, with as many rows every time.
    """
    rows = len(next(iter(observation.values())))
    for start in range(0, rows, _ROWS):
        here = min(_ROWS, rows - start)
        part = {name: column[start : start + here] for name, column in observation.items()}
        if here < _ROWS:
            part = {
                name: np.concatenate([column, np.zeros_like(column, shape=(_ROWS - here, *column.shape[1:]))])
                for name, column in part.items()
            }
        yield slice(start, start + here), here, part
