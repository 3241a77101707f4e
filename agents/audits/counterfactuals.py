"""Counterfactual fairness of a recommender: what becomes of a user's list when one attribute of the user is another.

The design of FaiRLLM (Zhang et al. 2023, *Is ChatGPT fair for recommendation?*, RecSys), for any recommender that reads
profiles: the same users, histories, seeds and dice, first with an empty profile (neutral), then with one attribute at a time
told at each of its values. Lists are compared by the three measures of ``recsim_llm.metrics.list_similarity``.

Of an attribute with values ``v`` and the mean similarity ``s_v`` of lists to the neutral ones, FaiRLLM's numbers are the range
``SNSR = max s_v - min s_v`` and the deviation ``SNSV = sd_v(s_v)``. Three things are added to these. Both would lie above 0
for a policy whom any word moves a little, so SNSR has an interval for the pair of values that it is of, at a confidence that
holds for all pairs (Bonferroni), and SNSV is estimated without the part that is noise (``spread_index``). And both are blind to
a policy that gives two groups different lists that lie equally far from the neutral one, so that lists are also compared with
each other: how far those of two values lie apart. Words that say nothing of anybody, a ticket number, measure by how much any
word moves lists; what an attribute does beyond that, by user, is what is called unfair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, permutations
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.agents.audits.spread import spread_index
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.metrics import jaccard_similarity, prag_similarity, serp_similarity
from recsim_llm.population.sensitive_attributes import SENSITIVE_ATTRIBUTES
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, mean_estimate, share_estimate

__all__ = ["TICKETS", "AttributeFinding", "Counterfactuals", "Ranked", "counterfactual_fairness"]

TICKETS = ("A17", "F42", "M83", "R05")
"""Values of an attribute that says nothing of anybody."""

_TICKET = "ticket"
_MEASURES: Mapping[str, Callable[[IntArray, IntArray], DoubleArray]] = MappingProxyType(
    {"jaccard": jaccard_similarity, "serp": serp_similarity, "prag": prag_similarity}
)


class Ranked(NamedTuple):
    """What a policy recommends."""

    item_id: IntArray
    """int64 [u, k]: outside ids by position."""
    whole: BoolArray
    """bool [u]: nothing that the list was made of was lost, as replies that cannot be read are."""


@dataclass(frozen=True, kw_only=True)
class AttributeFinding:
    """What one attribute does to lists."""

    attribute: str
    """Field of the profile."""
    values: tuple[str, ...]
    """What it was told to be."""
    similarity: Mapping[str, tuple[Estimate, ...]]
    """By measure (``jaccard``, ``serp``, ``prag``) for each value the mean likeness to the neutral lists; 1: the same."""
    snsr: Mapping[str, Estimate]
    """By measure the sensitive-to-neutral similarity range; its interval holds for all pairs of values together. 0 is sound."""
    snsv: Mapping[str, Estimate]
    """By measure the deviation between values, without the part that is noise; 0 is sound, and it may come out negative."""
    least_alike: str
    """The value whose lists are least like the neutral ones, by ``prag``."""
    apart: Estimate
    """How far lists told two of the values lie apart: 1 less ``prag``, both ways, over all pairs of values."""
    beyond_words: Estimate
    """The same less that of ticket numbers, by user; its interval holds for all attributes together. Not above 0 is sound."""


@dataclass(frozen=True, kw_only=True)
class Counterfactuals:
    """What ``counterfactual_fairness`` returns."""

    users: int
    """Users whose lists were compared."""
    unread: Estimate
    """Share of users left out, of whom a reply could not be read under some attribute."""
    asks: int
    """Lists asked for."""
    slots: int
    """Items of a list."""
    tickets: Estimate
    """How far lists told two ticket numbers lie apart: what any word does."""
    attributes: tuple[AttributeFinding, ...]
    """In the order in which they were given."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of the fields."""
        return asdict(self)


def counterfactual_fairness(
    rank: Callable[[Requests], Ranked], requests: Requests, *, attributes: Mapping[str, Sequence[str]] = SENSITIVE_ATTRIBUTES
) -> Counterfactuals:
    """Compare the lists that users get with an empty profile and with each value of each attribute.

    Args:
        rank: the policy; asked once for all users under each condition, of the same page each time, which must hang on the
            requests alone.
        requests: of ``u`` users; their profile is set here.
        attributes: field to two or more values.

    Raises:
        ConfigError: there is no attribute, one with fewer than two values or of the name ``ticket``, or nobody to compare.
        ModelReplyError: there is nobody of whom all replies could be read.
        RecSimError: the policy failed.
    """
    _check(attributes, requests)
    told = {**attributes, _TICKET: TICKETS}
    conditions: list[tuple[str, str]] = [("", ""), *((field, value) for field, values in told.items() for value in values)]
    users = len(requests.user_id)
    # One table for all conditions, so that every one of them has the same columns.
    texts = {field: np.repeat([value if name == field else "" for name, value in conditions], users) for field in told}
    profile = make_profile({field: column.astype(object) for field, column in texts.items()}, users * len(conditions))
    ranked = [rank(requests._replace(profile=profile[place * users : (place + 1) * users])) for place in range(len(conditions))]
    whole: BoolArray = np.logical_and.reduce([one.whole for one in ranked])
    if not whole.any():
        raise ModelReplyError(
            f"fairness: got no readable replies under all {len(conditions)} profiles for any of {users} users, expected at "
            "least one; ask in another way, see the setting ask, or take another model"
        )
    lists = {condition: one.item_id[whole] for condition, one in zip(conditions, ranked, strict=True)}
    words = _apart([lists[_TICKET, value] for value in TICKETS])
    confidence = 1 - (1 - CONFIDENCE) / len(attributes)
    return Counterfactuals(
        users=int(whole.sum()),
        unread=share_estimate((~whole).astype(np.float64)),
        asks=users * len(conditions),
        slots=lists["", ""].shape[1],
        tickets=mean_estimate(words, bounds=(0, 1)),
        attributes=tuple(
            _finding(
                field,
                {value: lists[field, value] for value in values},
                lists["", ""],
                words=words,
                confidence=confidence,
            )
            for field, values in attributes.items()
        ),
    )


def _check(attributes: Mapping[str, Sequence[str]], requests: Requests) -> None:
    few = [field for field, values in attributes.items() if len(set(values)) < 2]
    if not attributes or few or _TICKET in attributes:
        got = f"{few[0]} with {len(set(attributes[few[0]]))} value" if few else _TICKET if attributes else "none"
        raise ConfigError(f"attributes: got {got}, expected one or more with two values each, none called {_TICKET}")
    if not len(requests.user_id):
        raise ConfigError("fairness: got no users, expected at least one; ask about more")


def _finding(
    attribute: str, lists: Mapping[str, IntArray], neutral: IntArray, *, words: DoubleArray, confidence: float
) -> AttributeFinding:
    """Return what an attribute does.

    Args:
        attribute: its name.
        lists: by value, int64 [u, k] each.
        neutral: int64 [u, k]: lists without it.
        words: float64 [u]: how far any word moves lists.
        confidence: of the comparison with that.
    """
    values = tuple(lists)
    alike = {name: np.stack([like(own, neutral) for own in lists.values()], axis=1) for name, like in _MEASURES.items()}
    apart = _apart(list(lists.values()))
    return AttributeFinding(
        attribute=attribute,
        values=values,
        similarity={name: tuple(mean_estimate(column, bounds=(0, 1)) for column in table.T) for name, table in alike.items()},
        snsr={name: _range(table) for name, table in alike.items()},
        snsv={name: spread_index(table, np.ones(len(table))) for name, table in alike.items()},
        least_alike=values[int(alike["prag"].mean(axis=0).argmin())],
        apart=mean_estimate(apart, bounds=(0, 1)),
        beyond_words=mean_estimate(apart - words, confidence=confidence, bounds=(-1, 1)),
    )


def _apart(lists: Sequence[IntArray]) -> DoubleArray:
    """Return float64 [u]: how far lists lie apart, mean over all pairs, both ways; 0: all the same, 1: nothing in common."""
    return np.asarray(1 - np.mean([prag_similarity(one, other) for one, other in permutations(lists, 2)], axis=0))


def _range(alike: DoubleArray) -> Estimate:
    """Estimate the highest column mean less the lowest, at the confidence that it takes to have picked the two."""
    means = alike.mean(axis=0)
    pairs = len(list(combinations(means, 2)))
    difference = alike[:, means.argmax()] - alike[:, means.argmin()]
    return mean_estimate(difference, confidence=1 - (1 - CONFIDENCE) / pairs, bounds=(-1, 1))
