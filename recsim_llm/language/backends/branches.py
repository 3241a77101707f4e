"""A prompt that a model has read, and continuations that see the prompt and themselves but not each other.

Every pass of the model has a shape and a content that depend on the call alone: where segments of the prompt end is the
call's, passes are cut at fixed lengths, and calls never share one. So the numbers are the same bits whatever was asked before,
beside, or in which order, and whether or not a segment was kept. (Rows of a matrix product are not: with the linear algebra of
current processors, a row's last bits depend on how many rows are multiplied at once.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from recsim_llm.language.backends.prefix_cache import PrefixCache, Segment, segment_keys

__all__ = ["PASS_TOKENS", "Branches", "PromptTokens", "attention_windows", "count_common"]

PASS_TOKENS = 512
"""Most tokens of a prompt that are read in one pass. Another number changes the last bits of answers."""

_FIRST, _LAST = -1, 1 << 60
"""The branches that a token of the prompt belongs to: all."""


class PromptTokens(NamedTuple):
    """A prompt as tokens."""

    tokens: list[int]
    """The tokens, at least one."""
    ends: tuple[int, ...] = ()
    """Lengths of its beginnings that other prompts share, ascending, each shorter than the prompt."""


class _Path(NamedTuple):
    """A token that is read: the branches that go through it, first and last, and where it stands."""

    token: int
    first: int
    last: int
    position: int


class Branches:
    """A prompt in the memory of a model, and continuations of it.

    Continuations that begin together share the tokens with which they begin alike, so that these are read once: branches are
    numbered in the order of their tokens, and a token belongs to a range of them.

    Args:
        network: a causal language model.
        prompt: its tokens.
        prefixes: beginnings of earlier prompts.

    Attributes:
        cached: tokens of the prompt that did not have to be read.
    """

    def __init__(self, network: Any, prompt: PromptTokens, prefixes: PrefixCache) -> None:
        from transformers import DynamicCache

        self._network, self._device = network, network.device
        self._windows = attention_windows(network.config.get_text_config())
        self._cache = DynamicCache()
        self._seen = self._numbers([]).reshape(3, 0)
        self._ranks: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._prompt_length = len(prompt.tokens)
        keys = segment_keys(prompt.tokens, prompt.ends)
        known = prefixes.find(keys)
        self.cached = prompt.ends[len(known) - 1] if known else 0
        self._restore(known)
        start = self.cached
        for number in range(len(known), len(keys)):
            end = prompt.ends[number]
            self._read_prompt(prompt.tokens, start, end)
            prefixes.keep(keys[: number + 1], self._segment(start, end))
            start = end
        # What is left is read together with the first continuations.
        whole = start + (self._prompt_length - start - 1) // PASS_TOKENS * PASS_TOKENS
        self._read_prompt(prompt.tokens, start, whole)
        self._unread = prompt.tokens[whole:]

    def extend(self, continuations: Mapping[int, Sequence[int]]) -> torch.Tensor:
        """Read more tokens of some branches in one pass and return the scores of what follows, ``[branches, vocabulary]``.

        Args:
            continuations: new tokens of each branch, by number; none is allowed in the first call only, for the scores of what
                follows the prompt.
        """
        paths = _prompt_paths(self._unread, self._prompt_length - len(self._unread))
        last: dict[int, int] = {}
        self._unread = []
        begun = {branch: tokens for branch, tokens in continuations.items() if branch in self._ranks}
        for branch, tokens in begun.items():
            rank, end = self._ranks[branch], self._ends[branch]
            paths += [_Path(token, rank, rank, position) for position, token in enumerate(tokens, end)]
            last[branch] = len(paths) - 1
        fresh = {branch: tokens for branch, tokens in continuations.items() if branch not in begun}
        last |= self._begin(fresh, paths)
        for branch, tokens in continuations.items():
            self._ends[branch] = self.end(branch) + len(tokens)
        return self._read(paths, [last[branch] for branch in continuations])

    def end(self, branch: int) -> int:
        """Return how many tokens a branch has read, the prompt's included."""
        return self._ends.get(branch, self._prompt_length)

    def rewind(self) -> None:
        """Forget every continuation."""
        if self._unread:
            return
        self._cache.crop(self._prompt_length - self._seen.shape[1])
        self._seen = self._seen[:, : self._prompt_length]
        self._ranks.clear()
        self._ends.clear()

    def _begin(self, fresh: Mapping[int, Sequence[int]], paths: list[_Path]) -> dict[int, int]:
        """Add the tokens of branches that begin now, those in common once; return where in ``paths`` each ends."""
        last: dict[int, int] = {}
        before: list[int] = []
        places: list[int] = []
        for branch, tokens in sorted(fresh.items(), key=lambda item: (tuple(item[1]), item[0])):
            rank = self._ranks[branch] = len(self._ranks)
            shared = count_common(before, tokens)
            for place in places[:shared]:
                paths[place] = paths[place]._replace(last=rank)
            new = enumerate(tokens[shared:], self._prompt_length + shared)
            places = [*places[:shared], *range(len(paths), len(paths) + len(tokens) - shared)]
            paths += [_Path(token, rank, rank, position) for position, token in new]
            before = list(tokens)
            # Without tokens a branch ends where the prompt does, which then was not read yet.
            last[branch] = places[-1] if places else self._last_of_prompt(paths)
        return last

    @staticmethod
    def _last_of_prompt(paths: Sequence[_Path]) -> int:
        return max(place for place, path in enumerate(paths) if path.first == _FIRST)

    def _read_prompt(self, tokens: Sequence[int], start: int, end: int) -> None:
        for begin in range(start, end, PASS_TOKENS):
            self._read(_prompt_paths(tokens[begin : min(begin + PASS_TOKENS, end)], begin), [])

    def _read(self, paths: Sequence[_Path], last: Sequence[int]) -> torch.Tensor:
        """Read tokens in one pass; return the scores of what follows the tokens at some places among them."""
        tokens, *new = (self._numbers(column) for column in zip(*paths, strict=True))
        first, end, position = new
        self._seen = torch.cat([self._seen, torch.stack(new)], 1)
        seen_first, seen_end, seen_position = self._seen
        distance = position[:, None] - seen_position
        visible = (seen_first <= first[:, None]) & (end[:, None] <= seen_end) & (distance >= 0)
        masks = {kind: self._mask(visible & (distance < window)) for kind, window in self._windows.items()}
        output = self._network(
            input_ids=tokens[None],
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

    def _restore(self, segments: Sequence[Segment]) -> None:
        for layer, states in enumerate(zip(*segments, strict=True)):
            self._cache.update(torch.cat([key for key, _ in states], -2), torch.cat([value for _, value in states], -2), layer)
        ranges = [[_FIRST] * self.cached, [_LAST] * self.cached, list(range(self.cached))]
        self._seen = self._numbers(ranges).reshape(3, -1)  # type: ignore[arg-type]

    def _segment(self, start: int, end: int) -> Segment:
        return [
            (layer.keys[..., start:end, :].clone(), layer.values[..., start:end, :].clone()) for layer in self._cache.layers
        ]


def count_common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how many first elements are equal."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(one), len(other)))


def _prompt_paths(tokens: Sequence[int], start: int) -> list[_Path]:
    return [_Path(token, _FIRST, _LAST, position) for position, token in enumerate(tokens, start)]


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
