"""What a user would have wanted and done, had another item been its goal; for the leak meter."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.deciding import DialogueUsers, Heard, spread
from recsim_llm.conversation.dialogue_turns import Prepared
from recsim_llm.conversation.goals import Goals
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog

__all__ = ["Hypotheses", "meant_by"]


def meant_by(goal: IntArray, pool: IntArray, shown: IntArray, *, attributes: Attributes, goals: Goals) -> dict[str, Any]:
    """Return those fields of ``Heard`` that hang on the goal.

    Args:
        goal: int64 [m]: catalog positions.
        pool: int64 [m, p]: catalog positions.
        shown: int64 [m, k]: catalog positions, -1 for none.
        attributes: what can be asked about.
        goals: what follows from a goal.
    """
    truth = goals.truth(goal, pool)
    has = (attributes.members[shown] & (shown >= 0)[:, :, None]).any(axis=1)
    missing = attributes.shares(np.where(has, 0.0, truth))
    return {
        "goal": goal if goals.certain else np.full(len(goal), -1),
        "wanted": goals.wanted(goal, shown),
        "truth": truth,
        "lacking": has & (truth == 0),
        "missing": missing / np.maximum(missing.sum(axis=1, keepdims=True), 1e-300),
    }


class Hypotheses:
    """Asks of every item of a pool what it would mean, were it the goal.

    Args:
        catalog: the items.
        attributes: what can be asked about.
        goals: what follows from a goal.
        users: who decides.
    """

    def __init__(self, catalog: Catalog, attributes: Attributes, goals: Goals, users: DialogueUsers) -> None:
        self._catalog, self._attributes, self._goals, self._users = catalog, attributes, goals, users

    def hits(self, prepared: Prepared, pool: IntArray) -> BoolArray:
        """Return bool [m, p]: whether an act shows what the user would want, or names its title, for each goal of the pool."""
        shown = prepared.heard.item_index
        hits = np.stack([self._goals.wanted(pool[:, place], shown).any(axis=1) for place in range(pool.shape[1])], axis=1)
        texts = () if prepared.acts.text is None or self._goals.kind != "item" else prepared.acts.text
        for row, text in enumerate(texts):
            if text:
                said = str(text).casefold()
                hits[row] |= [str(self._catalog.title[item]).casefold() in said for item in pool[row]]
        return hits

    def likelihood(self, heard: Heard, pool: IntArray, drawn: IntArray) -> DoubleArray:
        """Return float64 [m, p]: how probably users would have done what they did, options int64 [m], for each goal."""
        chance = np.empty(pool.shape)
        for place in range(pool.shape[1]):
            meant = meant_by(pool[:, place], pool, heard.item_index, attributes=self._attributes, goals=self._goals)
            other = heard._replace(**meant)
            chance[:, place] = spread(self._users.decide(other), other)[np.arange(len(drawn)), drawn]
        return chance
