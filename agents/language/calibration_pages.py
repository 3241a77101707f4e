"""Pages of which it is known what became of their items: later choices of real users, among items that they never rated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.rating_history import known_people
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset, Ratings
from recsim_llm.errors import DataError
from recsim_llm.population.personas import Population

__all__ = ["CalibrationPages", "able_users", "calibration_pages", "known_population"]

_SEARCHED = 40  # neighbours in popularity among which an unrated item is drawn


class CalibrationPages(NamedTuple):
    """Pages of items of which some were really taken; what was taken is the label, and no prompt holds it."""

    user_index: IntArray
    """int64 [p]: positions in the data's users."""
    item_index: IntArray
    """int64 [p, k]: catalog positions in a random order."""
    taken: npt.NDArray[np.bool_]
    """bool [p, k]: the user rated the item later."""
    stars: npt.NDArray[np.float64]
    """float64 [p, k]: the rating; NaN where there is none."""
    uniform: npt.NDArray[np.bool_]
    """bool [p, k]: drawn uniformly from what the user never rated; the other items that were not taken are about as popular as
    the taken ones."""


def calibration_pages(
    dataset: Dataset,
    *,
    seed: int,
    users: int,
    taken: int,
    page_size: int,
    uniform: int = 0,
    met: Sequence[int] = (),
    least: int = 1,
) -> CalibrationPages:
    """Lay out pages with known outcomes; which items stand where does not depend on the stars.

    Args:
        dataset: catalog and ratings; the items taken are from the last 20% of each user's ratings.
        seed: of users, items and their order.
        users: how many users to sample, a page each; all who have enough later ratings where they are fewer.
        taken: items of a page that the user rated later.
        page_size: items a page.
        uniform: of the items not taken, how many are drawn uniformly; the others are as popular as the taken ones.
        met: outside ids of users whom the model learned from, and who are not asked about.
        least: fewest users that will do.

    Raises:
        ConfigError: a number is out of range.
        DataError: as ``able_users``.
    """
    check_whole_number("pages of later choices, users", users, least=1)
    check_whole_number("pages of later choices, page_size", page_size, least=taken + 1 + uniform)
    everyone = dataset.ratings.users
    able = able_users(dataset, taken=taken, page_size=page_size, met=met, least=least)
    known, later = dataset.ratings.split_by_time(TRAIN_SHARE)
    order = keyed.words(seed, "calibration users", everyone[able]).argsort(kind="stable")
    drawn = np.sort(able[order[:users]])
    draw = _Draw(dataset, known, later, seed)
    rows = [draw.page(int(everyone[user]), taken, page_size, uniform) for user in drawn]
    items, stars, anything = (np.array(column) for column in zip(*rows, strict=True))
    return CalibrationPages(drawn, items.astype(np.int64), ~np.isnan(stars), stars, anything)


def able_users(dataset: Dataset, *, taken: int, page_size: int, met: Sequence[int] = (), least: int = 1) -> IntArray:
    """Return int64 [a]: positions in the data's users of those for whom such pages can be laid out.

    Args:
        dataset: catalog and ratings.
        taken: items of a page that the user rated later.
        page_size: items a page.
        met: outside ids of users who do not count.
        least: fewest users that will do.

    Raises:
        ConfigError: a number is out of range.
        DataError: fewer have enough later ratings, and enough items that they never rated.
    """
    check_whole_number("pages of later choices, taken", taken, least=1)
    _, later = dataset.ratings.split_by_time(TRAIN_SHARE)
    everyone, items_there = dataset.ratings.users, len(dataset.catalog)
    count = np.bincount(np.searchsorted(everyone, later.user_id), minlength=len(everyone))
    pairs = np.unique(dataset.ratings.user_index * items_there + dataset.catalog.index_of(dataset.ratings.item_id))
    left = items_there - np.bincount(pairs // items_there, minlength=len(everyone))
    able = np.flatnonzero((count >= taken) & (left >= page_size - taken) & ~np.isin(everyone, list(met)))
    if len(able) < least:
        beside = f", beside {len(met):,} whom the model learned from" if met else ""
        raise DataError(
            f"pages of later choices: got {len(able)} of {len(everyone):,} users with {taken} ratings in the last fifth and "
            f"{page_size - taken} of {items_there:,} items unrated{beside}, expected {least} or more; use data with "
            f"{5 * taken} ratings a user, or more items"
        )
    return able


def known_population(dataset: Dataset) -> Population:
    """Return the data's users as the first 80% of each user's ratings show them, item popularity included."""
    return known_people(dataset.training_part(TRAIN_SHARE)[0]).population


class _Draw:
    """Draws the items of one page after the other."""

    def __init__(self, dataset: Dataset, known: Ratings, later: Ratings, seed: int) -> None:
        index_of = dataset.catalog.index_of
        popularity = np.bincount(index_of(known.item_id), minlength=len(dataset.catalog))
        self._by_popularity = np.argsort(popularity, kind="stable")
        self._rank = np.argsort(self._by_popularity)
        self._rated = _items_by_user(dataset.ratings, index_of(dataset.ratings.item_id))
        self._later = _items_by_user(later, index_of(later.item_id))
        self._seed = seed

    def page(self, user_id: int, taken: int, size: int, uniform: int) -> tuple[IntArray, DoubleArray, npt.NDArray[np.bool_]]:
        """Return items, stars (NaN where not taken) and what was drawn uniformly, by slot."""
        later = self._later[user_id]
        chosen = sorted(later, key=lambda item: self._word("calibration taken", user_id, item))[:taken]
        others: list[int] = []
        for number in range(size - taken - uniform):
            others.append(self._unrated(user_id, chosen[number % taken], number, {*self._rated[user_id], *others}))
        anything: list[int] = []
        for number in range(uniform):
            anything.append(self._anything(user_id, number, {*self._rated[user_id], *others, *anything}))
        items = sorted([*chosen, *others, *anything], key=lambda item: self._word("calibration order", user_id, item))
        stars = np.array([later[item] if item in chosen else np.nan for item in items])
        return np.array(items), stars, np.isin(items, anything)

    def _anything(self, user_id: int, number: int, apart: set[int]) -> int:
        """Draw one of the items that are not set apart."""
        free = [item for item in self._by_popularity.tolist() if item not in apart]
        return int(free[self._word("calibration anything", user_id, number) % len(free)])

    def _unrated(self, user_id: int, like: int, number: int, rated: set[int]) -> int:
        """Draw one of the unrated items that are nearest in popularity to a given one."""
        ranks = self._nearest(int(self._rank[like]))
        free = [item for item in self._by_popularity[ranks].tolist() if item not in rated]
        if not free:
            free = [item for item in self._by_popularity.tolist() if item not in rated]
        return int(free[self._word("calibration other", user_id, number) % len(free)])

    def _nearest(self, rank: int) -> IntArray:
        start = min(max(rank - _SEARCHED // 2, 0), max(len(self._rank) - _SEARCHED, 0))
        return np.arange(start, min(start + _SEARCHED, len(self._rank)))

    def _word(self, purpose: str, user_id: int, number: int) -> int:
        return int(keyed.words(self._seed, purpose, user_id, number)[0])


def _items_by_user(ratings: Ratings, item: IntArray) -> dict[int, dict[int, float]]:
    table: dict[int, dict[int, float]] = {}
    for user_id, place, stars in zip(ratings.user_id.tolist(), item.tolist(), ratings.rating.tolist(), strict=True):
        table.setdefault(user_id, {})[place] = stars
    return table
