"""The files of a training folder.

manifest.json               what is trained: settings, seeds, what the policy sees, versions, fingerprints
progress.json               checkpoints reached, by seed; a kill loses what was learned since the last one
checkpoints/SEED-NUMBER/    the learner's whole state at the last checkpoint; gone when its seed is done
policy/SEED/                the policy of each finished seed: terms.json and what the learner wrote
evaluation.parquet          one row a user, checkpoint and seed, and one a user and baseline
evaluation/                 an ordinary run: the policies, the baselines and the oracle on the held-out users
report.html, figures/       learning curve with its data, what the policies show, the check for exploits
tensorboard/                where TensorBoard is installed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log.folders import MANIFEST

__all__ = [
    "CHECKPOINTS",
    "EVALUATION",
    "POLICY",
    "TRAINING_FOLDER",
    "is_training",
    "read_progress",
    "read_training_manifest",
    "write_progress",
]

TRAINING_FOLDER = "training folder"
"""What errors call it."""
POLICY, CHECKPOINTS, EVALUATION = "policy", "checkpoints", "evaluation"
"""Names of its folders."""
_PROGRESS = "progress.json"
_KEYS = ("training", "seeds", "settings", "policy", "evaluation")


def is_training(folder: Path) -> bool:
    """Tell whether a folder was written by ``recsim-llm train``, finished or not."""
    try:
        manifest = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "training" in manifest


def read_training_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a training folder's manifest.

    Raises:
        ConfigError: there is none.
        LogError: it cannot be used.
    """
    path = folder / MANIFEST
    if not is_training(folder):
        got = "which does not exist" if not folder.exists() else "which was not made by `recsim-llm train`"
        raise ConfigError(f"{TRAINING_FOLDER}: got {folder}, {got}, expected one of its folders; check the path")
    manifest = read_json(path)
    missing = [key for key in _KEYS if key not in manifest]
    if missing:
        raise LogError(f"{path}: got no {missing[0]!r}, expected {', '.join(_KEYS)}; restore the file or train again")
    checked: dict[str, Any] = manifest
    return checked


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """Return of each seed that was begun: the last ``checkpoint``, the ``steps`` before it, and ``done``.

    Raises:
        LogError: the file is damaged.
    """
    path = folder / _PROGRESS
    if not path.is_file():
        return []
    try:
        seeds: list[dict[str, Any]] = read_json(path)["seeds"]
        for seed in seeds:
            if not all(isinstance(seed[key], int) for key in ("checkpoint", "steps", "done")):
                raise ValueError(f"{seed}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path}: got {error}, expected the checkpoints that were reached; restore it or train again") from error
    return seeds


def write_progress(folder: Path, seeds: Sequence[Mapping[str, Any]]) -> None:
    """Write how far each seed is; a kill leaves the old file or the new one."""
    write_atomically(folder / _PROGRESS, json.dumps({"seeds": list(seeds)}, indent=2).encode() + b"\n")
