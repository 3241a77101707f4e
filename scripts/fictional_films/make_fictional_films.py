"""Write ``fictional_films.csv``: 1,500 invented films, byte-identical for one seed.

Every title, person, place and studio is invented here; no third-party data is used. Run it without arguments to rewrite the
file of the package, or with a path to write elsewhere.

Model (all draws from one ``numpy.random.Generator``):
  year      share of year y grows as exp((y - 1950) / 28)
  provider  weight = size, among the studios active in the year
  genre     weight = base share x studio taste; second and third genres come from the premise
  tone      weight = genre tone weight x studio tone weight (never bleak for family or comic premises)
  quality   logistic(0.25 + studio + 0.25 [intimate or epic] - 0.15 [playful] + 0.75 N(0, 1))
  appeal    1.1 (quality - 0.58) / 0.17 + reach + 1.2 mean genre offset + 0.035 (min(year, 2020) - 2000) + 1.1 N(0, 1)
  popularity = 1000 x 18^0.95 / (rank + 17)^0.95 x exp(0.10 N(0, 1)), rank 1 = highest appeal (unitless)
  runtime   in minutes, genre mean + 14 if epic + N(0, 10)
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from film_text import Draft, Premise, load_premises, load_tones, normalise_title, write_draft
from film_words import GENRES, STUDIOS, TONES

SHIPPED: Path = Path(__file__).resolve().parents[2] / "recsim_llm" / "data" / "fictional_films.csv"
SEED: int = 20260
N_FILMS: int = 1500
CANDIDATES: int = 10
MAX_TRIES: int = 200
COLUMNS: tuple[str, ...] = (
    "item_id",
    "title",
    "year",
    "genres",
    "tone",
    "provider",
    "description",
    "runtime",
    "popularity",
    "quality",
)


class Film(NamedTuple):
    """One invented film; ``runtime`` in minutes, ``appeal`` in log units, ``quality`` in 0..1."""

    title: str
    year: int
    genres: tuple[str, ...]
    tone: str
    provider: str
    description: str
    runtime: int
    appeal: float
    quality: float


def weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """Draw one key with probability proportional to its weight."""
    target = rng.random() * math.fsum(weights.values())
    last = ""
    for key, weight in weights.items():
        if weight <= 0.0:
            continue
        last = key
        target -= weight
        if target < 0.0:
            break
    return last


def draw_year(rng: np.random.Generator) -> int:
    """Draw a release year in 1950..2026, recent years more frequent."""
    return int(weighted(rng, {str(year): math.exp((year - 1950) / 28.0) for year in range(1950, 2027)}))


def draw_provider(rng: np.random.Generator, year: int) -> str:
    """Draw a studio active in ``year``."""
    return weighted(
        rng, {name: studio.size for name, studio in STUDIOS.items() if studio.first_year <= year <= studio.last_year}
    )


def draw_genre(rng: np.random.Generator, provider: str) -> str:
    """Draw the main genre of a film of this studio."""
    taste = STUDIOS[provider].genres
    return weighted(rng, {genre: row[0] * taste.get(genre, 0.45) for genre, row in GENRES.items()})


def draw_tone(rng: np.random.Generator, premise: Premise, provider: str) -> str:
    """Draw a tone from genre and studio weights."""
    taste = STUDIOS[provider].tones
    weights = {
        tone: weight * taste.get(tone, 1.0)
        for tone, weight in zip(TONES, GENRES[premise.genre][3], strict=True)
        if f"!{tone}" not in premise.flags
    }
    for genre in premise.extras:
        if genre in GENRES:
            weights = {tone: weight * (0.15 + GENRES[genre][3][TONES.index(tone)]) for tone, weight in weights.items()}
    if {"Family", "Comedy"} & {premise.genre, *premise.extras}:
        lighter = {"bleak": 0.0, "tense": 0.25}
        weights = {tone: weight * lighter.get(tone, 1.0) for tone, weight in weights.items()}
    return weighted(rng, weights)


def draw_premise(rng: np.random.Generator, premises: list[Premise], genre: str, year: int, *, used: Counter[int]) -> Premise:
    """Draw a premise of the genre, preferring the least used ones."""
    fitting = [p.number for p in premises if p.genre == genre and p.first_year <= year]
    low = min(used[number] for number in fitting)
    pool = {str(number): math.exp(-1.5 * (used[number] - low)) for number in fitting}
    chosen = premises[int(weighted(rng, pool))]
    used[chosen.number] += 1
    return chosen


def draw_genres(rng: np.random.Generator, premise: Premise) -> tuple[str, ...]:
    """Return the main genre and up to two plausible others."""
    share = {"Comedy": 0.95, "Family": 0.85}
    others = [extra for extra in premise.extras if extra != premise.genre]
    extras = tuple(extra for extra in others if rng.random() < share.get(extra, 0.72))
    return (premise.genre, *extras[:2])


def grams(text: str, size: int = 4) -> list[tuple[str, ...]]:
    """Return the word n-grams of ``text``."""
    words = re.findall(r"[\w'-]+", text.lower())
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def best_draft(
    rng: np.random.Generator, premise: Premise, phrases: tuple[str, ...], taken: set[str], *, seen: Counter[tuple[str, ...]]
) -> Draft:
    """Write several candidates and return the one that repeats earlier films least."""
    best: Draft | None = None
    best_score = math.inf
    for attempt in range(MAX_TRIES):
        draft = write_draft(rng, premise, phrases, taken)
        if draft is not None:
            score = float(sum(min(seen[gram], 40) for gram in grams(draft.description)))
            if score < best_score:
                best, best_score = draft, score
        if attempt >= CANDIDATES and best is not None:
            return best
    raise RuntimeError(f"no usable title for premise {premise.number}: {premise.titles}")


def draw_quality(rng: np.random.Generator, provider: str, tone: str) -> float:
    """Draw a quality in 0..1."""
    lift = {"intimate": 0.25, "epic": 0.25, "playful": -0.15}.get(tone, 0.0)
    logit = 0.25 + STUDIOS[provider].quality + lift + 0.75 * rng.standard_normal()
    return round(1.0 / (1.0 + math.exp(-logit)), 3)


def draw_appeal(rng: np.random.Generator, provider: str, genres: tuple[str, ...], year: int, *, quality: float) -> float:
    """Draw the log-scale audience appeal that decides the popularity rank."""
    offset = sum(GENRES[g][2] for g in genres if g in GENRES) / len(genres)
    recency = 0.035 * (min(year, 2020) - 2000)
    standard_quality = (quality - 0.58) / 0.17
    return 1.1 * standard_quality + STUDIOS[provider].reach + 1.2 * offset + recency + 1.1 * rng.standard_normal()


def draw_runtime(rng: np.random.Generator, genre: str, tone: str) -> int:
    """Draw a runtime in minutes."""
    mean = GENRES[genre][1] + (14.0 if tone == "epic" else 0.0)
    return int(min(max(round(mean + 10.0 * rng.standard_normal()), 68), 192))


def make_films(seed: int = SEED, n_films: int = N_FILMS) -> list[Film]:
    """Invent ``n_films`` films."""
    rng = np.random.default_rng(seed)
    premises, tones = load_premises(), load_tones()
    used: Counter[int] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    taken: set[str] = set()
    films: list[Film] = []
    for _ in range(n_films):
        year = draw_year(rng)
        provider = draw_provider(rng, year)
        premise = draw_premise(rng, premises, draw_genre(rng, provider), year, used=used)
        genres = draw_genres(rng, premise)
        tone = draw_tone(rng, premise, provider)
        draft = best_draft(rng, premise, tones[tone], taken, seen=seen)
        taken.add(normalise_title(draft.title))
        seen.update(grams(draft.description))
        quality = draw_quality(rng, provider, tone)
        films.append(
            Film(
                draft.title,
                year,
                genres,
                tone,
                provider,
                draft.description,
                draw_runtime(rng, premise.genre, tone),
                draw_appeal(rng, provider, genres, year, quality=quality),
                quality,
            )
        )
    return films


def popularity_of(rng: np.random.Generator, films: list[Film]) -> npt.NDArray[np.float64]:
    """Return Zipf-Mandelbrot popularity (unitless) by appeal rank, with a little noise."""
    appeal = np.array([film.appeal for film in films])
    rank = np.empty(len(films))
    rank[np.argsort(-appeal, kind="stable")] = np.arange(1, len(films) + 1)
    noise = np.exp(0.10 * rng.standard_normal(len(films)))
    popularity: npt.NDArray[np.float64] = 1000.0 * 18.0**0.95 / (rank + 17.0) ** 0.95 * noise
    return popularity


def csv_text(films: list[Film], seed: int = SEED) -> str:
    """Return the whole CSV, rows by ``item_id``; ids are a random permutation of 1..n."""
    rng = np.random.default_rng([seed, 1])
    popularity = popularity_of(rng, films)
    order = rng.permutation(len(films))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item_id, index in enumerate(order.tolist(), start=1):
        film = films[index]
        writer.writerow(
            [
                item_id,
                film.title,
                film.year,
                "|".join(film.genres),
                film.tone,
                film.provider,
                film.description,
                film.runtime,
                f"{popularity[index]:.2f}",
                f"{film.quality:.3f}",
            ]
        )
    return buffer.getvalue()


def write_catalog(path: Path = SHIPPED, seed: int = SEED) -> None:
    """Write the catalog CSV (UTF-8, LF) to ``path``, the file of the package unless told otherwise."""
    path.write_bytes(csv_text(make_films(seed), seed).encode("utf-8"))


if __name__ == "__main__":
    write_catalog(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
