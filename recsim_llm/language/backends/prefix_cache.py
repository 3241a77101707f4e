"""Beginnings of prompts that a model has read, kept for the prompts to come that begin alike.

What is kept are *segments*: all users share the rules, the pages of one user the persona and what was learned of it. A segment
is found by all tokens up to its end and by the ends of the segments before it, so that a pass is repeated only by one of the
same shape and content.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import takewhile
from threading import Lock

import numpy as np
import torch

__all__ = ["PrefixCache", "Segment", "segment_keys"]

Segment = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, ``[1, heads, tokens, size]``."""

_NEVER = -1
_REMEMBERED = 1 << 16
"""Segments of which it is remembered when they were last asked for, kept or not."""


class PrefixCache:
    """Segments of prompts within a number of bytes; may be used by several threads at once.

    While there is room everything is kept. Beyond, a segment displaces others only if none of them was asked for since it was
    last asked for itself: what came back sooner is worth more. So prompts that never come again displace nothing, and of more
    users than there is room for some keep their place from page to page, instead of none.

    Args:
        capacity: most bytes of keys and values that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._bytes = self._asks = 0
        self._segments: OrderedDict[bytes, Segment] = OrderedDict()
        self._asked: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def find(self, keys: Sequence[bytes]) -> list[Segment]:
        """Return the segments of the longest known beginning.

        Args:
            keys: of a prompt's segments, from the first, see ``segment_keys``.
        """
        with self._lock:
            self._asks += 1
            for key in keys:
                self._asked[key] = self._asks, self._last_asks(key)[0]
                self._asked.move_to_end(key)
            self._refresh([key for key in keys if key in self._segments])
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
            return [self._segments[key] for key in takewhile(self._segments.__contains__, keys)]

    def keep(self, keys: Sequence[bytes], segment: Segment) -> None:
        """Keep the last of some segments if it is worth its room.

        Args:
            keys: of the prompt's segments up to this one.
            segment: keys and values of the last of them.
        """
        with self._lock:
            *before, key = keys
            if key in self._segments or (before and before[-1] not in self._segments):
                return
            excess = self._bytes + _bytes(segment) - self._capacity
            victims = []
            for other, kept in self._segments.items():
                if excess <= 0 or self._last_asks(other)[0] >= self._last_asks(key)[1]:
                    break
                victims.append(other)
                excess -= _bytes(kept)
            if excess <= 0:
                for other in victims:
                    self._bytes -= _bytes(self._segments.pop(other))
                self._segments[key] = segment
                self._bytes += _bytes(segment)
                self._refresh(keys)

    def _refresh(self, keys: Sequence[bytes]) -> None:
        """Put segments last in the order of giving up; the first very last, since what follows it is nothing without it."""
        for key in reversed(keys):
            self._segments.move_to_end(key)

    def _last_asks(self, key: bytes) -> tuple[int, int]:
        """Return the numbers of the last ask for a segment and of the one before it."""
        return self._asked.get(key, (_NEVER, _NEVER))


def segment_keys(tokens: Sequence[int], ends: Sequence[int]) -> list[bytes]:
    """Return a key for each segment of a prompt.

    Args:
        tokens: the prompt.
        ends: how many tokens of the prompt each segment ends after, ascending.
    """
    keys, last, start = [], b"", 0
    for end in ends:
        last = blake2b(last + np.asarray(tokens[start:end], "<i4").tobytes(), digest_size=16).digest()
        keys.append(last)
        start = end
    return keys


def _bytes(segment: Segment) -> int:
    return sum(key.nbytes + value.nbytes for key, value in segment)
