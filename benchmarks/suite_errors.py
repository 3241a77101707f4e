"""How often the suite tells two recommenders apart that are alike: random pages against random pages with other dice.

Prints the share of comparisons with a false verdict, and the share of intervals of a profile that leave out zero, each with its
Wilson interval: ``python benchmarks/suite_errors.py runs/suite-errors --comparisons 20``. What was run before is gone on with.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.uniform import RandomRecommender
from recsim_llm.scenarios.block_runs import tell_nobody
from recsim_llm.scenarios.suite import play_suite
from recsim_llm.scenarios.suite_probes import SEEDS, choose_probes
from recsim_llm.scenarios.suite_profiles import judge_row, make_row, profile_tasks, read_arms
from recsim_llm.statistics import share_estimate

PROBES = ("pages", "visits", "drift", "bubble")


class OtherDice(RandomRecommender):
    """Random pages, drawn with other dice than those of the same run's ``random``."""

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Begin with another seed."""
        super().fit(catalog, ratings, seed + 1)


def main() -> None:
    """Play, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--comparisons", type=int, default=20)
    parser.add_argument("--users", type=int, default=60)
    options = parser.parse_args()
    first, second = read_arms(["random", f"{Path(__file__).stem}:OtherDice"])
    probes = [probe._replace(changes={**probe.changes, "users.count": options.users}) for probe in choose_probes(PROBES)]
    seeds = range(1000, 1000 + len(SEEDS) * options.comparisons)
    tasks = profile_tasks(options.out, first, second, probes, seeds=seeds)
    found = play_suite(options.out, tasks, processes=os.cpu_count() or 1, tell=tell_nobody)
    wrong, beyond = [], []
    for start in range(0, len(seeds), len(SEEDS)):
        mine = set(seeds[start : start + len(SEEDS)])
        row = make_row(first, second, probes, [found[task.folder] for task in tasks if task.scenario.seed in mine])
        wrong.append(any(one["verdict"] in ("more", "less") for one in judge_row(row)))
        beyond += [one.low is not None and one.high is not None and not one.low <= 0 <= one.high for one in row.measures]
    for said, hits in (("comparisons with a false verdict", wrong), ("intervals of a profile without zero", beyond)):
        share = share_estimate(np.array(hits, np.float64))
        print(f"{said}: {sum(hits)} of {len(hits)}, {share.text(3)}")


if __name__ == "__main__":
    main()
