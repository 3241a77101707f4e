"""``evaluation.parquet``: what came of every held-out user at every checkpoint, and with every baseline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recsim_llm.log.tables import has_table, read_table, write_table
from recsim_llm.training.held_out_evaluation import Evaluated

__all__ = ["EVALUATION_SCHEMA", "POLICY_ARM", "EvaluationTable"]

POLICY_ARM = "policy"
"""What the table calls the policies; all other arms are baselines."""
_NAME = "evaluation"
EVALUATION_SCHEMA = pa.schema(
    [
        ("arm", pa.string()),
        ("seed", pa.int32()),
        ("checkpoint", pa.int32()),
        ("steps", pa.int64()),
        ("user_id", pa.int64()),
        ("reward", pa.float64()),
        ("discounted", pa.float64()),
        ("pages", pa.int64()),
        ("clicks", pa.int64()),
        ("visits", pa.int64()),
        ("satisfaction", pa.float64()),
        ("left", pa.bool_()),
        ("last_reward", pa.float64()),
        ("invalid", pa.int64()),
    ]
)
"""Columns of the table: those of ``Evaluated`` after ``arm`` (``policy`` or a baseline), ``seed`` and ``checkpoint`` (from 0)
and ``steps`` learned before it; the last three are null for baselines."""


class EvaluationTable:
    """The table of a training folder, written anew as a whole with every checkpoint.

    Args:
        run: the training folder; what stands in it already is read.
        reached: the last checkpoint of each seed; rows of later ones are of a checkpoint that a kill broke off.
    """

    def __init__(self, run: Path, reached: Mapping[int, int]) -> None:
        self._run = run
        self._parts = list[pa.Table]()
        if has_table(run, _NAME):
            table = read_table(run, _NAME, EVALUATION_SCHEMA.names).cast(EVALUATION_SCHEMA)
            seed, checkpoint = (np.array(table[name].fill_null(-1)) for name in ("seed", "checkpoint"))
            last = np.array([reached.get(number, -1) for number in range(int(seed.max(initial=0)) + 1)] + [0])
            self._parts.append(table.filter(pa.array(checkpoint <= last[seed])))

    @property
    def arms(self) -> set[str]:
        """Arms that have rows."""
        return {arm for part in self._parts for arm in part["arm"].unique().to_pylist()}

    def add(self, arm: str, found: Evaluated, *, seed: int | None = None, checkpoint: int = 0, steps: int = 0) -> None:
        """Append what came of an evaluation.

        Args:
            arm: ``POLICY_ARM``, or the baseline's name.
            found: one entry a user.
            seed: which of the seeds, from 0; None for a baseline.
            checkpoint: number of the checkpoint.
            steps: learned from before it.
        """
        users = len(found.user_id)
        numbers = (seed, checkpoint, steps) if seed is not None else (None, None, None)
        columns: dict[str, Any] = {"arm": [arm] * users, **found._asdict()}
        columns |= {name: [value] * users for name, value in zip(("seed", "checkpoint", "steps"), numbers, strict=True)}
        table = pa.table(columns)
        self._parts.append(table.select(EVALUATION_SCHEMA.names).cast(EVALUATION_SCHEMA))

    def write(self) -> None:
        """Write the whole table; a kill leaves the old one or the new one."""
        write_table(self._run, _NAME, pa.concat_tables(self._parts).combine_chunks())
