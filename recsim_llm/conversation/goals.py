"""What users come for: tastes as scores, the pool that a goal is drawn from, and what a true answer is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.protocols import RanksItems, TakesRated, UserModel
from recsim_llm.core.repetition import RatedItems
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World

__all__ = ["Goals", "Tastes", "keyed_dice", "read_tastes"]

_MOST_CELLS = 200_000_000
_DIGITS = 4


class Tastes(NamedTuple):
    """What each user feels for every item as a dialogue begins; the hidden side."""

    appeal: DoubleArray
    """float64 [u, n]: log-odds of a click in standard deviations around the user's mean, to four digits."""
    pool: IntArray
    """int64 [u, p]: catalog positions of what the user likes most, the best first; new to the user as far as there is
    enough."""


def keyed_dice(purpose: str, seed: keyed.Words, *columns: IntArray) -> DoubleArray:
    """Return float64 [m] in (0, 1): a die for each dialogue, whatever else is played.

    Args:
        purpose: what is drawn.
        seed: uint64 [m] or [1].
        *columns: int64 [m] each: user id, visit, turn and the like.
    """
    word = keyed.absorb(np.array([keyed.purpose_word(purpose)], np.uint64), seed)
    for column in columns:
        word = keyed.absorb(word, column)
    return keyed.uniform(word)


def read_tastes(users: UserModel, user_index: IntArray, world: World, pool: int) -> Tastes:
    """Return what users feel for every item, from the user model itself, which begins a visit of each.

    Args:
        users: the model; what it holds of other visits is forgotten.
        user_index: int64 [m]: whose.
        world: items, and what users rated before, which is then not new to them.
        pool: most items of the pool.

    Raises:
        ConfigError: the model cannot tell, or there are too many users and items.
    """
    if not isinstance(users, RanksItems):
        raise ConfigError(
            f"conversation: got users {type(users).__name__}, who cannot tell what they feel for every item, expected choice "
            "users; pass --users choice"
        )
    if len(user_index) * len(world.catalog) > _MOST_CELLS:
        raise ConfigError(
            f"conversation: got {len(user_index):,} users and {len(world.catalog):,} items, expected a product of at most "
            f"{_MOST_CELLS:,}; lower --n-users"
        )
    if isinstance(users, TakesRated):
        users.take_rated(world.rated)
    users.allocate(len(user_index), 1)
    users.begin(slice(None), user_index, False)
    appeal = users.appeal(slice(None)).astype(np.float64)
    appeal -= appeal.mean(axis=1, keepdims=True)
    appeal /= np.maximum(appeal.std(axis=1, keepdims=True), 1e-9)
    # Last digits differ with the size of a batch; nothing may hang on them.
    appeal = np.round(appeal, _DIGITS)
    fresh = _fresh(world.catalog, world.rated, user_index)
    size = min(pool, int(np.count_nonzero(world.catalog.on_sale)))
    # New items first, then known ones, then what is off sale: only where a catalog is used up does the pool reach so far.
    order = np.lexsort((-appeal, ~fresh, np.broadcast_to(~world.catalog.on_sale, fresh.shape)), axis=1)
    return Tastes(appeal, order[:, :size])


def _fresh(catalog: Catalog, rated: RatedItems | None, user_index: IntArray) -> BoolArray:
    fresh = np.repeat(catalog.on_sale[None], len(user_index), axis=0)
    if rated is not None:
        fresh[rated.items(user_index)] = False
    return fresh


class Goals:
    """Draws what users look for, and says what follows from it.

    Args:
        attributes: of the catalog.
        settings: of the scenario.
    """

    def __init__(self, attributes: Attributes, settings: ConversationSettings) -> None:
        self._attributes, self.kind = attributes, settings.goal
        shown = attributes.main if settings.goal == "attributes" else attributes.members
        self._values = shown
        self._truth = attributes.shares(shown.astype(np.float64))

    @property
    def certain(self) -> bool:
        """Whether users look for something certain."""
        return self.kind != "none"

    def draw(self, pool: IntArray, seed: keyed.Words, *who: IntArray) -> IntArray:
        """Return int64 [m]: the place in the pool of what each user looks for; the first of the pool without goals.

        Args:
            pool: int64 [m, p].
            seed: uint64 [m] or [1].
            *who: int64 [m] each: user id, visit, and how often the user changed its mind so far.
        """
        if not self.certain:
            return np.zeros(len(pool), np.int64)
        die = keyed_dice("conversation goal", seed, *who)
        place: IntArray = (die * pool.shape[1]).astype(np.int64)
        return place

    def wanted(self, goal: IntArray, item_index: IntArray) -> BoolArray:
        """Return bool [m, k]: which items are what users look for whose goal was drawn as the items int64 [m].

        Args:
            goal: catalog positions.
            item_index: int64 [m, k]: catalog positions, -1 for none.
        """
        if not self.certain:
            return np.zeros(item_index.shape, np.bool_)
        if self.kind == "item":
            same: BoolArray = item_index == goal[:, None]
            return same
        needed = self._values[goal][:, None]
        fits: BoolArray = (self._attributes.members[item_index] | ~needed).all(axis=2) & (item_index >= 0)
        return fits

    def truth(self, goal: IntArray, pool: IntArray) -> DoubleArray:
        """Return float64 [m, v]: shares of true answers; of the goal, or of the whole pool where there is none."""
        if self.certain:
            return self._truth[goal]
        return self._attributes.shares(self._truth[pool].mean(axis=1))
