"""Memories of items, written from who liked and who refused them, beside memories of users; AgentCF with counts for words.

Zhang et al. 2023, "AgentCF: Collaborative learning with autonomous language agents for recommender systems" (arXiv 2310.09233):
a user agent chooses between an item that the user took and one that the user did not; after a wrong choice both sides reflect,
the user on what was liked and refused, the two items on who liked and who refused them. There a language model writes the
memories and makes the choices. Here a *counting stand-in* does: a memory is a vector over the catalog's genres and decades, a
choice is the product of two, a reflection adds what the other side is known by. It shows what the scheme itself can learn from
choices, and costs no call; it is no language model, and its memories are no texts.

With the item agents off an item is known by its own genres and decade alone, as in the paper's ablation. Memories are bounded:
none grows beyond ``ItemAgentSettings.longest``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset, Ratings
from recsim_llm.statistics.intervals import Estimate, ratio_estimate

__all__ = [
    "Choices",
    "ItemAgentSettings",
    "ItemAgents",
    "ItemAgentsMeasure",
    "draw_choices",
    "learn_item_agents",
    "measure_item_agents",
]

_TRIES = 8


@dataclass(frozen=True, kw_only=True)
class ItemAgentSettings:
    """How memories are written."""

    items: bool = True
    """Whether items have memories of their own; without, they are known by genres and decade alone."""
    step: float = 0.1
    """What one reflection adds to a user's memory, in lengths of an item's own words, above 0."""
    item_step: float = 0.05
    """Likewise, to an item's, in lengths of the user's memory or of 1 where that is shorter, above 0."""
    longest: float = 4.0
    """Length that no memory exceeds, above 0."""
    rounds: int = 8
    """Times that each user's choices are gone through, 1 or more."""

    def __post_init__(self) -> None:
        check_number("item agents, step", self.step, above=0.0)
        check_number("item agents, item_step", self.item_step, above=0.0)
        check_number("item agents, longest", self.longest, above=0.0)
        check_whole_number("item agents, rounds", self.rounds, least=1)


class Choices(NamedTuple):
    """Pairs of items put to users."""

    user: IntArray
    """int64 [c]: positions of the users."""
    taken: IntArray
    """int64 [c]: positions of the items that they took."""
    refused: IntArray
    """int64 [c]: of items that they never rated, drawn as often as these are rated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemAgents:
    """What both sides remember."""

    words: DoubleArray
    """float64 [n, w]: genres and decade of each item, of length 1, or 0 where neither is known."""
    users: DoubleArray
    """float64 [u, w]: what each user likes, below 0 what is refused."""
    items: DoubleArray
    """float64 [n, w]: by whom each item is liked, below 0 by whom it is refused; zeros with the item agents off."""
    reflections: int
    """Wrong choices, after each of which a user and two items reflected."""

    def prefer(self, choices: Choices) -> DoubleArray:
        """Return float64 [c]: by how much each user prefers the taken item, 0 where the memories cannot tell."""
        known = self.words + self.items
        difference = known[choices.taken] - known[choices.refused]
        return np.asarray(np.einsum("cw,cw->c", self.users[choices.user], difference))


class ItemAgentsMeasure(NamedTuple):
    """Held-out choices foretold with item agents and without; 95% intervals over users."""

    with_items: Estimate
    """Share of the choices that are right; where the memories cannot tell it counts half."""
    without_items: Estimate
    """The same with the item agents off."""
    gain: Estimate
    """The first less the second, of the same users and choices."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: asdict(one) for name, one in self._asdict().items()}


def learn_item_agents(training: Dataset, seed: int, settings: ItemAgentSettings | None = None) -> ItemAgents:
    """Have users choose again what they took, oldest first, and both sides reflect after each wrong choice.

    All users make their first choice at once, then their second, and so on; what items learn in a turn they know in the next.

    Args:
        training: what users took; stars play no part.
        seed: of the items that are refused.
        settings: how memories are written; None for the defaults.
    """
    settings = settings or ItemAgentSettings()
    words = _words(training.catalog)
    users = np.zeros((len(training.ratings.users), words.shape[1]))
    agents = ItemAgents(words=words, users=users, items=np.zeros_like(words), reflections=0)
    wrong = 0
    for number in range(settings.rounds):
        choices = draw_choices(training, training.ratings, seed=seed, number=number)
        order, rank = _turns(training.ratings)
        turns = np.split(order, np.flatnonzero(np.diff(rank[order])) + 1)
        for rows in turns:
            wrong += _turn(agents, Choices(*(column[rows] for column in choices)), settings)
    return ItemAgents(words=words, users=agents.users, items=agents.items, reflections=wrong)


def measure_item_agents(
    dataset: Dataset, seed: int, settings: ItemAgentSettings | None = None, *, train_share: float = TRAIN_SHARE
) -> ItemAgentsMeasure:
    """Say how many held-out choices are foretold with item agents, without them, and the difference.

    Args:
        dataset: all ratings; each user's last ones are held out, and put beside items that the user never rated, drawn as often
            as these are rated in the training part.
        seed: of the items that are refused.
        settings: how memories are written; both ways alike, but for the memories of items.
        train_share: share of each user's ratings to learn from.

    Raises:
        ConfigError: no user has two ratings.
    """
    settings = settings or ItemAgentSettings()
    training, later = dataset.training_part(train_share)
    choices = draw_choices(training, later, seed=seed, number=-1)
    right = []
    for items in (True, False):
        given = replace(settings, items=items)
        prefer = learn_item_agents(training, seed, given).prefer(choices)
        right.append(np.where(prefer == 0, 0.5, prefer > 0))
    users = len(training.ratings.users)
    there = (choices.taken != choices.refused).astype(np.float64)
    count = np.bincount(choices.user, there, users)
    asked = count > 0
    by_user = [np.bincount(choices.user, one * there, users)[asked] for one in (*right, right[0] - right[1])]
    return ItemAgentsMeasure(*(ratio_estimate(one.astype(np.float64), count[asked].astype(np.float64)) for one in by_user))


def draw_choices(training: Dataset, taken: Ratings, *, seed: int, number: int) -> Choices:
    """Put a refused item beside each taken one; where eight draws find none, the item itself, which says nothing.

    Args:
        training: says who rated what, and how often items are rated.
        taken: ratings whose items were taken, of users of the training part.
        seed: of the draws.
        number: another one draws other items.
    """
    catalog, ratings = training.catalog, training.ratings
    user, item = np.searchsorted(ratings.users, taken.user_id), catalog.index_of(taken.item_id)
    pool, size = catalog.index_of(ratings.item_id), len(catalog)
    known = np.unique(np.concatenate([ratings.user_index * size + pool, user * size + item]))
    word = keyed.words(seed, "refused item", taken.user_id, taken.item_id, number)
    place = keyed.uniform(keyed.absorb(word[:, None], np.arange(_TRIES)))
    drawn = pool[(place * len(pool)).astype(np.int64)]
    free = ~np.isin(user[:, None] * size + drawn, known)
    refused = drawn[np.arange(len(drawn)), free.argmax(axis=1)]
    # A row whose draws were all rated stays, so that turns are those of the ratings; nobody can tell an item from itself.
    return Choices(user, item, np.where(free.any(axis=1), refused, item))


def _turn(agents: ItemAgents, choices: Choices, settings: ItemAgentSettings) -> int:
    """Let users who are all different choose once, and write the memories anew; return how many were wrong."""
    wrong: BoolArray = (agents.prefer(choices) <= 0) & (choices.taken != choices.refused)
    user, taken, refused = (column[wrong] for column in choices)
    known = agents.words + agents.items
    before = agents.users[user]
    length = np.linalg.norm(before, axis=1, keepdims=True)
    agents.users[user] = _bounded(before + settings.step * (known[taken] - known[refused]), settings.longest)
    if settings.items and len(user):
        tastes = settings.item_step * before / np.maximum(length, 1.0)
        np.add.at(agents.items, taken, tastes)
        np.subtract.at(agents.items, refused, tastes)
        touched = np.unique(np.concatenate([taken, refused]))
        agents.items[touched] = _bounded(agents.items[touched], settings.longest)
    return len(user)


def _bounded(memories: DoubleArray, longest: float) -> DoubleArray:
    length = np.linalg.norm(memories, axis=1, keepdims=True)
    return np.asarray(memories * np.minimum(1.0, longest / np.maximum(length, 1e-12)))


def _turns(ratings: Ratings) -> tuple[IntArray, IntArray]:
    """Return rows in the order of turns, int64 [r], and the turn of each row: a user's first rating in time, second, ..."""
    order = np.lexsort((np.arange(len(ratings)), ratings.timestamp, ratings.user_index))
    user = ratings.user_index[order]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(user, user)
    return np.argsort(rank, kind="stable"), rank


def _words(catalog: Catalog) -> DoubleArray:
    """Return genres and decade of each item as a vector of length 1, or 0 where neither is known."""
    decades = catalog.year // 10
    told = np.unique(decades[catalog.year >= 0])
    flags = np.hstack([catalog.genres, (decades[:, None] == told) & (catalog.year >= 0)[:, None]]).astype(np.float64)
    return np.asarray(flags / np.maximum(np.linalg.norm(flags, axis=1, keepdims=True), 1.0))
