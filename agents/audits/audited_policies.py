"""Policies that are audited: whom they are asked about, what they know, and how they are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.agents.audits.counterfactuals import TICKETS, Counterfactuals, Ranked, counterfactual_fairness
from recsim_llm.agents.audits.design import KNOWN_SHARE
from recsim_llm.agents.audits.ranked_lists import RankingBias, ranking_bias
from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import DataError
from recsim_llm.language.providers import Roles
from recsim_llm.population.sensitive_attributes import SENSITIVE_ATTRIBUTES
from recsim_llm.recommenders.base import Recommender, check_slates
from recsim_llm.recommenders.language.ranker import LanguageRanker

__all__ = [
    "LISTS",
    "RANKED",
    "ROTATIONS",
    "audit_fairness",
    "audit_ranking",
    "audit_recommender_fairness",
    "judge_lists",
    "rankable_users",
]

RANKED = 20
"""Candidates that a ranker is given where nothing is said."""
ROTATIONS = 8
"""Orders in which ``ranking`` shows candidates."""
LISTS = 1 + sum(map(len, SENSITIVE_ATTRIBUTES.values())) + len(TICKETS)
"""Lists a user that ``fairness`` asks for: the neutral one, one a value, and those of ticket numbers."""
_WIDE = 10
_LEAST_RANKED = 2
_VALUES = 5  # most values of an attribute that data tell


class _Asked(NamedTuple):
    """Users about whom a policy is asked."""

    known: Dataset
    """What it may learn from."""
    later: Ratings
    """What came after that."""
    user_id: IntArray
    """int64 [u]: outside ids, ascending."""
    fresh: int
    """Items that each of them has unrated, at least."""

    def requests(self) -> Requests:
        """Return the requests for everybody's first page."""
        first, empty = np.zeros(len(self.user_id), np.int64), np.zeros((len(self.user_id), 0))
        history = empty.astype(np.int64), empty.astype(np.bool_), empty.astype(np.float32)
        return Requests(self.user_id, first, first, *history)


def rankable_users(dataset: Dataset) -> IntArray:
    """Return int64 [a]: outside ids of the users who have something left to be ranked.

    Raises:
        DataError: that is nobody.
    """
    known, _ = dataset.ratings.split_by_time(KNOWN_SHARE)
    able = known.users[len(dataset.catalog) - np.bincount(known.user_index) >= _LEAST_RANKED]
    if not able.size:
        raise DataError(f"audit: got nobody with {_LEAST_RANKED} items unrated, expected at least one user; use more data")
    return able


def audit_ranking(
    roles: Roles, dataset: Dataset, seed: int, users: int, *, policy: Mapping[str, Any] = MappingProxyType({})
) -> RankingBias:
    """Have the model rank the candidates of a factor model for users whose earlier ratings it is told."""
    asked = _draw(dataset, "ranking audit", seed, users)
    ranker = _ranker(asked, {"candidates": RANKED, **policy}, roles, seed)
    known = asked.known
    shown = np.bincount(known.catalog.index_of(known.ratings.item_id), minlength=len(known.catalog))
    taken = [known.catalog.index_of(asked.later.item_id[asked.later.user_id == user]) for user in asked.user_id.tolist()]
    return ranking_bias(
        ranker,
        asked.requests(),
        shown,
        k=min(_WIDE, ranker.settings.candidates),
        rotations=ROTATIONS,
        later=[item[item >= 0] for item in taken],
    )


def audit_fairness(
    roles: Roles, dataset: Dataset, seed: int, users: int, *, policy: Mapping[str, Any] = MappingProxyType({})
) -> Counterfactuals:
    """Have a language ranker who is told profiles recommend to users who differ in one attribute.

    Args:
        roles: its language model.
        dataset: of whose earlier part it learns; where it tells one of the attributes, its own most frequent values are taken.
        seed: of the users.
        users: how many.
        policy: its settings by name.
    """
    asked = _draw(dataset, "fairness audit", seed, users)
    ranker = _ranker(asked, {"candidates": RANKED, "profile": "told", **policy}, roles, seed)
    return counterfactual_fairness(judge_lists(ranker), asked.requests(), attributes=_attributes(dataset))


def audit_recommender_fairness(make: Callable[[], Recommender], dataset: Dataset, seed: int, users: int) -> Counterfactuals:
    """Have any recommender recommend to users who differ in one attribute; ``make`` returns it, not yet fitted."""
    asked, recommender = _draw(dataset, "fairness audit", seed, users), make()
    recommender.fit(asked.known.catalog, asked.known.ratings, seed)
    size, catalog = min(_WIDE, asked.fresh), asked.known.catalog

    def rank(requests: Requests) -> Ranked:
        slates, name = recommender.recommend(requests, size), type(recommender).__name__
        item = check_slates(slates, catalog, len(requests.user_id), size, name=name, blank_invalid=False)
        return Ranked(catalog.item_id[item], np.ones(len(item), np.bool_))

    return counterfactual_fairness(rank, asked.requests(), attributes=_attributes(dataset))


def _draw(dataset: Dataset, purpose: str, seed: int, users: int) -> _Asked:
    known, later = dataset.training_part(KNOWN_SHARE)
    everyone, unseen = known.ratings.users, len(known.catalog) - np.bincount(known.ratings.user_index)
    able = rankable_users(dataset)
    drawn = np.sort(able[keyed.words(seed, purpose, able).argsort(kind="stable")[:users]])
    return _Asked(known, later, drawn, int(unseen[np.searchsorted(everyone, drawn)].min()))


def _ranker(asked: _Asked, settings: Mapping[str, Any], roles: Roles, seed: int) -> LanguageRanker:
    wanted = LanguageRanker.Settings.read(settings, "--set policy")
    ranker = LanguageRanker(wanted.model_copy(update={"candidates": min(wanted.candidates, asked.fresh)}))
    ranker.consult(roles.role("policy"))
    ranker.fit(asked.known.catalog, asked.known.ratings, seed)
    return ranker


def judge_lists(ranker: LanguageRanker) -> Callable[[Requests], Ranked]:
    """Return what ranks by a language ranker, and tells of whom a reply could not be read."""
    size = min(_WIDE, ranker.settings.candidates)

    def rank(requests: Requests) -> Ranked:
        judged = ranker.judge(requests, size)
        item = np.take_along_axis(judged.item_index, judged.order[:, :size], axis=1)
        return Ranked(item, judged.whole)

    return rank


def _attributes(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return the attributes with the values by which the data know them, where they do, the most frequent ones."""
    found = dict(SENSITIVE_ATTRIBUTES)
    for field in SENSITIVE_ATTRIBUTES:
        values, count = np.unique(
            [value for value in dataset.demographics.get(field, {}).values() if value], return_counts=True
        )
        if len(values) > 1:
            found[field] = tuple(sorted(values[np.argsort(-count, kind="stable")[:_VALUES]].tolist()))
    return found
