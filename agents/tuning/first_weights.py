"""Where a model from scratch begins: at titles that are near when the same people took them, and at comparing them.

A few minutes of a processor are too short to discover from a few hundred people that titles can be compared at all. So the
first weights compare: the last layer but one takes, at each title, the mean of all titles before it (the user's, mostly) and
multiplies it with the title's own coordinates; the last layer carries the sum to the end of the question, with how popular the
title is. That is item-item neighbours on correspondence axes. All else is noise, and all of it is trained.

The title that is asked about stands on the page too, so that the mean holds it. All titles' coordinates are therefore equally
long: else the product of a title with itself, largest for the rarest, would outweigh the neighbours.

Labels of answers begin likelier than all other tokens. With embeddings that are read and written alike, a token is otherwise
followed best by itself, the first steps do nothing but unlearn that, at a loss of ten nats or more, and what the first weights
know of titles is gone after a hundred examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.numerics.factorization import correspondence_axes

__all__ = ["ROPE_THETA", "set_first_weights"]

ROPE_THETA = 1e12
"""Base of the rotary positions: three quarters of the dimensions hardly turn, so that titles far apart can be compared."""

_GAIN = 0.2  # of the last norm: embeddings of spread 1, read and written alike, would else be sure of everything
_WHISPER = 0.03  # of the noise beside what is set, which must not drown in it
_LOW = 0.15  # of what all layers add
_CONSTANT = 3.0  # in the dimensions of all tokens together and in one of titles
_FAINT = 0.3  # the noise of tokens whose place is set
_LIKELY = 1.0  # a dimension of the network, that labels have in the dimensions of all tokens together
_ALWAYS = 8  # dimensions of all tokens: dropout takes some of them, not the whole
_RATED, _POPULAR = 0.15, 4.0  # of a title for each unit of its log ratings, and what yes makes of it
_MOST_AXES, _SMOOTHING = 32, 10.0
_ALIKE = 0.5  # weight from the title dimension to what attends and is attended to: titles attend to titles
_NEAREST = 1.3  # likewise, to the title just before
_STILL = slice(16, 24)  # dimensions of a head that hardly turn
_TURNING = 8  # pairs of dimensions that turn
_CARRIED = 32  # dimension of a head from which on values are carried


def set_first_weights(
    network: Any, titles: Sequence[int], labels: Sequence[int], training: Dataset, *, back: int, seed: int
) -> None:
    """Set the weights of an untrained network of at least two layers.

    Args:
        network: a Llama with heads of 64.
        titles: token of each catalog item's title.
        labels: tokens of answers, yes and no first.
        training: ratings of the training users alone.
        back: tokens from the end of a question back to its title.
        seed: of the axes.
    """
    import torch

    width = network.config.hidden_size
    axes, popularity = _coordinates(training, min(_MOST_AXES, width // 4), seed)
    own, mean = slice(0, axes.shape[1]), slice(width // 2, width // 2 + axes.shape[1])
    popular, title, score, always = width // 2 - 3, width // 2 - 2, width - _ALWAYS - 1, slice(width - _ALWAYS, width)
    with torch.no_grad():
        table = network.model.embed_tokens.weight
        table.normal_(0.0, 1.0)
        for tokens in (titles, labels):
            table[list(tokens)] = _FAINT * torch.randn(len(tokens), width)
        table[list(titles), own] = torch.from_numpy(axes).float()
        table[list(titles), popular] = _RATED * torch.from_numpy(popularity).float()
        table[:, [title, score]] = table[list(titles), mean] = 0.0
        table[list(titles), title] = _CONSTANT
        table[:, always] = _CONSTANT / math.sqrt(_ALWAYS)
        table[list(labels), always] = _LIKELY * width / math.sqrt(_ALWAYS)
        table[list(labels[:2]), score] = torch.tensor([2.0, -2.0])
        table[list(labels[:2]), popular] = torch.tensor([_POPULAR, -_POPULAR])
        for layer in network.model.layers:
            layer.self_attn.o_proj.weight *= _LOW
            layer.mlp.down_proj.weight *= _LOW
        network.model.norm.weight.fill_(_GAIN)
        comparing, carrying = network.model.layers[-2:]
        _compare(comparing, own, mean, (title, score))
        _carry(carrying, (title, always), [score, popular], back)


def _coordinates(training: Dataset, axes: int, seed: int) -> tuple[DoubleArray, DoubleArray]:
    """Return the items' coordinates, float64 [n, axes], rows of mean square 1, and how popular they are, float64 [n].

    Of the coordinates, what follows popularity is left out: it has a dimension of its own.
    """
    ratings, items = training.ratings, len(training.catalog)
    item = training.catalog.index_of(ratings.item_id)
    coordinates = correspondence_axes(
        ratings.user_index, item, n_users=len(ratings.users), n_items=items,
        axes=axes, smoothing=_SMOOTHING, weighted=True, seed=seed,
    )  # fmt: skip
    counts = np.log1p(np.bincount(item, minlength=items))
    popularity = counts - counts[item].mean()
    around = popularity - popularity.mean()
    coordinates = coordinates - np.outer(around, around @ coordinates / max(float(around @ around), 1e-9))
    length = np.linalg.norm(coordinates, axis=1, keepdims=True) / math.sqrt(coordinates.shape[1])
    return coordinates / np.maximum(length, 1e-12), popularity


def _compare(layer: Any, own: slice, mean: slice, marks: tuple[int, int]) -> None:
    """Have titles attend to all titles before them alike, take their mean, and multiply it with their own coordinates."""
    title, score = marks
    size = own.stop - own.start
    for part in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):
        part[: layer.self_attn.head_dim] *= _WHISPER
        part[_STILL, title] = _ALIKE
    values, out = layer.self_attn.v_proj.weight, layer.self_attn.o_proj.weight
    gate, up, down = (part.weight for part in (layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj))
    for axis in range(size):
        values[_CARRIED + axis % 32, :] *= _WHISPER
        values[_CARRIED + axis % 32, own.start + axis] = 1.0
        out[mean.start + axis, _CARRIED + axis % 32] = 1.0
        # x times y is silu(x) y + silu(-x) (-y).
        for sign, unit in ((1.0, 2 * axis), (-1.0, 2 * axis + 1)):
            gate[unit] *= _WHISPER
            up[unit] *= _WHISPER
            gate[unit, own.start + axis] = sign
            up[unit, mean.start + axis] = sign
            down[score, unit] = 0.1


def _carry(layer: Any, marks: tuple[int, slice], carried: Sequence[int], back: int) -> None:
    """Have every token attend to a title, best of all to one so many tokens back, and take over what it found."""
    title, always = marks
    head = layer.self_attn.head_dim
    queries, keys = layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight
    for pair in range(_TURNING):
        turn = back * ROPE_THETA ** (-2 * pair / head)
        near = _NEAREST / math.sqrt(_ALWAYS)
        queries[pair, always], queries[pair + head // 2, always] = near * math.cos(turn), -near * math.sin(turn)
        keys[pair, title] = _NEAREST
    for place, dimension in enumerate(carried):
        layer.self_attn.v_proj.weight[_CARRIED + place] *= _WHISPER
        layer.self_attn.v_proj.weight[_CARRIED + place, dimension] = 1.0
        layer.self_attn.o_proj.weight[dimension, _CARRIED + place] = 1.0
