"""What differential privacy costs published counts, and who learns from them: ``python benchmarks/private_counts_cost.py``.

One line an epsilon: the mean error of a count; the share of the 100 most clicked films that the table finds; Kendall's tau-b of
the order of all films that anybody clicked; and the clicks a user of pages that show everybody the films in the table's order,
less those of the exact table's order, with 95% intervals over ``--seeds``. The counts come from a run with random pages and
other users than those who are served by them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import recsim_llm
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.exports import ArmLog, count_users, geometric_noise
from recsim_llm.log import open_run
from recsim_llm.recommenders import deterministic
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.statistics.intervals import mean_estimate

EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
TABLES: dict[str, IntArray] = {}


class InOrder:
    """Shows everybody the films in the order of a table, page by page."""

    def __init__(self, table: str) -> None:
        self._table = TABLES[table]

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Put the films into order."""
        del ratings, seed
        self._items = catalog.item_id[np.argsort(-self._table, kind="stable")]

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the next films of the order."""
        start = requests.page * k
        return deterministic(self._items[start[:, None] + np.arange(k)])

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Do nothing."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure what private counts cost.")
    parser.add_argument("--seeds", type=int, default=10, help="runs; 10 where not given")
    parser.add_argument("--first", type=int, default=2001, help="seed of the first; 2001 where not given")
    parser.add_argument("--users", type=int, default=600, help="users who are counted; 600 where not given")
    parser.add_argument("--most-items", type=int, default=10, help="items for which a user counts; 10 where not given")
    options = parser.parse_args()
    print(f"recsim_llm {recsim_llm.__version__}, {options.users} users, {options.most_items} items each, {options.seeds} runs")
    seeds = range(options.first, options.first + options.seeds)
    with TemporaryDirectory() as folder:
        measured = [measure(seed, options, Path(folder) / str(seed)) for seed in seeds]
    for name in measured[0]:
        cells = [mean_estimate(np.array([one[name][place] for one in measured])) for place in range(4)]
        print(f"{name:<14}" + "  ".join(f"{cell.text(3):>24}" for cell in cells))


def measure(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, tuple[float, ...]]:
    """Return error, share of the top, tau and clicks lost, by the name of the table."""
    world: dict[str, Any] = {"max_pages": 10, "visits": 1, "repeats": "allow", "seed": seed, "train.holdout": 0.5}
    world["users.parameters"] = {"click_bias": 2.0}
    counted = {"recommenders": ["random"], "users.count": 2 * options.users, "users.part": "training"}
    log = ArmLog(open_run(run(load_scenario("demo", world | counted), folder / "counted")), "random")
    users, items = [], []
    catalog = load_catalog()
    for portion in log.portions(np.arange(len(log.keys("user_id")[0]))):
        row, slot = np.nonzero(portion.clicked)
        users.append(portion.user_id[row])
        items.append(catalog.index_of(portion.item_id[row, slot]))
    user, item, dice = np.concatenate(users), np.concatenate(items), np.random.default_rng(seed).bytes
    TABLES["exact"] = count_users(user, item, len(catalog))
    clipped = count_users(user, item, len(catalog), most_items=options.most_items, random=dice)
    TABLES["clipped alone"] = clipped
    for epsilon in EPSILONS:
        noise = geometric_noise(len(catalog), options.most_items / epsilon, random=dice)
        TABLES[f"epsilon {epsilon:g}"] = clipped + noise
    TABLES["no counts"] = np.zeros_like(clipped)
    served = {
        "recommenders": [{"name": name, "recommender": f"{__name__}:InOrder", "settings": {"table": name}} for name in TABLES],
        "users.count": 2 * options.users,
        "users.part": "held_out",
    }
    clicks = clicks_of(run(load_scenario("demo", world | served), folder / "served"))
    return {name: (*errors(table, TABLES["exact"]), clicks[name] - clicks["exact"]) for name, table in TABLES.items()}


def errors(table: IntArray, exact: IntArray) -> tuple[float, float, float]:
    """Return the mean absolute error, the share of the top hundred found, and tau-b among films that were clicked."""
    from scipy.stats import kendalltau

    tops = [set(np.argsort(-one, kind="stable")[:100].tolist()) for one in (table, exact)]
    known = exact > 0
    tau = float(kendalltau(table[known], exact[known]).statistic) if np.ptp(table[known]) else 0.0
    return float(np.abs(table - exact).mean()), len(tops[0] & tops[1]) / 100, tau


def clicks_of(folder: Path) -> dict[str, float]:
    """Return clicks a user by arm."""
    whole = open_run(folder)
    clicks = {}
    for arm in whole.arms:
        log = ArmLog(whole, arm)
        users = len(log.keys("user_id")[0])
        clicks[arm] = sum(int(portion.clicked.sum()) for portion in log.portions(np.arange(users))) / users
    return clicks


def load_catalog() -> Catalog:
    """Return the films of the runs."""
    from recsim_llm.data import open_dataset

    return open_dataset("fictional").catalog


if __name__ == "__main__":
    main()
