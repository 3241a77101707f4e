"""How fast users recall, in CPU milliseconds on one core: ``python benchmarks/memory_speed.py``.

Memories are what users keep of the invented films: title, genres, stars, about ten words that count. Each figure is the best of
several repetitions after a warm-up, the reading of the query included; ``touch`` is on, as in a run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import recsim_llm
from recsim_llm.agents.memory import Memories, WordWeights
from recsim_llm.data.fictional import load
from recsim_llm.language.base.tokens import estimate_tokens

REPETITIONS = 15


def main() -> None:
    """Print every figure."""
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, numpy {np.__version__}, one core\n")
    world = load()
    catalog = getattr(world, "catalog", world)
    words = WordWeights.from_catalog(catalog)
    random = np.random.default_rng(1)
    print(f"{'recall, top 5':<44}{'ms':>8}{'target':>9}")
    for rows, each, target in ((1, 1_000, None), (1, 10_000, 1), (1, 100_000, 15), (1_000, 100, 10)):
        memories = fill(catalog, words, rows, each, random=random)
        queries = [f"What about {catalog.title[item]}?" for item in random.integers(len(catalog), size=rows)]
        asked = np.arange(rows)
        milliseconds = best(lambda m=memories, a=asked, q=queries, e=each: m.recall(a, q, float(e), 5))
        name = f"{rows:,} user{'s' if rows > 1 else ''} with {each:,} memories"
        print(f"{name:<44}{milliseconds:>8.2f}{'' if target is None else f'< {target}':>9}")
    others(memories, catalog, random)


def others(memories: Memories, catalog, random: np.random.Generator) -> None:
    """Print what the other verbs cost with 1,000 users of 100 memories each."""
    rows = np.arange(len(memories))
    pages = [" ".join(catalog.title[random.integers(len(catalog), size=10)]) for _ in rows]
    print(f"\n{'1,000 users with 100 memories':<44}{'ms':>8}")
    show("recall for a page of ten titles", lambda: memories.recall(rows, pages, 100.0, 5))
    show("render in 600 tokens", lambda: memories.render(rows, pages, 100.0, 600))
    show("remember one event each", lambda: memories.remember(rows, 100.0, pages, importance=0.5, valence=0.1))
    show("reflect", lambda: memories.reflect(rows, 100.0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memories.npz"
        show("save", lambda: memories.save(path))
        show(f"load ({path.stat().st_size / 1e6:.1f} MB)", lambda: Memories.load(path))
    show("estimate the tokens of 1,000 pages", lambda: [estimate_tokens(page) for page in pages])


def fill(catalog, words: WordWeights, rows: int, each: int, *, random: np.random.Generator) -> Memories:
    """Return memories of random films, one a page."""
    memories = Memories(rows, words=words, topics=catalog.genre_names)
    item = random.integers(len(catalog), size=rows * each)
    stars = random.integers(1, 6, size=rows * each)
    texts = [
        f'Watched "{catalog.title[film]}" ({catalog.year[film]}), {", ".join(catalog.genres_of(film))}: {given} stars'
        for film, given in zip(item.tolist(), stars.tolist(), strict=True)
    ]
    valence = (stars - 3) / 2
    memories.remember(
        np.repeat(np.arange(rows), each),
        np.tile(np.arange(each, dtype=np.float64), rows),
        texts,
        importance=0.3 + 0.7 * np.abs(valence),
        valence=valence,
        topics=catalog.genres[item],
        stars=stars,
    )
    return memories


def show(name: str, repetition: Callable[[], object]) -> None:
    """Print one line."""
    print(f"{name:<44}{best(repetition):>8.2f}")


def best(repetition: Callable[[], object]) -> float:
    """Return the least CPU milliseconds of several repetitions."""
    repetition()
    times = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        repetition()
        times.append(time.process_time() - started)
    return min(times) * 1e3


if __name__ == "__main__":
    main()
