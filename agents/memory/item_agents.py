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

from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.agents.memory.choosing_agents import ItemAgentsMeasure, learn_choices, measure_choices
from recsim_llm.agents.memory.offered_choices import Choices
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset

__all__ = ["ItemAgentSettings", "ItemAgents", "learn_item_agents", "measure_item_agents"]


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


@dataclass(kw_only=True, eq=False)
class ItemAgents:
    """What both sides remember, as counts; see ``ChoosingAgents``."""

    words: DoubleArray
    """float64 [n, w]: genres and decade of each item, of length 1, or 0 where neither is known."""
    users: DoubleArray
    """float64 [u, w]: what each user likes, below 0 what is refused."""
    items: DoubleArray
    """float64 [n, w]: by whom each item is liked, below 0 by whom it is refused; zeros with the item agents off."""
    settings: ItemAgentSettings
    """How memories are written."""
    reflections: int = 0
    """Wrong choices, after each of which a user and two items reflected."""

    def prefer(self, choices: Choices) -> DoubleArray:
        """Return float64 [c]: by how much each user prefers the taken item, 0 where the memories cannot tell."""
        known = self.words + self.items
        difference = known[choices.taken] - known[choices.refused]
        return np.asarray(np.einsum("cw,cw->c", self.users[choices.user], difference))

    def reflect(self, choices: Choices) -> None:
        """Add to the memories of users, who are all different, and of items what the other side is known by."""
        user, taken, refused = choices
        settings, known, before = self.settings, self.words + self.items, self.users[user]
        length = np.linalg.norm(before, axis=1, keepdims=True)
        self.users[user] = _bounded(before + settings.step * (known[taken] - known[refused]), settings.longest)
        if settings.items and len(user):
            tastes = settings.item_step * before / np.maximum(length, 1.0)
            np.add.at(self.items, taken, tastes)
            np.subtract.at(self.items, refused, tastes)
            touched = np.unique(np.concatenate([taken, refused]))
            self.items[touched] = _bounded(self.items[touched], settings.longest)
        self.reflections += len(user)


def learn_item_agents(training: Dataset, seed: int, settings: ItemAgentSettings | None = None) -> ItemAgents:
    """Have users choose again what they took, and both sides reflect after each wrong choice; see ``learn_choices``.

    Args:
        training: what users took; stars play no part.
        seed: of the items that are refused.
        settings: how memories are written; None for the defaults.
    """
    settings = settings or ItemAgentSettings()
    words = _words(training.catalog)
    users = np.zeros((len(training.ratings.users), words.shape[1]))
    agents = ItemAgents(words=words, users=users, items=np.zeros_like(words), settings=settings)
    learn_choices(agents, training, seed=seed, rounds=settings.rounds)
    return agents


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
    given = settings or ItemAgentSettings()
    training, later = dataset.training_part(train_share)
    return measure_choices(
        lambda items: learn_item_agents(training, seed, replace(given, items=items)), training, later, seed=seed
    )


def _bounded(memories: DoubleArray, longest: float) -> DoubleArray:
    length = np.linalg.norm(memories, axis=1, keepdims=True)
    return np.asarray(memories * np.minimum(1.0, longest / np.maximum(length, 1e-12)))


def _words(catalog: Catalog) -> DoubleArray:
    """Return genres and decade of each item as a vector of length 1, or 0 where neither is known."""
    decades = catalog.year // 10
    told = np.unique(decades[catalog.year >= 0])
    flags = np.hstack([catalog.genres, (decades[:, None] == told) & (catalog.year >= 0)[:, None]]).astype(np.float64)
    return np.asarray(flags / np.maximum(np.linalg.norm(flags, axis=1, keepdims=True), 1.0))
