"""Print the table of recommenders that the guide shows, from what ``compare --json`` wrote.

recsim-llm compare classics --metrics clicks_per_user --out runs/fictional --json fictional.json
recsim-llm compare classics --metrics clicks_per_user --data ml-latest-small --out runs/films --json films.json
python scripts/documentation/recommender_table.py fictional.json films.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsim_llm.report import numbers

METRIC = "clicks_per_user"


def lines(comparisons: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the lines of the table: clicks a user with interval, and the difference with the first recommender, corrected.

    Args:
        comparisons: by name of the data, in the order of columns; rows are ordered by the first.
    """
    ordering = next(iter(comparisons.values()))
    first = ordering["arms"][0]
    worlds = [f"{name}: clicks of {one['users']} users, seed {one['seed']}" for name, one in comparisons.items()]
    head = ["recommender", *(cell for world in worlds for cell in (world, f"more than `{first}`"))]
    best_first = sorted(ordering["arms"], key=lambda arm: -ordering["values"][METRIC][arm]["value"])
    rows = [[f"`{arm}`", *(cell for one in comparisons.values() for cell in cells(one, arm))] for arm in best_first]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] + ["--:"] * (len(head) - 1), *rows)]


def cells(comparison: dict[str, Any], arm: str) -> tuple[str, str]:
    """Return what one recommender got, and how much more than the first."""
    first = comparison["arms"][0]
    effects = [
        numbers.with_interval(numbers.read_estimate(one["effect"]), sign=True)
        for one in comparison["comparisons"]
        if (one["metric"], one["arm"], one["against"]) == (METRIC, arm, first)
    ]
    return numbers.with_interval(numbers.read_estimate(comparison["values"][METRIC][arm])), "".join(effects)


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    sys.stdout.write("\n".join(lines({path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths})) + "\n")
