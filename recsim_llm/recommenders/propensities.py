"""What a recommender may tell of its own chances, so that off-policy estimators can ask it about slates that others showed.

All of it is about a policy held fixed: an answer depends on the request and on what was learned in ``fit``, never on what came
of earlier answers, and nothing is drawn on the way.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.pages import Requests

__all__ = ["GivesNextItems", "GivesPlacements", "GivesPropensities", "NextItems", "Propensities", "SamplesSlates"]


class Propensities(NamedTuple):
    """How likely a policy is to show given slates; 0 means never, NaN means unknown."""

    prefix: DoubleArray
    """float64 [u, k]: probability of the item at its position, given the items before it."""
    slate: DoubleArray
    """float64 [u]: probability of the whole slate."""


class NextItems(NamedTuple):
    """What a policy would put at each position of given slates, after the items before it."""

    item_id: IntArray
    """int64 [n]: the items."""
    probability: DoubleArray
    """float64 [u, k, n]: probability of each item at each position."""


@runtime_checkable
class GivesPropensities(Protocol):
    """A policy that can tell how likely it is to answer a request with a given slate, drawing nothing.

    What it says must depend on the request and on what it learned in ``fit``, and agree with what ``recommend`` draws.
    """

    def propensities(self, requests: Requests, item_id: IntArray) -> Propensities:
        """Return the probabilities of the slates ``item_id``, int64 [u, k]; unknown items and -1 have probability 0."""
        ...


@runtime_checkable
class GivesPlacements(Protocol):
    """A policy that knows its slot marginals."""

    def placements(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return float64 [u, k, k]: entry [., j, l] is the probability that item j of the slate stands at position l."""
        ...


@runtime_checkable
class SamplesSlates(Protocol):
    """A policy that can be drawn from as often as wanted; the draws have nothing to do with those of ``recommend``."""

    def sample(self, requests: Requests, k: int, draws: int, seed: int) -> IntArray:
        """Return int64 [draws, u, k]: item ids, keyed by the seed and each request."""
        ...


@runtime_checkable
class GivesNextItems(Protocol):
    """A policy that knows its whole distribution at each position, given the items before."""

    def next_items(self, requests: Requests, item_id: IntArray) -> NextItems:
        """Return the distribution at each position of the slates ``item_id``, int64 [u, k], after the items before it."""
        ...
