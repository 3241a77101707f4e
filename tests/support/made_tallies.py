"""Sums by arm and user without a log, for tests of what compares them."""

import numpy as np

from recsim_llm.metrics.tallies import LIFE_LIMIT, STAR_STEPS, SUMS, ItemCounts, Tally


def make_tally(sums, *, arms=("a", "b"), limits=None):
    """Return a tally of these sums, ``[arms, users]`` each; every user was served one page by every arm unless told."""
    shape = np.shape(next(iter(sums.values())))
    count, users = shape
    table = {name: np.zeros(shape) for name in SUMS} | {"pages": np.ones(shape)}
    table |= {name: np.asarray(values, np.float64) for name, values in sums.items()}
    none = np.zeros((count, users, 1), np.int32)
    return Tally(
        arms=tuple(arms),
        user_id=np.arange(users),
        sums=table,
        shown_at=none,
        clicked_at=none,
        satisfaction_at=none.astype(np.float64),
        rows_at=none,
        reward_at=np.zeros((count, LIFE_LIMIT, 3)),
        visit_pages=np.zeros((count, 2), np.int64),
        capped_visits=np.zeros(count, np.int64),
        stars=np.zeros((count, STAR_STEPS), np.int64),
        limits=limits or {},
        items=tuple(ItemCounts(*np.ones((3, 1), np.int64)) for _ in range(count)),
    )


def draw_tally(seed=1, *, gains=(0.0, 1.5, 0.05), users=150):
    """Return three arms whose users click more in the second, and each of whom clicks alike in all."""
    random = np.random.default_rng(seed)
    taste = random.gamma(3.0, 1.0, users)
    pages = random.integers(2, 9, (len(gains), users)).astype(np.float64)
    clicks = np.stack([random.poisson(taste + gain) for gain in gains]).astype(np.float64)
    stars = clicks * (3.0 + random.random(clicks.shape))
    sums = {"pages": pages, "visit_pages": pages, "visits": np.ones_like(pages), "clicks": clicks, "reward": clicks}
    sums |= {"stars": stars, "rated": clicks, "satisfaction": random.random(pages.shape), "satisfaction_pages": pages}
    return make_tally(sums, arms=("first", "better", "like"))
