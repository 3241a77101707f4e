"""Runs the cells of the matrix of faults in a process of their own, which may fork, and returns what came of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from fault_matrix import Cell

SUPPORT = Path(__file__).parent


def run_cells(folder, *words):
    """Run the cells whose names have all the words; return results by cell.

    Raises:
        RuntimeError: the harness itself failed.
    """
    results = folder / "results.jsonl"
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(SUPPORT),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    command = [sys.executable, str(SUPPORT / "fault_cells.py"), str(folder), str(results), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    return {Cell(*line["cell"]): line for line in lines}
