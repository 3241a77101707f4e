"""How fast recommenders fill pages, in CPU time on one core: ``python benchmarks/recommender_speed.py``.

One line a named recommender: seconds to fit; to fill the first page of every user; to fill one after ``--pages`` pages of
feedback; to take in a page's feedback. The world is made up: genres, Zipf-like popularity, 20 training ratings a user, clicks
on a tenth of the slots. ``--recommenders linucb,mf --sizes 16384x100000`` picks names and sizes, users x items. Recommenders
that ask a language model are left out; the oracle is told random appeal.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
from worlds import make_catalog

import recsim_llm
from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import AsksModel, Recommender, TakesTruth, Truth, open_recommender
from recsim_llm.registry import SHIPPED

SLOTS, RATED = 10, 20
SIZES = "256x1000,2048x10000"


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description="Time the pages of recommenders.")
    parser.add_argument("--recommenders", help="names, with commas; all shipped ones where not given")
    parser.add_argument("--sizes", default=SIZES, help=f"users x items, with commas; {SIZES} where not given")
    parser.add_argument("--pages", type=int, default=3, help="pages of feedback before the later page; 3 where not given")
    options = parser.parse_args()
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, numpy {np.__version__}, one core")
    for size in options.sizes.split(","):
        users, items = map(int, size.split("x"))
        data = make_data(users, items)
        print(f"\n{users:,} users, {items:,} items, CPU seconds")
        print(f"{'recommender':<24}{'fit':>9}{'page 0':>9}{f'page {options.pages}':>9}{'observe':>9}")
        for name in options.recommenders.split(",") if options.recommenders else SHIPPED["recommenders"]:
            try:
                recommender = open_recommender(name)
            except ConfigError as error:  # Some need settings, or a package that is not there.
                print(f"{name:<24}  {str(error)[:100]}")
                continue
            if not isinstance(recommender, AsksModel):
                line(name, recommender, data, options.pages)


def make_data(users: int, items: int) -> tuple[Catalog, Ratings]:
    """Return a catalog, and training ratings that follow its popularity."""
    random = np.random.default_rng(1)
    catalog = make_catalog(items, random)
    user = np.repeat(np.arange(users), RATED)
    item = random.choice(items, len(user), p=catalog.popularity / catalog.popularity.sum(dtype=np.float64))
    pair = np.unique(user * items + item)
    stars = np.full(len(pair), 4, np.float32)
    return catalog, Ratings(user_id=pair // items, item_id=pair % items, rating=stars, timestamp=random.permutation(len(pair)))


def line(name: str, recommender: Recommender, data: tuple[Catalog, Ratings], pages: int) -> None:
    """Print what one recommender takes."""
    catalog, ratings = data
    if isinstance(recommender, TakesTruth):
        recommender.reveal(
            Truth(lambda users: keyed.uniform(keyed.words(1, "appeal", users[:, None], np.arange(len(catalog)))))
        )
    times = [seconds(lambda: recommender.fit(catalog, ratings, 7))]
    user_id = np.arange(ratings.user_id.max() + 1)
    shown = np.full((len(user_id), pages * SLOTS), -1)
    clicked, rating = np.zeros(shown.shape, np.bool_), np.full(shown.shape, np.nan, np.float32)
    filled, learned = [], []
    for page in range(pages + 1):
        width, zeros = page * SLOTS, np.zeros_like(user_id)
        requests = Requests(user_id, zeros, zeros + page, shown[:, :width], clicked[:, :width], rating[:, :width])
        answers = []
        filled.append(
            seconds(lambda requests=requests, answers=answers: answers.append(recommender.recommend(requests, SLOTS)))
        )
        slates = answers[0]
        if page == pages:
            break
        click = keyed.uniform(keyed.words(1, "click", user_id[:, None], page, np.arange(SLOTS))) < 0.1
        stars = np.full(click.shape, np.nan, np.float32)
        learned.append(
            seconds(
                lambda requests=requests, slates=slates, click=click, stars=stars: recommender.observe(
                    requests, slates, click, stars
                )
            )
        )
        shown[:, width : width + SLOTS], clicked[:, width : width + SLOTS] = slates.item_id, click
    times += [filled[0], filled[-1], sum(learned) / len(learned)]
    print(f"{name:<24}" + "".join(f"{one:>9.2f}" for one in times), flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
