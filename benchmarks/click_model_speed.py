"""How long click models take to fit: ``python benchmarks/click_model_speed.py``.

100,000 pages of 10 items, a million impressions, from 20,000 items of which few are seen often; clicks of a planted user
browsing model. Seconds are of the clock on as many cores as are free, CPU seconds stand beside.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import platform
import time

import numpy as np
from env_speed import processor

import recsim_llm
from recsim_llm.agents.browsing.click_models import CLICK_MODELS, fit_click_model
from recsim_llm.agents.browsing.clicked_pages import ClickedPages

PAGES, POSITIONS, ITEMS = 100_000, 10, 20_000


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=PAGES, help=f"pages of {POSITIONS} ({PAGES:,})")
    pages = clicked_pages(parser.parse_args().pages)
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, numpy {np.__version__}, {processor()}")
    print(f"{os.cpu_count()} cores; {pages.item_id.size:,} impressions, {pages.clicked.mean():.3f} of them clicked\n")
    print(f"{'model':<16} {'seconds':>8} {'CPU s':>8} {'steps':>6} {'settled':>8}")
    for name in CLICK_MODELS:
        clock, cpu = time.perf_counter(), time.process_time()
        model = fit_click_model(name, pages)
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        print(f"{name:<16} {clock:>8.1f} {cpu:>8.1f} {model.steps:>6} {'yes' if model.settled else 'no':>8}", flush=True)


def clicked_pages(pages: int) -> ClickedPages:
    """Return pages whose clicks depend on position, item and the last click above."""
    random = np.random.default_rng(1)
    item_id = (ITEMS * random.random((pages, POSITIONS)) ** 3).astype(np.int64)
    attraction = random.beta(1.0, 4.0, ITEMS)[item_id]
    clicked, last = np.zeros(item_id.shape, np.bool_), np.full(pages, -1)
    for rank in range(POSITIONS):
        examination = np.where(last < 0, 0.9**rank, 0.8 ** (rank - last - 1))
        clicked[:, rank] = random.random(pages) < examination * attraction[:, rank]
        last[clicked[:, rank]] = rank
    return ClickedPages(item_id=item_id, clicked=clicked, user_id=np.arange(pages))


if __name__ == "__main__":
    main()
