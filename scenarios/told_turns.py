"""What shards tell each other of a turn of their conversations, where the policy learns from everyone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from recsim_llm.core.arrays import BoolArray
from recsim_llm.core.batches import stack_columns
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.scenarios.offers import fill_history

__all__ = ["ToldTurn", "join_told"]


class ToldTurn(NamedTuple):
    """What a policy is told of a batch of dialogues."""

    requests: Requests
    """Of ``m`` users, those alone to whom a full page was shown, which may be nobody; of all where dialogues begin."""
    shown: Slates | None
    """What was shown to them; None where dialogues begin."""
    clicked: BoolArray | None
    """bool [m, k]: which slots were accepted; None where dialogues begin."""

    def alone(self) -> ToldTurn:
        """Return the same without what it knows of users who are not in it; for who sends it elsewhere."""
        return self._replace(requests=self.requests._replace(profile=self.requests.profile.alone()))


def join_told(parts: Sequence[ToldTurn]) -> ToldTurn:
    """Put what was told of different dialogues, at least one batch of them, below each other."""
    longest = max(part.requests.history_item.shape[1] for part in parts)
    alike: list[Any] = [part._replace(requests=fill_history(part.requests, longest)) for part in parts]
    joined: ToldTurn = stack_columns(alike)
    return joined
