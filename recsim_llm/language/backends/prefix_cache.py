"""What a model remembers of the tokens it has read: prompts in blocks that later calls reuse, and branches that go on from one.

Keys and values are computed in *blocks* of 64 tokens, always by a pass over exactly these 64, whether or not the block is kept,
and one call at a time. So every pass has a shape and a content that depend on the call alone: the numbers are the same bits
whatever was asked before, together, or in which order. (Rows of a matrix product are not: with the linear algebra of current
processors, a row's last bits depend on how many rows are multiplied at once.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

__all__ = ["BLOCK", "Block", "Branches", "PrefixCache", "attention_windows"]

BLOCK = 64
"""Tokens a block. Another number changes the last bits of answers."""

Block = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, ``[1, heads, 64, size]``."""

PROMPT = -1


class PrefixCache:
    """Blocks of prompts, found by all tokens up to their end; the ones not used for longest are given up.

    Args:
        capacity: most bytes of keys and values that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()

    def find(self, keys: Sequence[bytes]) -> list[Block]:
        """Return the blocks of the longest known beginning."""
        found: list[Block] = []
        for key in keys:
            if key not in self._blocks:
                break
            found.append(self._blocks[key])
        # The first block last: a block whose beginning is gone could never be found again.
        for key in reversed(keys[: len(found)]):
            self._blocks.move_to_end(key)
        return found

    def keep(self, key: bytes, block: Block) -> None:
        """Remember a block."""
        self._blocks[key] = block
        self._bytes += _bytes(block)
        while self._bytes > self._capacity and self._blocks:
            self._bytes -= _bytes(self._blocks.popitem(last=False)[1])

    @staticmethod
    def keys(tokens: Sequence[int]) -> list[bytes]:
        """Return a key for each block of a prompt; the last 1 to 64 tokens belong to none."""
        keys, last = [], b""
        for start in range(0, len(tokens) - BLOCK, BLOCK):
            last = blake2b(last + np.asarray(tokens[start : start + BLOCK], "<i4").tobytes(), digest_size=16).digest()
            keys.append(last)
        return keys


class Branches:
    """A prompt in the memory of a model, and continuations that see the prompt and themselves but not each other.

    Args:
        network: a causal language model.
        prompt: its tokens, at least one.
        prefixes: blocks of earlier prompts.

    Attributes:
        cached: tokens of the prompt that did not have to be read.
    """

    def __init__(self, network: Any, prompt: Sequence[int], prefixes: PrefixCache) -> None:
        from transformers import DynamicCache

        self._network, self._device = network, network.device
        self._windows = attention_windows(network.config.get_text_config())
        self._cache = DynamicCache()
        self._owners, self._positions = self._numbers([]), self._numbers([])
        self._ends: dict[int, int] = {}
        self._prompt_length = len(prompt)
        keys = prefixes.keys(prompt)
        known = prefixes.find(keys)
        self.cached = len(known) * BLOCK
        self._restore(known)
        for number in range(len(known), len(keys)):
            self._read(
                prompt[number * BLOCK : (number + 1) * BLOCK], [PROMPT] * BLOCK, range(number * BLOCK, (number + 1) * BLOCK)
            )
            prefixes.keep(keys[number], self._last_block())
        self._unread = list(prompt[len(keys) * BLOCK :])

    def extend(self, continuations: Mapping[int, Sequence[int]]) -> torch.Tensor:
        """Read more tokens of some branches in one pass and return the scores of what follows, ``[branches, vocabulary]``.

        Args:
            continuations: new tokens of each branch, by number; none is allowed in the first call only, for the scores of what
                follows the prompt.
        """
        tokens = list(self._unread)
        start = self._prompt_length - len(tokens)
        owners, positions, last = [PROMPT] * len(tokens), list(range(start, self._prompt_length)), []
        for branch, added in continuations.items():
            end = self.end(branch)
            tokens += added
            owners += [branch] * len(added)
            positions += range(end, end + len(added))
            self._ends[branch] = end + len(added)
            last.append(len(tokens) - 1 if added else len(self._unread) - 1)
        self._unread = []
        return self._read(tokens, owners, positions, last)

    def end(self, branch: int) -> int:
        """Return how many tokens a branch has read, the prompt's included."""
        return self._ends.get(branch, self._prompt_length)

    def rewind(self) -> None:
        """Forget every continuation."""
        if self._unread:
            return
        excess = len(self._owners) - self._prompt_length
        self._cache.crop(-excess)
        self._owners, self._positions = self._owners[: self._prompt_length], self._positions[: self._prompt_length]
        self._ends.clear()

    def _read(
        self, tokens: Sequence[int], owners: Sequence[int], positions: Sequence[int], last: Sequence[int] = (0,)
    ) -> torch.Tensor:
        owner, position = self._numbers(owners), self._numbers(positions)
        self._owners, self._positions = torch.cat([self._owners, owner]), torch.cat([self._positions, position])
        distance = position[:, None] - self._positions[None]
        visible = ((self._owners[None] == PROMPT) | (self._owners[None] == owner[:, None])) & (distance >= 0)
        masks = {kind: self._mask(visible & (distance < window)) for kind, window in self._windows.items()}
        output = self._network(
            input_ids=self._numbers(tokens)[None],
            attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
            position_ids=position[None],
            cache=self._cache,
            use_cache=True,
            logits_to_keep=self._numbers(last),
        )
        return output.logits[0]  # type: ignore[no-any-return]

    def _mask(self, visible: torch.Tensor) -> torch.Tensor:
        kind = self._network.dtype
        hidden = torch.full(visible.shape, torch.finfo(kind).min, dtype=kind, device=self._device)
        return hidden.masked_fill_(visible, 0)[None, None]

    def _numbers(self, values: Sequence[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)

    def _restore(self, blocks: Sequence[Block]) -> None:
        for layer, states in enumerate(zip(*blocks, strict=True)):
            self._cache.update(torch.cat([key for key, _ in states], -2), torch.cat([value for _, value in states], -2), layer)
        self._owners = self._numbers([PROMPT] * self.cached)
        self._positions = self._numbers(range(self.cached))

    def _last_block(self) -> Block:
        return [(layer.keys[..., -BLOCK:, :].clone(), layer.values[..., -BLOCK:, :].clone()) for layer in self._cache.layers]


def _bytes(block: Block) -> int:
    return sum(key.nbytes + value.nbytes for key, value in block)


def attention_windows(config: Any) -> dict[str, int]:
    """Return how far back each kind of layer looks, in tokens; kinds other than these two keep no memory by token."""
    everything = 1 << 60
    window = getattr(config, "sliding_window", None) or everything
    if not getattr(config, "use_sliding_window", True):
        window = everything
    kinds = set(getattr(config, "layer_types", None) or ())
    if len(kinds) < 2:
        return {"": everything if kinds == {"full_attention"} else window}
    return {kind: window if kind == "sliding_attention" else everything for kind in sorted(kinds)}
