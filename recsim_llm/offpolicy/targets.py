"""The target policy's side: how likely it would have been to show what was logged.

A target is held fixed: it is asked about requests as they were logged and never told what came of its answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, check_whole_number
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.errors import ContractError, DataError
from recsim_llm.offpolicy.logged import CHANCES, LoggedSlates, rebuild_requests
from recsim_llm.recommenders.propensities import GivesPlacements, GivesPropensities, Propensities
from recsim_llm.registry import blaming

__all__ = [
    "Certain",
    "Functions",
    "TargetView",
    "answered",
    "as_target",
    "target_view",
]


class Certain:
    """A policy whose slates are certain, seen as one that gives propensities: 1 for what it recommends, 0 for all else.

    Where its own slate propensity is not 1, the probability of another slate cannot be known, and is NaN.

    Args:
        recommender: fitted; only its ``recommend`` is called.
    """

    def __init__(self, recommender: Any) -> None:
        self._recommender = recommender

    def propensities(self, requests: Requests, item_id: IntArray) -> Propensities:
        """Return 1 where the recommender would show the same, 0 where not, NaN where it is not certain."""
        own, certain = self._own(requests, item_id.shape[1])
        same = np.logical_and.accumulate(own == item_id, axis=1).astype(np.float64)
        same[~certain] = np.nan
        return Propensities(same, same[:, -1])

    def placements(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return 1 where the recommender would put the item there, 0 where not, NaN where it is not certain."""
        own, certain = self._own(requests, item_id.shape[1])
        placed: DoubleArray = (item_id[:, :, None] == own[:, None, :]).astype(np.float64)
        placed[~certain] = np.nan
        return placed

    def sample(self, requests: Requests, k: int, draws: int, seed: int) -> IntArray:
        """Return the recommender's only slate, ``draws`` times.

        Raises:
            ContractError: it is not certain.
        """
        del seed
        own, certain = self._own(requests, k)
        if not certain.all():
            raise ContractError(
                f"{type(self._recommender).__name__}: got slates that are not certain, expected propensity 1 or a method "
                "sample(requests, k, draws, seed); see recsim_llm.recommenders.SamplesSlates"
            )
        return np.repeat(own[None], draws, axis=0)

    def _own(self, requests: Requests, k: int) -> tuple[IntArray, BoolArray]:
        slates: Slates = self._recommender.recommend(requests, k)
        chance = slates.slate_propensity
        certain = np.zeros(len(slates.item_id), np.bool_) if chance is None else np.asarray(chance) == 1.0
        return np.asarray(slates.item_id), certain


class Functions:
    """A policy given by functions of (requests, item_id); what is not given is unknown.

    Args:
        prefix: returns [u, k] as in ``Propensities``.
        slate: returns [u]; the product of the prefix propensities where only those are given, as it must be.
        placements: returns [u, k, k] as in ``GivesPlacements``.
    """

    def __init__(
        self,
        *,
        prefix: Callable[[Requests, IntArray], npt.ArrayLike] | None = None,
        slate: Callable[[Requests, IntArray], npt.ArrayLike] | None = None,
        placements: Callable[[Requests, IntArray], npt.ArrayLike] | None = None,
    ) -> None:
        self._prefix, self._slate, self._placements = prefix, slate, placements

    def propensities(self, requests: Requests, item_id: IntArray) -> Propensities:
        """Return what the functions say, NaN for those that are missing."""
        unknown = np.full(item_id.shape, np.nan)
        users, slots = item_id.shape
        about = requests, item_id
        prefix = (
            unknown
            if self._prefix is None
            else answered("Functions: prefix", self._prefix, about, (users, slots), bounds=CHANCES)
        )
        if self._slate is None:
            return Propensities(prefix, prefix.prod(axis=1))
        return Propensities(prefix, answered("Functions: slate", self._slate, about, (users,), bounds=CHANCES))

    def placements(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return what the function says, NaN where it is missing."""
        if self._placements is None:
            return np.full((*item_id.shape, item_id.shape[1]), np.nan)
        users, slots = item_id.shape
        return answered("Functions: placements", self._placements, (requests, item_id), (users, slots, slots), bounds=CHANCES)


def answered(
    what: str,
    function: Callable[..., npt.ArrayLike],
    about: tuple[Requests, IntArray],
    shape: tuple[int, ...],
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> DoubleArray:
    """Return what a function of (requests, item_id) answers, as float64 of the given shape; NaN means unknown.

    Raises:
        ContractError: it answers something else, or crashes (``PlugInError``).
    """
    with blaming(what, f"numbers of shape {shape}"):
        answer = function(*about)
    try:
        return as_numbers(what, answer, shape, bounds=bounds, unknown=True)
    except DataError as error:
        raise ContractError(str(error)) from error


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetView:
    """The target's probabilities of what was logged, page by page in the order of the log; NaN means unknown.

    Raises:
        DataError: shapes do not fit together, or a probability is outside 0 to 1.
    """

    prefix_propensity: DoubleArray
    """float64 [n, k]: of the item at its position, given the items before it."""
    slate_propensity: DoubleArray
    """float64 [n]: of the whole slate."""
    placement: DoubleArray
    """float64 [n, k, k]: entry [., j, l] is the probability that item j of the slate stands at position l."""

    def __post_init__(self) -> None:
        prefix = _chances("prefix_propensity", self.prefix_propensity, ("pages", "slots"))
        pages, slots = prefix.shape
        object.__setattr__(self, "prefix_propensity", prefix)
        object.__setattr__(self, "slate_propensity", _chances("slate_propensity", self.slate_propensity, (pages,)))
        object.__setattr__(self, "placement", _chances("placement", self.placement, (pages, slots, slots)))

    @property
    def propensity(self) -> DoubleArray:
        """float64 [n, k]: slot marginals: of each item at the position where it was shown."""
        return np.asarray(np.einsum("njj->nj", self.placement))

    def take(self, rows: BoolArray | IntArray) -> TargetView:
        """Return some of the pages, by mask or position."""
        return TargetView(
            prefix_propensity=self.prefix_propensity[rows],
            slate_propensity=self.slate_propensity[rows],
            placement=self.placement[rows],
        )

    @classmethod
    def from_columns(
        cls,
        *,
        pages: int,
        slots: int,
        propensity: npt.ArrayLike | None = None,
        prefix_propensity: npt.ArrayLike | None = None,
        slate_propensity: npt.ArrayLike | None = None,
        placement: npt.ArrayLike | None = None,
    ) -> TargetView:
        """Build a view from plain columns; what is not given is unknown.

        Args:
            pages: number of logged pages, ``n``.
            slots: slots a page, ``k``.
            propensity: [n, k]: slot marginals, the diagonal of ``placement``.
            prefix_propensity: [n, k].
            slate_propensity: [n].
            placement: [n, k, k].

        Raises:
            ConfigError: ``pages`` or ``slots`` is no number of them.
            DataError: a column has another shape, or holds no probabilities.
        """
        check_whole_number("pages", pages, least=1)
        check_whole_number("slots", slots, least=1)
        placed = _given("placement", placement, (pages, slots, slots))
        if propensity is not None:
            placed, diagonal = placed.copy(), np.arange(slots)
            placed[:, diagonal, diagonal] = _chances("propensity", propensity, (pages, slots))
        return cls(
            prefix_propensity=_given("prefix_propensity", prefix_propensity, (pages, slots)),
            slate_propensity=_given("slate_propensity", slate_propensity, (pages,)),
            placement=placed,
        )


def _given(name: str, values: npt.ArrayLike | None, shape: tuple[int, ...]) -> DoubleArray:
    return np.full(shape, np.nan) if values is None else _chances(name, values, shape)


def _chances(name: str, values: npt.ArrayLike, shape: tuple[int | str, ...]) -> DoubleArray:
    return as_numbers(f"target, {name}", values, shape, bounds=CHANCES, unknown=True)


def as_target(policy: Any) -> Any:
    """Return the policy where it gives propensities itself, otherwise as one whose slates are certain (``Certain``).

    Raises:
        ContractError: it is no policy.
    """
    if isinstance(policy, GivesPropensities):
        return policy
    if not callable(getattr(policy, "recommend", None)):
        raise ContractError(
            f"target: got {policy!r}, expected a fitted recommender (recsim_llm.scenarios.off_policy_check.fitted_arm makes "
            "that of a run) or Functions(...)"
        )
    return Certain(policy)


def target_view(logged: LoggedSlates, policy: Any, *, placements: bool = True) -> TargetView:
    """Ask a target policy about every logged page.

    Args:
        logged: whole log, as ``rebuild_requests`` needs it.
        policy: a fitted recommender, or anything that has the method of ``GivesPropensities``.
        placements: False spares the slot marginals, which some policies have to work for; they are unknown then.

    Raises:
        DataError: earlier pages of a user are missing.
        ContractError: an answer has another shape.
    """
    target = as_target(policy)
    pages, slots = logged.item_id.shape
    prefix, slate = np.full((pages, slots), np.nan), np.full(pages, np.nan)
    placed = np.full((pages, slots, slots), np.nan)
    name = type(policy).__name__
    for rows, requests in rebuild_requests(logged):
        shown = logged.item_id[rows]
        answer = target.propensities(requests, shown)
        prefix[rows] = _shaped(answer.prefix, (len(rows), slots), f"{name}: prefix")
        slate[rows] = _shaped(answer.slate, (len(rows),), f"{name}: slate")
        if placements and isinstance(target, GivesPlacements):
            placed[rows] = _shaped(target.placements(requests, shown), (len(rows), slots, slots), f"{name}: placements")
    return TargetView(prefix_propensity=prefix, slate_propensity=slate, placement=placed)


def _shaped(values: DoubleArray, shape: tuple[int, ...], name: str) -> DoubleArray:
    if np.shape(values) != shape:
        raise ContractError(f"{name}: got shape {np.shape(values)}, expected {shape}; see recsim_llm.offpolicy.targets")
    return values
