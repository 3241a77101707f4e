"""Rating data from a planted preference model over the fictional film catalog.

All symbols are dimensionless unless a unit is given; z() standardises over the catalog.

Truth, per user u and item i:
  taste      a_ui = mean_g(G_ug over the genres of i) + T_u,tone(i) + P_u,provider(i) + U_u . V_i
             G_ug = 0.55 N + 1.1 [g is one of 3 favourites] - 0.3;  T = 0.40 N;  P = 0.25 N
             U, V: 4 latent factors, each product scaled so that Var(U . V) = 0.35^2
  activity   n_u = clip(lognormal(ln 60, 0.85), 20, 800) ratings
  mainstream m_u = clip(N(1.7, 0.30), 0.5, 2.2)
  tendency   mean b_u = 0.45 N, spread s_u = exp(0.20 N)
Consumption (Plackett-Luce sampling without replacement, by Gumbel noise):
  v_ui = m_u ln(popularity_i) + 2.2 a_ui + 0.25 exp(-age_i / 3 years) + Gumbel; the n_u largest are rated;
  films released after the user's last session year are never sampled
Rating:
  y_ui = b_u + s_u (0.60 z(quality_i) + 0.60 a_ui + 0.70 N);  rating = 1 + number of CUTS below y_ui
Time: a user joins in 2022..2025 and has about n_u / 9 sessions over months (lognormal span, median 200 days);
  an item falls in a session after 1 January of its release year; gaps inside a session average 40 seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = [
    "CUTS",
    "Items",
    "PlantedTruth",
    "calendar_year",
    "consume",
    "fictional_ratings",
    "item_features",
    "plant_truth",
    "planted_ratings",
    "rate",
    "rating_times",
    "read_catalog",
    "session_starts",
]

Column = Sequence[Any] | npt.NDArray[Any]

CUTS: tuple[float, ...] = (-1.25, -0.65, 0.15, 1.20)
N_FACTORS: int = 4
DAY_S: int = 86_400
JOIN_FIRST_S: int = 1_640_995_200  # 2022-01-01 00:00 UTC, unix seconds
JOIN_DAYS: int = 4 * 365
END_S: int = 1_798_675_200  # 2026-12-31 00:00 UTC, unix seconds
LAST_YEAR: int = 2026


class Items(NamedTuple):
    """Item features: unit-row-sum genre weights, one-hot tone and provider, and scalar columns."""

    item_id: IntArray
    genre: DoubleArray
    tone: IntArray
    provider: IntArray
    log_popularity: DoubleArray
    quality_z: DoubleArray
    year: IntArray
    genre_names: tuple[str, ...]
    tone_names: tuple[str, ...]
    provider_names: tuple[str, ...]


class PlantedTruth(NamedTuple):
    """The planted parameters; rows are users (``item_factors``: items)."""

    genre_taste: DoubleArray
    tone_taste: DoubleArray
    provider_taste: DoubleArray
    user_factors: DoubleArray
    item_factors: DoubleArray
    mainstream: DoubleArray
    activity: IntArray
    tendency: DoubleArray
    spread: DoubleArray
    affinity: DoubleArray


def read_catalog(path: Path) -> dict[str, list[str]]:
    """Read the catalog CSV into text columns."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _codes(values: Column) -> tuple[tuple[str, ...], IntArray]:
    names, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64).reshape(-1)


def item_features(catalog: Mapping[str, Column]) -> Items:
    """Turn catalog columns (text or numbers) into numeric item features."""
    split = [str(value).split("|") for value in catalog["genres"]]
    genre_names = tuple(sorted({genre for genres in split for genre in genres}))
    position = {genre: index for index, genre in enumerate(genre_names)}
    genre = np.zeros((len(split), len(genre_names)))
    for row, genres in enumerate(split):
        for name in genres:
            genre[row, position[name]] = 1.0 / len(genres)
    tone_names, tone = _codes(catalog["tone"])
    provider_names, provider = _codes(catalog["provider"])
    quality = np.asarray(catalog["quality"], dtype=np.float64)
    quality_z = (quality - quality.mean()) / max(float(quality.std()), 1e-9)
    return Items(
        np.asarray(catalog["item_id"], dtype=np.int64),
        genre,
        tone,
        provider,
        np.log(np.asarray(catalog["popularity"], dtype=np.float64)),
        quality_z,
        np.asarray(catalog["year"], dtype=np.int64),
        genre_names,
        tone_names,
        provider_names,
    )


def _genre_taste(rng: np.random.Generator, n_users: int, n_genres: int) -> DoubleArray:
    order = np.argsort(rng.random((n_users, n_genres)), axis=1)
    favourite = order < 3
    taste: DoubleArray = 0.55 * rng.standard_normal((n_users, n_genres)) + 1.1 * favourite - 0.3
    return taste


def plant_truth(items: Items, n_users: int, rng: np.random.Generator) -> PlantedTruth:
    """Draw the planted parameters of ``n_users`` users."""
    genre = _genre_taste(rng, n_users, items.genre.shape[1])
    tone = 0.40 * rng.standard_normal((n_users, len(items.tone_names)))
    provider = 0.25 * rng.standard_normal((n_users, len(items.provider_names)))
    scale = float(np.sqrt(0.35 / np.sqrt(N_FACTORS)))
    users = scale * rng.standard_normal((n_users, N_FACTORS))
    factors = scale * rng.standard_normal((len(items.item_id), N_FACTORS))
    limit = min(800, max(20, len(items.item_id) * 8 // 10))
    activity = np.clip(np.rint(np.exp(np.log(60.0) + 0.85 * rng.standard_normal(n_users))), 20, limit).astype(np.int64)
    affinity = genre @ items.genre.T + tone[:, items.tone] + provider[:, items.provider] + users @ factors.T
    return PlantedTruth(
        genre,
        tone,
        provider,
        users,
        factors,
        np.clip(1.7 + 0.30 * rng.standard_normal(n_users), 0.5, 2.2),
        activity,
        0.45 * rng.standard_normal(n_users),
        np.exp(0.20 * rng.standard_normal(n_users)),
        affinity,
    )


def session_starts(rng: np.random.Generator, activity: IntArray) -> list[IntArray]:
    """Return the sorted session starts of each user, in unix seconds."""
    joins = JOIN_FIRST_S + rng.integers(0, JOIN_DAYS * DAY_S, len(activity))
    spans = np.exp(np.log(200.0) + 0.8 * rng.standard_normal(len(activity))) * DAY_S
    starts: list[IntArray] = []
    for join, span, n_ratings in zip(joins.tolist(), spans.tolist(), activity.tolist(), strict=True):
        count = max(2, round(n_ratings / 9 * (0.6 + 0.8 * rng.random())))
        offsets = np.sort(np.append(0.0, rng.random(count - 1) ** 1.4)) * min(span, END_S - join - DAY_S)
        starts.append((join + offsets).astype(np.int64))
    return starts


def calendar_year(seconds: npt.NDArray[np.int64]) -> IntArray:
    """Return the calendar year of unix seconds."""
    return seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970


def consume(rng: np.random.Generator, items: Items, truth: PlantedTruth, last_year: IntArray) -> list[IntArray]:
    """Return the item positions each user rates (Gumbel top-n)."""
    recency = 0.25 * np.exp(-(LAST_YEAR - items.year) / 3.0)
    utility = truth.mainstream[:, None] * items.log_popularity + 2.2 * truth.affinity + recency
    utility = utility + rng.gumbel(size=utility.shape)
    utility[items.year[None, :] > last_year[:, None]] = -np.inf
    order = np.argsort(-utility, axis=1, kind="stable")
    allowed = np.isfinite(utility).sum(axis=1)
    return [row[: min(int(n), int(most))] for row, n, most in zip(order, truth.activity, allowed, strict=True)]


def rating_times(rng: np.random.Generator, starts: IntArray, years: IntArray) -> IntArray:
    """Place ratings of films of these release ``years`` in sessions; unix seconds."""
    first = np.minimum(np.searchsorted(calendar_year(starts), years), len(starts) - 1)
    session = first + np.floor(rng.random(len(years)) ** 1.25 * (len(starts) - first)).astype(np.int64)
    order = np.argsort(session, kind="stable")
    gaps = np.maximum(8, np.rint(rng.exponential(40.0, len(years)))).astype(np.int64)
    walked = np.cumsum(gaps)
    ordered = session[order]
    head = np.searchsorted(ordered, ordered)
    times = np.empty(len(years), dtype=np.int64)
    times[order] = starts[ordered] + walked - walked[head]
    return times


def rate(rng: np.random.Generator, items: Items, truth: PlantedTruth, *, user: IntArray, item: IntArray) -> IntArray:
    """Draw ordinal ratings 1..5 for (user row, item row) pairs."""
    core = 0.60 * items.quality_z[item] + 0.60 * truth.affinity[user, item] + 0.70 * rng.standard_normal(len(user))
    latent = truth.tendency[user] + truth.spread[user] * core
    return np.searchsorted(np.asarray(CUTS), latent).astype(np.int64) + 1


def planted_ratings(
    catalog_columns: Mapping[str, Column], *, n_users: int, seed: int
) -> tuple[dict[str, IntArray], PlantedTruth, Items]:
    """Return ratings (see ``fictional_ratings``) together with the planted truth and the item features."""
    rng = np.random.default_rng(seed)
    items = item_features(catalog_columns)
    truth = plant_truth(items, n_users, rng)
    starts = session_starts(rng, truth.activity)
    last_year = calendar_year(np.array([row[-1] for row in starts], dtype=np.int64))
    chosen = consume(rng, items, truth, last_year)
    times = [rating_times(rng, row, items.year[rows]) for row, rows in zip(starts, chosen, strict=True)]
    user = np.repeat(np.arange(n_users, dtype=np.int64), [len(rows) for rows in chosen])
    item = np.concatenate(chosen)
    stamp = np.concatenate(times)
    rating = rate(rng, items, truth, user=user, item=item)
    order = np.lexsort((stamp, user))
    columns = {
        "user_id": user[order] + 1,
        "item_id": items.item_id[item][order],
        "rating": rating[order],
        "timestamp": stamp[order],
    }
    return columns, truth, items


def fictional_ratings(catalog_columns: Mapping[str, Column], *, n_users: int, seed: int) -> dict[str, IntArray]:
    """Return int64 columns user_id (1..n), item_id, rating (1..5), timestamp (unix s), by user and time."""
    return planted_ratings(catalog_columns, n_users=n_users, seed=seed)[0]
