"""Users and items that remember and choose, whoever keeps their memories; and what the memories of items are worth.

The scheme of Zhang et al. 2023 (AgentCF, arXiv 2310.09233): a user chooses between an item that the user took and one that the
user did not; after a wrong choice both sides reflect. With the item agents off an item is known by its own words alone, as in
the paper's ablation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol

import numpy as np

from recsim_llm.agents.memory.offered_choices import Choices, draw_choices, rank_in_time
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.statistics.intervals import Estimate, ratio_estimate

__all__ = ["ChoosingAgents", "ItemAgentsMeasure", "learn_choices", "measure_choices"]


class ChoosingAgents(Protocol):
    """Memories on both sides, users' and items': ``ItemAgents`` counts, ``WrittenItemAgents`` has a language model write."""

    def prefer(self, choices: Choices) -> DoubleArray:
        """Return float64 [c]: by how much each user prefers the taken item, 0 where the memories cannot tell."""
        ...

    def reflect(self, choices: Choices) -> None:
        """Write the memories of users, who are all different, and of items anew after these choices, which went wrong."""
        ...


class ItemAgentsMeasure(NamedTuple):
    """Held-out choices foretold with item agents and without; 95% intervals over users."""

    with_items: Estimate
    """Share of the choices that are right; where the memories cannot tell it counts half."""
    without_items: Estimate
    """The same with the item agents off."""
    gain: Estimate
    """The first less the second, of the same users and choices."""
    strangers_gain: Estimate
    """The same gain where each choice is foretold from the memory of another user: what item agents know of items as such, for
    instance of what is about to become popular, and not of who likes them."""
    personal_gain: Estimate
    """The gain less the strangers' gain."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: asdict(one) for name, one in self._asdict().items()}


def learn_choices(agents: ChoosingAgents, training: Dataset, *, seed: int, rounds: int, latest: int | None = None) -> int:
    """Have users choose again what they took, oldest first, and both sides reflect after each wrong choice.

    All users make their first choice at once, then their second, and so on; what items learn in a turn they know in the next.

    Args:
        agents: who chooses and reflects; their memories are written.
        training: what users took; stars play no part.
        seed: of the items that are refused.
        rounds: times that the choices are gone through, each time beside other refused items.
        latest: choices a user, the last ones; None: all.

    Returns:
        Wrong choices.
    """
    ratings, wrong = training.ratings, 0
    rank = rank_in_time(ratings)
    count = np.bincount(ratings.user_index)[ratings.user_index]
    turn = rank if latest is None else rank - np.maximum(count - latest, 0)
    order = np.argsort(turn, kind="stable")
    order = order[turn[order] >= 0]
    turns = np.split(order, np.flatnonzero(np.diff(turn[order])) + 1)
    for number in range(rounds):
        choices = draw_choices(training, ratings, seed=seed, number=number)
        for rows in turns:
            made = choices.take(rows)
            failed = made.take((agents.prefer(made) <= 0) & (made.taken != made.refused))
            agents.reflect(failed)
            wrong += len(failed.user)
    return wrong


def measure_choices(
    learned: Callable[[bool], ChoosingAgents], training: Dataset, later: Ratings, *, seed: int, latest: int | None = None
) -> ItemAgentsMeasure:
    """Say how many held-out choices are foretold with item agents, without them, and from strangers' memories.

    Args:
        learned: returns agents that have learned from the training part, with item agents (True) or without.
        training: what may be learned from.
        later: ratings of its users that are held out; each is put beside an item that the user never rated, drawn as often as
            these are rated in the training part.
        seed: of the items that are refused, and of who is whose stranger.
        latest: held-out choices a user, the first ones in time; None: all.
    """
    choices = draw_choices(training, later, seed=seed, number=-1)
    if latest is not None:
        choices = choices.take(rank_in_time(later) < latest)
    choices = choices.take(choices.taken != choices.refused)
    strange = choices._replace(user=_strangers(choices.user, seed)[choices.user])
    right = []
    for items in (True, False):
        agents = learned(items)
        right += [np.where((given := agents.prefer(one)) == 0, 0.5, given > 0) for one in (choices, strange)]
    gain, strangers = right[0] - right[2], right[1] - right[3]
    users = len(training.ratings.users)
    count = np.bincount(choices.user, minlength=users).astype(np.float64)
    told = (right[0], right[2], gain, strangers, gain - strangers)
    return ItemAgentsMeasure(*(ratio_estimate(np.bincount(choices.user, one, users).astype(np.float64), count) for one in told))


def _strangers(user: IntArray, seed: int) -> IntArray:
    """Return int64 [u]: by position of a user that of another one who is asked, each once; of a lone user the user's own."""
    asked = np.unique(user)
    ring = asked[keyed.words(seed, "stranger", asked).argsort(kind="stable")]
    strangers = np.arange(int(user.max(initial=-1)) + 1)
    strangers[ring] = np.roll(ring, 1)
    return strangers
