"""The networks of the slate learner; needs the extra ``rl``, for it loads torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsim_llm.core.arrays import FloatArray
from recsim_llm.training.slate_policy import Towers

__all__ = ["Appraisal", "SlateNetwork"]

_RARE_CLICK = -2.0
"""Log-odds of a click that training starts from."""
_FLATTEST = -3.0


class Appraisal(NamedTuple):
    """What a network says about users before a page."""

    click: Tensor
    """float32 [r, n]: log-odds of a click on each item, given that it is examined."""
    worth: Tensor
    """float32 [r, n]: what a click on each item adds to the return, from now on."""
    rest: Tensor
    """float32 [r]: the return, if nothing on this page is clicked."""


class SlateNetwork(nn.Module):
    """Scores every item for a user by two products of vectors, one a user and one an item.

    The first knows that like goes to like: each block of the user's taste, entry by entry times learned weights, times the
    item's observable vector. The second learns the rest: a perceptron of the observation times a vector that each item is
    given. Clicks and their worth have a network each, so that the noise of returns does not spoil the clicks.

    Args:
        items: float32 [n, d]: observable vectors of the items.
        inputs: numbers of an observation.
        slots: slots a page.
        hidden: units of each layer.
        dimensions: of the two vectors.
    """

    def __init__(self, items: FloatArray, *, inputs: int, slots: int, hidden: int, dimensions: int) -> None:
        super().__init__()
        self.clicks = _Scores(items, inputs, hidden=hidden, dimensions=dimensions, level=_RARE_CLICK)
        self.worths = _Scores(items, inputs, hidden=hidden // 2, dimensions=dimensions // 2, level=1.0)
        self.rest = nn.Sequential(nn.Linear(inputs, hidden // 2), nn.ReLU(), nn.Linear(hidden // 2, 1))
        self.fall = nn.Parameter(torch.full((slots,), _FLATTEST))

    def appraise(self, observation: Tensor) -> Appraisal:
        """Return what the page could bring, float32 [r, inputs] in."""
        return Appraisal(self.clicks(observation), self.worths(observation), self.rest(observation).squeeze(1))

    def examined(self) -> Tensor:
        """Return float32 [k]: relative probability that each slot is examined, falling with the position."""
        return torch.exp(-torch.cumsum(functional.softplus(self.fall), 0))


class _Scores(nn.Module):
    def __init__(self, items: FloatArray, inputs: int, *, hidden: int, dimensions: int, level: float) -> None:
        super().__init__()
        width = items.shape[1]
        self.user = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dimensions)
        )
        self.content = nn.Linear(width, dimensions, bias=False)
        self.own = nn.Parameter(torch.zeros(len(items), dimensions))
        self.level = nn.Parameter(torch.full((len(items),), level))
        self.likeness = nn.Parameter(torch.zeros(inputs // width, width))
        self.general = nn.Parameter(torch.zeros(width))
        last = self.user[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        self.items: Tensor
        self.register_buffer("items", torch.from_numpy(items))
        self._scale = dimensions**-0.5

    def forward(self, observation: Tensor) -> Tensor:
        """Return float32 [r, n]."""
        blocks, width = self.likeness.shape
        taste = observation[:, : blocks * width].reshape(-1, blocks, width)
        liked = (taste * self.likeness).sum(dim=1) + self.general
        item = (self.content(self.items) + self.own) * self._scale
        scores: Tensor = liked @ self.items.T + self.user(observation) @ item.T + self.level
        return scores

    def towers(self) -> tuple[Towers, ...]:
        """Return a copy of what was learned, for inference; the scores are the sum of the towers'."""
        layers = [layer for layer in self.user if isinstance(layer, nn.Linear)]
        width = self.likeness.shape[1]
        with torch.no_grad():
            likeness = torch.zeros(layers[0].in_features, width)
            for block, weights in enumerate(self.likeness):
                likeness[block * width : (block + 1) * width] = torch.diag(weights)
            item = (self.content(self.items) + self.own) * self._scale
            weights = tuple(layer.weight.T.numpy().copy() for layer in layers)
            biases = tuple(layer.bias.numpy().copy() for layer in layers)
            nothing = torch.zeros(len(item)).numpy()
            return (
                Towers((likeness.numpy(),), (self.general.numpy().copy(),), self.items.numpy(), self.level.numpy().copy()),
                Towers(weights, biases, item.numpy(), nothing),
            )
