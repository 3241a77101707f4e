"""Who is shown: how exposure spreads over the catalog, over the long tail, and over providers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, as_places, as_whole_numbers, check_number, check_whole_number
from recsim_llm.statistics import Estimate, ratio_estimate

__all__ = [
    "HEAD_SHARE",
    "LEAST_MERIT",
    "MOST_SHOWN",
    "catalog_coverage",
    "exposure_by_group",
    "exposure_merit_gap",
    "gini",
    "head_exposure",
    "long_tail",
    "popularity_lift",
    "worst_exposure_ratio",
]


HEAD_SHARE = 0.8
"""Share of the training interactions that the head of the catalog holds; the rest of the items is the long tail."""
MOST_SHOWN = 0.1
"""Share of the items, those shown most, whose share of all exposures is told."""
LEAST_MERIT = 0.01
"""Share of merit below which a group's ratio of exposure to merit is too coarse to be called the worst."""
_ROUNDING = 1e-9


def catalog_coverage(exposures: npt.ArrayLike) -> float | None:
    """Return the share of items that were shown at least once, 0 to 1 (Ge et al. 2010, *RecSys*, catalog coverage).

    Args:
        exposures: [n], exposures of every item of the catalog; None is returned for an empty one.

    Raises:
        DataError: a number is negative or not finite.
    """
    counts = as_numbers("exposures", exposures, ("items",), bounds=(0.0, np.inf))
    return float(np.count_nonzero(counts) / len(counts)) if len(counts) else None


def gini(exposures: npt.ArrayLike, *, items: int | None = None) -> float | None:
    """Return the Gini coefficient: 0 all items alike, near 1 one item takes all; None: nothing shown.

    ``G = 2 sum(i x_i) / (n sum(x)) - (n + 1) / n`` over ascending exposures ``x`` with ranks ``i`` from 1 (Dixon et al. 1987,
    *Ecology*, eq. 2).

    Args:
        exposures: whole numbers [n], exposures of the items of the catalog; those never shown may be left out.
        items: of the catalog; None where all are among the exposures.

    Raises:
        ConfigError: ``items`` is smaller than the number of exposures.
        DataError: an exposure is negative or no whole number.
    """
    counts = as_whole_numbers("exposures", exposures, ("items",), least=0)
    items = len(counts) if items is None else items
    check_whole_number("items", items, least=len(counts), remedy="every item that was shown is one of the catalog")
    shown = np.sort(counts[counts > 0])
    total = int(shown.sum())
    if total == 0:
        return None
    rank = np.arange(items - len(shown) + 1, items + 1, dtype=np.float64)
    return float(2.0 * (rank @ shown) / (items * total) - (items + 1) / items)


def head_exposure(exposures: npt.ArrayLike, share: float = MOST_SHOWN) -> float | None:
    """Return the share of all exposures that the most shown items have, 0 to 1; None: nothing shown.

    Of ten items and the share 0.1 it is that of the one that is shown most; of items that are all shown alike, the share
    itself. A fraction of an item counts as one.

    Args:
        exposures: [n], exposures of every item of the catalog.
        share: of the items that are looked at, 0 to 1.

    Raises:
        ConfigError: ``share`` is no share.
        DataError: a number is negative or not finite.
    """
    check_number("share", share, above=0.0, below=1.0)
    counts = as_numbers("exposures", exposures, ("items",), bounds=(0.0, np.inf))
    total = float(counts.sum())
    most = int(np.ceil(share * len(counts) - _ROUNDING))
    return float(np.sort(counts)[len(counts) - most :].sum() / total) if total else None


def long_tail(popularity: npt.ArrayLike, head_share: float = HEAD_SHARE) -> BoolArray:
    """Return bool [n]: items outside the head.

    The head is the smallest set of most popular items that holds ``head_share`` of the training interactions (the 80/20 split
    of Abdollahpouri, Burke & Mobasher 2019, *FLAIRS*); of equally popular items those earlier in the catalog come first.

    Args:
        popularity: [n], interactions of each item in the training part.
        head_share: 0 to 1.

    Raises:
        ConfigError: ``head_share`` is no share.
        DataError: a count is negative or not finite.
    """
    check_number("head_share", head_share, above=np.nextafter(0.0, -1.0), below=np.nextafter(1.0, 2.0))
    counts = as_numbers("popularity", popularity, ("items",), bounds=(0.0, np.inf))
    order = np.argsort(-counts, kind="stable")
    before = np.concatenate([[0.0], counts[order].cumsum()[:-1]]) if len(counts) else counts
    tail = np.ones(len(counts), np.bool_)
    tail[order[before < head_share * counts.sum()]] = False
    return tail


def popularity_lift(shown: DoubleArray, history: DoubleArray) -> Estimate:
    """Estimate by how much the popularity of what users are shown exceeds that of what they chose before.

    ``(GAP_shown - GAP_history) / GAP_history``, where GAP is the mean over users of the mean popularity of their items
    (Abdollahpouri et al. 2019, *RMSE at RecSys*). 0: as popular as their history; 1: twice as popular.

    Args:
        shown: float64 [u], mean popularity of the items shown to each user.
        history: float64 [u], mean popularity of the items in each user's history; users with NaN in either do not count.

    Raises:
        DataError: the two differ in length, or a number is negative or infinite.
    """
    shown = as_numbers("shown", shown, ("users",), bounds=(0.0, np.inf), unknown=True)
    history = as_numbers("history", history, shown.shape, bounds=(0.0, np.inf), unknown=True)
    known = ~(np.isnan(shown) | np.isnan(history))
    ratio = ratio_estimate(shown[known], history[known], bounds=(0.0, np.inf))
    value, low, high = (None if end is None else end - 1.0 for end in (ratio.value, ratio.low, ratio.high))
    return Estimate(value=value, low=low, high=high, users=ratio.users)


def exposure_by_group(exposure: npt.ArrayLike, item: IntArray, group: IntArray, weight: DoubleArray) -> DoubleArray:
    """Return float64 [groups]: exposure of each group of items (Singh & Joachims 2018, *KDD*).

    Args:
        exposure: [n], exposure of every item: how often it was shown, each time weighted with the probability of a look.
        item: int64 [m], item of each membership.
        group: int64 [m], its group.
        weight: float64 [m], share of the item that belongs to the group; 1 where it belongs to one group only.

    Raises:
        DataError: shapes differ, an item is none of those exposed, or a number is negative or not finite.
    """
    exposure = as_numbers("exposure", exposure, ("items",), bounds=(0.0, np.inf))
    item = as_places("item", item, ("memberships",), len(exposure), blank=False)
    group = as_whole_numbers("group", group, item.shape, least=0)
    weight = as_numbers("weight", weight, item.shape, bounds=(0.0, np.inf))
    total: DoubleArray = np.bincount(group, exposure[item] * weight).astype(np.float64, copy=False)
    return total


def exposure_merit_gap(exposure: DoubleArray, merit: DoubleArray) -> float | None:
    """Return half the sum of absolute differences of the groups' shares of exposure and of merit, 0 to 1.

    0: exposure in proportion to merit, which the disparate treatment constraint of Singh & Joachims (2018, *KDD*) asks for;
    it is the share of exposure that would have to move. None: no exposure or no merit.

    Args:
        exposure: float64 [groups].
        merit: float64 [groups].

    Raises:
        DataError: the two differ in length, or a number is negative or not finite.
    """
    exposure, merit = _groups(exposure, merit)
    if exposure.sum() <= 0 or merit.sum() <= 0:
        return None
    return float(np.abs(exposure / exposure.sum() - merit / merit.sum()).sum() / 2.0)


def worst_exposure_ratio(
    exposure: DoubleArray, merit: DoubleArray, least_merit: float = LEAST_MERIT
) -> tuple[float, int] | None:
    """Return the smallest ratio of a group's share of exposure to its share of merit, and the group.

    The disparate treatment ratio of Singh & Joachims (2018, *KDD*) compares two groups; with many, the worst-off against
    all. 1: in proportion. None: no exposure or no merit.

    Args:
        exposure: float64 [groups].
        merit: float64 [groups].
        least_merit: groups with a smaller share of merit are not looked at.

    Raises:
        ConfigError: ``least_merit`` is no number.
        DataError: the two differ in length, or a number is negative or not finite.
    """
    check_number("least_merit", least_merit)
    exposure, merit = _groups(exposure, merit)
    if exposure.sum() <= 0 or merit.sum() <= 0:
        return None
    share = merit / merit.sum()
    looked_at = np.flatnonzero((share >= least_merit) & (share > 0))
    if not len(looked_at):
        return None
    ratio = exposure[looked_at] / exposure.sum() / share[looked_at]
    worst = int(ratio.argmin())
    return float(ratio[worst]), int(looked_at[worst])


def _groups(exposure: DoubleArray, merit: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    exposure = as_numbers("exposure", exposure, ("groups",), bounds=(0.0, np.inf))
    return exposure, as_numbers("merit", merit, exposure.shape, bounds=(0.0, np.inf))
