"""What came of a training, as plain values: the curve, the last policies beside the baselines, and the check for exploits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.log.tables import read_table
from recsim_llm.statistics import CONFIDENCE, crossed_mean, crossed_ratio
from recsim_llm.training.evaluation_table import EVALUATION_SCHEMA, POLICY_ARM
from recsim_llm.training.exploit_check import check_exploits
from recsim_llm.training.training_folder import EVALUATION, read_progress, read_training_manifest
from recsim_llm.training.training_plan import BASELINES

__all__ = ["summarise_training"]

_ENDS = {"pages": (0.0, np.inf), "clicks": (0.0, np.inf), "satisfaction": (0.0, 1.0), "left": (0.0, 1.0)}
"""Between which values a measure lies; a reward may be anything."""
_MEASURES = ("reward", "discounted", "pages", "clicks", "satisfaction", "left")


def summarise_training(run: Path) -> dict[str, Any]:
    """Sum up a training folder, finished or not.

    Returns:
        For JSON: ``curve`` (of each checkpoint that all begun seeds reached: ``steps``, the mean return with its interval, and
        the seeds' own), ``arms`` (of the last of them and the baselines: mean and interval of each measure a user),
        ``against`` (the policies' return less a baseline's, and as a share of it), ``exploits`` and what was trained.

    Raises:
        ConfigError: the folder is none of a training.
        LogError: its files are damaged.
    """
    manifest = read_training_manifest(run)
    table = _Table(run)
    curve = [_point(table, checkpoint) for checkpoint in range(table.checkpoints)]
    baselines = [name for name in BASELINES if name in table.arms]
    last = table.checkpoints - 1
    arms = [{"arm": POLICY_ARM, **{name: _measured(table.policies(last, name), name) for name in _MEASURES}}]
    arms += [{"arm": name, **{m: _measured(table.baseline(name, m)[None], m) for m in _MEASURES}} for name in baselines]
    settings = manifest["settings"]
    reward = settings["train"]["reward"] or settings["reward"]
    return {
        "scenario": manifest["scenario"],
        "algorithm": manifest["training"],
        "reward": reward,
        "gamma": settings["train"]["gamma"],
        "steps": settings["train"]["steps"],
        "rows": settings["train"]["rows"],
        "seed": manifest["seed"],
        "seeds": len(read_progress(run)),
        "done": all(seed["done"] for seed in read_progress(run)) and len(read_progress(run)) == len(manifest["seeds"]),
        "training_users": manifest["users"],
        "held_out_users": manifest["evaluation"]["users"],
        "confidence": CONFIDENCE,
        "curve": curve,
        "arms": arms,
        "against": [_against(table, last, name) for name in baselines],
        "exploits": check_exploits(
            run / EVALUATION, table.policies, table.baseline, last=last, baselines=baselines, reward=reward
        ),
        "worst": _worst(table, last),
    }


class _Table:
    """``evaluation.parquet``, by arm, checkpoint and seed; users in the order of their ids everywhere."""

    def __init__(self, run: Path) -> None:
        self._table = read_table(run, "evaluation", EVALUATION_SCHEMA.names)
        self.arms = set(self._table["arm"].unique().to_pylist())
        policies = self._table.filter(pc.equal(self._table["arm"], POLICY_ARM))
        self.seeds = sorted(policies["seed"].unique().to_pylist())
        reached = [pc.max(policies.filter(pc.equal(policies["seed"], seed))["checkpoint"]).as_py() for seed in self.seeds]
        self.checkpoints = min(reached) + 1
        """Checkpoints that every seed reached."""
        self._policies = policies

    def policies(self, checkpoint: int, measure: str) -> DoubleArray:
        """Return float64 [seeds, users]: a measure of every seed's policy."""
        at = self._policies.filter(pc.equal(self._policies["checkpoint"], checkpoint))
        return np.stack([np.array(at.filter(pc.equal(at["seed"], seed))[measure], np.float64) for seed in self.seeds])

    def baseline(self, arm: str, measure: str) -> DoubleArray:
        """Return float64 [users]: a measure of a baseline."""
        return np.array(self._table.filter(pc.equal(self._table["arm"], arm))[measure], np.float64)

    def steps(self, checkpoint: int) -> int:
        """Return the steps before a checkpoint."""
        at = self._policies.filter(pc.equal(self._policies["checkpoint"], checkpoint))
        return int(at["steps"][0].as_py())

    @property
    def user_id(self) -> list[int]:
        """Outside ids of the users."""
        first = self._policies.filter(pc.and_(pc.equal(self._policies["checkpoint"], 0), pc.equal(self._policies["seed"], 0)))
        ids: list[int] = first["user_id"].to_pylist()
        return ids


def _point(table: _Table, checkpoint: int) -> dict[str, Any]:
    values = table.policies(checkpoint, "reward")
    return {
        "checkpoint": checkpoint,
        "steps": table.steps(checkpoint),
        **asdict(crossed_mean(values)),
        "seeds": values.mean(axis=1).tolist(),
        "satisfaction": float(table.policies(checkpoint, "satisfaction").mean()),
    }


def _against(table: _Table, checkpoint: int, baseline: str) -> dict[str, Any]:
    """Return the policies' return less a baseline's on the same users, and as a share of it (delta method)."""
    own, other = table.policies(checkpoint, "reward"), table.baseline(baseline, "reward")
    share = crossed_ratio(own, np.broadcast_to(other, own.shape))
    return {
        "baseline": baseline,
        "difference": asdict(crossed_mean(own - other)),
        "share": None if share.value is None else asdict(share),
    }


def _worst(table: _Table, checkpoint: int) -> list[dict[str, Any]]:
    """Return the users with whom the policies fell furthest behind popularity."""
    own, other = table.policies(checkpoint, "reward").mean(axis=0), table.baseline("popularity", "reward")
    order = np.argsort(own - other, kind="stable")[:5]
    return [
        {"user_id": table.user_id[at], "policy": float(own[at]), "popularity": float(other[at])}
        for at in order.tolist()
        if own[at] < other[at]
    ]


def _measured(values: DoubleArray, measure: str) -> dict[str, Any]:
    return asdict(crossed_mean(values).within(*_ENDS.get(measure, (-np.inf, np.inf))))
