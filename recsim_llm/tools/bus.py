"""The candidates of one request: tools write them here, and the model sees how many there are and the first few.

After InteRecAgent (Huang et al. 2023, "Recommender AI agent: integrating large language models for interactive
recommendations", section 3.3, the candidate bus): lists of items pass from tool to tool and never through the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from recsim_llm.core.arrays import BoolArray, IntArray

__all__ = ["CandidateBus"]


class CandidateBus:
    """Catalog positions in order, each once, all of them items that may be shown.

    Args:
        allowed: bool [n]: which items may be shown to the visitor.
        items: what is there at first.
    """

    def __init__(self, allowed: BoolArray, items: Iterable[int] = ()) -> None:
        self._allowed = allowed
        self._items = dict.fromkeys(items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: int) -> bool:
        return item in self._items

    @property
    def items(self) -> list[int]:
        """The candidates, the best first."""
        return list(self._items)

    def add(self, items: Sequence[int] | IntArray) -> int:
        """Put items behind those that are there; return how many of them may be shown."""
        index = np.asarray(items, np.int64)
        fit: list[int] = index[self._allowed[index]].tolist()
        self._items |= dict.fromkeys(fit)
        return len(fit)

    def keep(self, mask: BoolArray) -> None:
        """Keep those that a mask, bool [n], marks."""
        self._items = {item: None for item in self._items if mask[item]}

    def put_first(self, items: Sequence[int]) -> None:
        """Put those of the candidates that are named before the others, in the order given."""
        self._items = {item: None for item in items if item in self._items} | self._items

    def copy(self) -> CandidateBus:
        """Return another one with the same candidates."""
        return CandidateBus(self._allowed, self._items)
