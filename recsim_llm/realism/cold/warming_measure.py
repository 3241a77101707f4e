"""What simulated clicks are worth to a conventional recommender: recall of items that nobody has rated, with and without them.

Each draw holds all ratings of some items out (``cold_items``), fits the simulated users to the rest, has them click the cold
items (``simulated_clicks``), and trains each recommender with and without these clicks. Three rankings are scored by what is
held out: of the cold items alone, of the others alone, and of all together. Nothing that is held out reaches a fit.

A recommender to which cold items are all the same puts them in the order of the catalog. Where no clicks were simulated it is
fitted under an order drawn at random and under the same from its end, and its scores are means over the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset, Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.realism.candidates import Candidate, Factory
from recsim_llm.realism.cold.cold_items import ColdItems, hold_out_items, in_random_order
from recsim_llm.realism.cold.simulated_clicks import (
    EVERYTHING,
    Asked,
    ask_tastes,
    count_asked,
    draw_users,
    share_clicked,
    simulate_clicks,
)
from recsim_llm.realism.held_out import HeldOut
from recsim_llm.realism.policies import first_requests, truth_of_pages
from recsim_llm.recommenders import Recommender, open_recommender
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.statistics.crossed import crossed_ratio
from recsim_llm.statistics.intervals import Estimate

__all__ = ["BESIDE", "POOLS", "USERS", "WarmingRow", "WarmingSettings", "measure_warming"]

POOLS = ("cold", "others", "all")
"""Which items are ranked and asked for: those without ratings, those with ratings, or all."""
BESIDE = ("popularity", "content")
"""Recommenders that stand beside: to the one new items are all the same, the other knows them by what they are."""
USERS = "simulated users"
"""Row of the users themselves who are asked: cold items in the order of what they would click, if asked about all of them."""
_ORDERS = 2
_MEASURES = ("recall", "NDCG")

_CELLS = 4_000_000
_Scores = dict[tuple[str, str], DoubleArray]
"""By pool and measure, float64 [u], NaN for users of whom nothing is held out."""

Warm = Callable[[str, Ratings], Recommender]
"""Takes the name of a recommender and simulated clicks; returns one that is trained on these too."""


@dataclass(frozen=True, kw_only=True)
class WarmingSettings:
    """How the warm-up is measured."""

    seed: int
    """Of the draws of cold items, of the fits, and of the simulated users' dice."""
    draws: Sequence[int] = (0, 1, 2, 3, 4)
    """Which draws of cold items; no item is in two of them."""
    share: float = 0.1
    """Share of the rated items that is cold in each draw."""
    train_share: float = TRAIN_SHARE
    """Share of each user's other ratings to fit on."""
    recommenders: Sequence[str] = ("mf", "item-knn")
    """Which are warmed."""
    page_size: int = 10
    """Items of a ranking that count."""
    asked: Asked = EVERYTHING
    """Which users are asked about which of the cold items."""

    def __post_init__(self) -> None:
        check_whole_number("page size", self.page_size, least=1)
        if not self.draws or len(set(self.draws)) < len(self.draws):
            raise ConfigError(f"draws: got {list(self.draws)}, expected one or more different ones")
        if not self.recommenders or len(set(self.recommenders)) < len(self.recommenders):
            raise ConfigError(f"recommenders: got {list(self.recommenders)}, expected one or more different ones; name mf")
        if double := sorted(set(self.recommenders) & set(BESIDE)):
            raise ConfigError(f"recommenders: got {double[0]}, which stands beside the others anyway; leave it out")


@dataclass(frozen=True, kw_only=True)
class WarmingRow:
    """What one recommender's rankings are worth."""

    name: str
    """Of the recommender."""
    warmed: bool
    """Whether it was trained on simulated clicks too."""
    scores: Mapping[str, Mapping[str, Estimate]]
    """By pool and measure; intervals are over users and draws."""
    gains: Mapping[str, Mapping[str, Estimate]]
    """Likewise, what it has more than the same recommender without simulated clicks; empty of others."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        told = {
            what: {pool: {name: asdict(one) for name, one in row.items()} for pool, row in values.items()}
            for what, values in (("scores", self.scores), ("gains", self.gains))
        }
        return {"recommender": self.name, "warmed": self.warmed, **told}


class _Sums:
    """Scores of one row: by draw and user, 0 where the user has nothing held out."""

    def __init__(self, draws: int, users: int) -> None:
        self.score = {(pool, name): np.zeros((draws, users)) for pool in POOLS for name in _MEASURES}
        self.counted = {pool: np.zeros((draws, users)) for pool in POOLS}

    def estimate(self, without: _Sums | None = None) -> dict[str, dict[str, Estimate]]:
        """Return the means over users, or what they are more than those of another row."""
        found: dict[str, dict[str, Estimate]] = {pool: {} for pool in POOLS}
        for (pool, name), score in self.score.items():
            there = self.counted[pool].any(axis=0)
            values = score if without is None else score - without.score[pool, name]
            found[pool][name] = crossed_ratio(values[:, there], self.counted[pool][:, there])
        return found


def measure_warming(
    dataset: Dataset,
    factory: Factory,
    warm: Warm,
    settings: WarmingSettings,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[list[WarmingRow], dict[str, float]]:
    """Measure recommenders with and without simulated clicks on cold items.

    Args:
        dataset: all ratings.
        factory: builds the simulated users from a training part and a seed.
        warm: returns a recommender that is trained on simulated clicks too.
        settings: how to measure.
        progress: told what is being done.

    Returns:
        Rows, those beside first; and what was measured on: means over draws of ``cold_items``, ``held_out_ratings`` of them,
        ``users`` with such ratings, ``simulated_clicks``, ``users_asked`` and ``items_shown`` to each.

    Raises:
        ConfigError: the draws are too many, or clicks and shown items do not go together.
    """
    everyone = np.unique(dataset.ratings.user_id)
    # Before anything is fitted: fails where the draws or the clicks are too many, or a name is unknown.
    last = _split(dataset, max(settings.draws), settings)
    if settings.page_size >= len(last.item_index):
        raise ConfigError(
            f"page size: got {settings.page_size}, expected fewer than the {len(last.item_index)} cold items of a draw, which "
            "a page would show whole; lower it, or raise the share"
        )
    share_clicked(last.held.training, last.item_index, settings.asked)
    for name in settings.recommenders:
        warm(name, dataset.ratings)
    plain = (*BESIDE, *settings.recommenders)
    rows = {row: _Sums(len(settings.draws), len(everyone)) for row in _row_names(settings, last)}
    facts = []
    for number, draw in enumerate(settings.draws):

        def tell(doing: str, number: int = number) -> None:
            progress(f"draw {number + 1} of {len(settings.draws)}: {doing}")

        cold = _split(dataset, draw, settings)
        places = number, np.searchsorted(everyone, cold.held.training.ratings.users)
        for name in plain:
            tell(name)
            _add(rows[name, False], places, _plain_scores(cold, name, settings))
        tell("making the simulated users")
        users = factory(cold.held.training, settings.seed)
        tell(f"asking them about {len(cold.item_index):,} items")
        clicks = simulate_clicks(users, cold.held.training, cold.item_index, seed=settings.seed, asked=settings.asked)
        if (USERS, False) in rows:
            _add(rows[USERS, False], places, _own_scores(cold, users, settings))
        for name in settings.recommenders:
            tell(f"{name}, warmed")
            _add(rows[name, True], places, _scores(cold, warm(name, clicks), cold.held.training, settings))
        facts.append(_facts(cold, clicks, settings))
    return _told(rows), {name: float(np.mean([one[name] for one in facts])) for name in facts[0]}


def _split(dataset: Dataset, draw: int, settings: WarmingSettings) -> ColdItems:
    return hold_out_items(dataset, seed=settings.seed, draw=draw, share=settings.share, train_share=settings.train_share)


def _row_names(settings: WarmingSettings, cold: ColdItems) -> list[tuple[str, bool]]:
    warmed = [(name, mode) for name in settings.recommenders for mode in (False, True)]
    _, shown = count_asked(cold.held.training, cold.item_index, settings.asked)
    users = [(USERS, False)] if shown == len(cold.item_index) else []
    return [*((name, False) for name in BESIDE), *users, *warmed]


def _own_scores(cold: ColdItems, users: Candidate, settings: WarmingSettings) -> _Scores:
    """Return the scores of the simulated users' own order of the cold items, NaN for users who are not asked."""
    asked = draw_users(cold.held.training, settings.asked, seed=settings.seed)
    items = np.broadcast_to(cold.item_index, (len(asked), len(cold.item_index)))
    place = np.argsort(-ask_tastes(users, asked, items), axis=1, kind="stable")
    page = np.full((cold.held.users, settings.page_size), -1, np.int64)
    page[asked] = np.take_along_axis(items, place, axis=1)[:, : settings.page_size]
    pool = POOLS[0]
    there = np.isin(np.arange(cold.held.users), asked)
    truth = _truth(_of_pool(cold.held, _pools(cold)[pool]), page)
    return {(pool, name): np.where(there, score[:, 0], np.nan) for name, score in truth.items()}


def _plain_scores(cold: ColdItems, name: str, settings: WarmingSettings) -> _Scores:
    """Return the scores of a recommender without simulated clicks, means over orders of the catalog."""
    training = cold.held.training
    found = []
    for order in range(_ORDERS):
        catalog = in_random_order(training.catalog, settings.seed, order)
        found.append(_scores(cold, open_recommender(name), replace(training, catalog=catalog), settings))
    return {key: np.mean([one[key] for one in found], axis=0) for key in found[0]}


def _scores(cold: ColdItems, recommender: Recommender, training: Dataset, settings: WarmingSettings) -> _Scores:
    """Fit a recommender and return what held-out ratings say of its rankings, float64 [u], by pool and measure.

    Args:
        cold: the split.
        recommender: not yet fitted.
        training: the training part, its items in any order.
        settings: how to measure.
    """
    recommender.fit(training.catalog, training.ratings, settings.seed)
    held, pools = cold.held, _pools(cold)
    everyone = first_requests(held.training.ratings.users)
    pages = {pool: np.empty((held.users, settings.page_size), np.int64) for pool in pools}
    for rows, requests in chunks(everyone, len(training.catalog), _CELLS):
        shown = recommender.recommend(requests, int(training.catalog.on_sale.sum())).item_id
        ranked = held.training.catalog.index_of(shown)
        seen = _seen(held, np.arange(held.users)[rows])
        for pool, mask in pools.items():
            pages[pool][rows] = _first(ranked, mask[ranked] & ~np.take_along_axis(seen, ranked, axis=1), settings.page_size)
    return {
        (pool, name): score[:, 0]
        for pool, mask in pools.items()
        for name, score in _truth(_of_pool(held, mask), pages[pool]).items()
    }


def _truth(held: HeldOut, pages: IntArray) -> dict[str, DoubleArray]:
    """Return scores, float64 [u, 1], NaN for users of whom nothing is held out."""
    users = np.arange(held.users)
    there = np.isin(users, held.user_index)[:, None]
    return {name: np.where(there, score, np.nan) for name, score in truth_of_pages(users, pages[:, None], held).items()}


def _pools(cold: ColdItems) -> dict[str, BoolArray]:
    mask = np.zeros(len(cold.held.training.catalog), np.bool_)
    mask[cold.item_index] = True
    return dict(zip(POOLS, (mask, ~mask, np.ones_like(mask)), strict=True))


def _of_pool(held: HeldOut, mask: BoolArray) -> HeldOut:
    rows = mask[held.item_index]
    return replace(held, user_index=held.user_index[rows], item_index=held.item_index[rows], rating=held.rating[rows])


def _seen(held: HeldOut, users: IntArray) -> BoolArray:
    """Return bool [u, n]: what some users rated in the training part, which is no recommendation."""
    ratings = held.training.ratings
    rows = np.isin(ratings.user_index, users)
    seen = np.zeros((len(users), len(held.training.catalog)), np.bool_)
    seen[ratings.user_index[rows] - users[0], held.training.catalog.index_of(ratings.item_id[rows])] = True
    return seen


def _first(ranked: IntArray, allowed: BoolArray, count: int) -> IntArray:
    """Return int64 [u, count]: the first allowed items of each ranking, -1 where there are no more."""
    place = np.argsort(~allowed, axis=1, kind="stable")[:, :count]
    page = np.full((len(ranked), count), -1, np.int64)
    taken = np.where(np.take_along_axis(allowed, place, axis=1), np.take_along_axis(ranked, place, axis=1), -1)
    page[:, : taken.shape[1]] = taken
    return page


def _add(sums: _Sums, places: tuple[int, IntArray], scores: _Scores) -> None:
    draw, users = places
    for (pool, name), score in scores.items():
        sums.score[pool, name][draw, users] = np.nan_to_num(score)
        sums.counted[pool][draw, users] = ~np.isnan(score)


def _facts(cold: ColdItems, clicks: Ratings, settings: WarmingSettings) -> dict[str, int]:
    of_cold = np.isin(cold.held.item_index, cold.item_index)
    users, shown = count_asked(cold.held.training, cold.item_index, settings.asked)
    return {
        "cold_items": len(cold.item_index),
        "held_out_ratings": int(of_cold.sum()),
        "simulated_clicks": len(clicks),
        "users_asked": users,
        "items_shown": shown,
        "users": len(np.unique(cold.held.user_index[of_cold])),
    }


def _told(rows: Mapping[tuple[str, bool], _Sums]) -> list[WarmingRow]:
    return [
        WarmingRow(
            name=name,
            warmed=warmed,
            scores=sums.estimate(),
            gains=sums.estimate(rows[name, False]) if warmed else {},
        )
        for (name, warmed), sums in rows.items()
    ]
