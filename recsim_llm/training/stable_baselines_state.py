"""Whole states of Stable-Baselines3's algorithms as files of numbers; the library's own files hold pickles, which could run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.array_files import read_arrays
from recsim_llm.numerics.torch_files import read_tensors

__all__ = ["read_state", "write_state"]

_STATE, _BUFFER = "state.pt", "buffer.npz"
_TENSORS = ("log_ent_coef", "ent_coef_tensor")
"""What is learned beside the networks (SAC), where there is one."""
_COUNTERS = (
    *("num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_current_progress_remaining", "exploration_rate"),
    *("_episode_num", "_n_updates", "_n_calls"),
)
"""How far an algorithm is, for its schedules."""


def write_state(model: Any, folder: Path) -> None:
    """Write networks, optimisers, counters and the replay buffer where there is one.

    Args:
        model: ``stable_baselines3.common.base_class.BaseAlgorithm``.
        folder: exists.
    """
    import torch

    state = {
        "parameters": model.get_parameters(),
        "tensors": {name: getattr(model, name).detach() for name in _TENSORS if hasattr(model, name)},
        "counters": {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)},
    }
    torch.save(state, folder / _STATE)
    if getattr(model, "replay_buffer", None) is not None:
        columns = _columns(model.replay_buffer)
        place = {"pos": np.array(model.replay_buffer.pos), "full": np.array(model.replay_buffer.full)}
        np.savez(folder / _BUFFER, **columns, **place)  # type: ignore[arg-type] # A name of its own is none of these.


def read_state(model: Any, folder: Path) -> None:
    """Take what ``write_state`` wrote in place of a model's own; nothing in the files is run.

    Args:
        model: made with the same settings.
        folder: where it was written.

    Raises:
        Exception: whatever numbers of other shapes make the library raise.
    """
    state = read_tensors(folder / _STATE)
    model.set_parameters(state["parameters"], device="cpu")
    for name, value in state["tensors"].items():
        getattr(model, name).data.copy_(value)
    for name, value in state["counters"].items():
        if name in _COUNTERS and isinstance(value, int | float):
            setattr(model, name, value)
    if getattr(model, "replay_buffer", None) is not None:
        _fill(model.replay_buffer, read_arrays(folder / _BUFFER))


def _columns(buffer: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a replay buffer by name, those of observations in parts by the names of both."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name, value in vars(buffer).items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        found |= {f"{name}/{part}": column for part, column in parts if isinstance(column, np.ndarray)}
    return found


def _fill(buffer: Any, state: dict[str, npt.NDArray[Any]]) -> None:
    for name, column in _columns(buffer).items():
        if state[name].shape != column.shape or state[name].dtype != column.dtype:
            raise ValueError(f"{name} of shape {state[name].shape}, not {column.shape}")
        column[:] = state[name]
    place = int(state["pos"])
    if not 0 <= place < buffer.buffer_size:
        raise ValueError(f"a buffer at row {place} of {buffer.buffer_size}")
    buffer.pos, buffer.full = place, bool(state["full"])
