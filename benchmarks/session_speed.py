"""How soon a browser shows a session of a large run: ``python benchmarks/session_speed.py``; needs Chromium on the PATH.

A run of the invented films with more than 100,000 pages; ``sessions.html`` with all of them is written, then opened as a local
file in a headless browser with an empty cache. A page is shown once its table of slots is there.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

from env_speed import processor
from report_scale import make_run

import recsim_llm
from recsim_llm.report import write_sessions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browser import Tab, opened_browser

REPEATS = 5
SHOWN = "document.querySelector('#shown table') && document.getElementById('who').textContent"


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=5_000, help="users of the run (5,000, of about 20 pages with each of two)")
    parser.add_argument("--folder", type=Path, help="where to write, and to leave the run; else a temporary folder")
    options = parser.parse_args()
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, {processor()}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as temporary:
        run = make_run(options.folder or Path(temporary) / "run", options.users)
        began = time.perf_counter()
        page = write_sessions(run, "all")
        written = time.perf_counter() - began
        files = list((run / "sessions").iterdir())
        size = sum(path.stat().st_size for path in files) / 1e6
        print(f"written in {written:.1f} s: {len(files)} files, {size:.1f} MB")
        opened, another = look(page)
        print(f"first page of the first user shown after {spread(opened)} (median, range of {REPEATS})")
        print(f"that of another user, in another file, after {spread(another)}")


def look(page: Path) -> tuple[list[float], list[float]]:
    """Return the seconds until the page is shown, and until that of the last user is, each several times."""
    opened, another = [], []
    with opened_browser() as browser:
        for _ in range(REPEATS):
            began = time.perf_counter()
            with Tab(browser, page, 1280) as tab:
                tab.until(SHOWN)
                opened.append(time.perf_counter() - began)
                if len(opened) == 1:
                    print(tab.value("return document.getElementById('facts').textContent;"))
                tab.value(
                    "const last = state.index.users.length - 1; window.before = by('who').textContent; go({ user: last });"
                )
                began = time.perf_counter()
                tab.until(f"{SHOWN} !== window.before && {SHOWN}")
                another.append(time.perf_counter() - began)
    return opened, another


def spread(seconds: list[float]) -> str:
    """Write the median with the smallest and the largest."""
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.2f} s ({ordered[0]:.2f} to {ordered[-1]:.2f})"


if __name__ == "__main__":
    main()
