"""How often the audit of forgetting finds what is there, and what is not: ``python benchmarks/forgetting_errors.py``.

One line a recommender: in how many of ``--seeds`` worlds each of the three leading intervals lies above 0, and any of them.
Each seed is a world of its own: ``--users`` users of four tastes who took 12 of 100 things each, two thirds of their own taste,
and of whom ``--forgotten`` are forgotten. The first lines are clean:
fitted once more without them, with the same seed or with another one, whose pages differ though nothing is remembered. The
others keep all or a share of the forgotten, under their names or as strangers.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np

import recsim_llm
from recsim_llm.agents.audits.forgetting import forgetting
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.recommenders import EASE, ItemKNN, MatrixFactorization, Recommender
from recsim_llm.testing.unforgetting import Unforgetting


class RefittedAnew(MatrixFactorization):
    """Forgets by a fit with another seed: clean, and nothing is as it would have been."""

    def __init__(self) -> None:
        super().__init__(MatrixFactorization.Settings(factors=8, iterations=5))

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Keep what is fitted to."""
        self._fitted_to = catalog, ratings, seed
        super().fit(catalog, ratings, seed)

    def forget(self, user_id: IntArray) -> None:
        """Fit to the others, with another seed."""
        catalog, ratings, seed = self._fitted_to
        self.fit(catalog, ratings.take(~np.isin(ratings.user_id, user_id)), seed + 1)


class Deaf(RefittedAnew):
    """Says that it forgets, and does not."""

    def forget(self, user_id: IntArray) -> None:
        """Do nothing."""


def make_shop(users: int, seed: int, items: int = 100, taken: int = 12) -> Dataset:
    """Return a shop in which users take things of one of four kinds six times as often as others."""
    random = np.random.default_rng(seed)
    weight = np.where(np.arange(items) % 4 == np.arange(users)[:, None] % 4, 6.0, 1.0) * random.pareto(2.0, items).clip(0.1)
    took = [random.choice(items, taken, replace=False, p=row / row.sum()) for row in weight]
    titles = [f"thing {item}" for item in range(items)]
    catalog = Catalog.from_columns(
        item_id=np.arange(items), title=titles, genres=[["Tools"]] * items, popularity=np.ones(items)
    )
    ratings = Ratings(
        user_id=np.repeat(np.arange(users), taken),
        item_id=np.concatenate(took),
        rating=np.full(users * taken, 4.0, np.float32),
        timestamp=np.tile(np.arange(taken), users),
    )
    return Dataset(name="shop", catalog=catalog, ratings=ratings)


def keeping(**settings: object) -> Callable[[], Recommender]:
    """Return what makes recommenders that do not forget."""
    return lambda: Unforgetting(Unforgetting.Settings.read(settings, "unforgetting"))


MADE: dict[str, Callable[[], Recommender]] = {
    "item-knn, fitted anew": ItemKNN,
    "ease, fitted anew": EASE,
    "mf, fitted anew": lambda: MatrixFactorization(MatrixFactorization.Settings(factors=8, iterations=5)),
    "mf, fitted with another seed": RefittedAnew,
    "item-knn, all kept": keeping(),
    "item-knn, half kept": keeping(share=0.5),
    "item-knn, a tenth kept": keeping(share=0.1),
    "item-knn, all kept as strangers": keeping(names=False),
    "ease, all kept as strangers": keeping(base="ease", names=False),
    "mf, says that it forgets": Deaf,
    "mf, all kept": keeping(base="mf", settings={"factors": 8, "iterations": 5}),
    "mf, all kept as strangers": keeping(base="mf", settings={"factors": 8, "iterations": 5}, names=False),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Count what the audit of forgetting finds.")
    parser.add_argument("--seeds", type=int, default=100, help="worlds; 100 where not given")
    parser.add_argument("--first", type=int, default=1001, help="seed of the first; 1001 where not given")
    parser.add_argument("--users", type=int, default=120, help="users of a world; 120 where not given")
    parser.add_argument("--forgotten", type=int, default=20, help="of whom are forgotten; 20 where not given")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    print(f"recsim_llm {recsim_llm.__version__}, {len(seeds)} worlds of {options.users} users, {options.forgotten} forgotten")
    print(f"{'recommender':<34}{'named':>8}{'taste':>8}{'others':>8}{'any':>8}")
    counts = {name: Counter[str]() for name in MADE}
    for seed in seeds:
        dataset = make_shop(options.users, seed)
        for name, make in MADE.items():
            found = forgetting(make, dataset, seed=seed, users=options.forgotten, others=60)
            beyond = [one.who for one in found.askings if (one.kept.value if one.kept.low is None else one.kept.low) > 0.0]
            counts[name].update([*beyond, *(["any"] if beyond else [])])
    for name, count in counts.items():
        print(f"{name:<34}" + "".join(f"{count[what]:>8}" for what in ("named", "taste", "others", "any")))


if __name__ == "__main__":
    main()
