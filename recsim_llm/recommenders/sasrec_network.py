"""The network of SASRec and how it learns; needs torch."""

from __future__ import annotations

import numpy as np
import torch

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.numerics.threads import one_torch_thread

__all__ = ["SequenceNetwork", "train_network", "user_vectors"]

_ROWS = 64


class SequenceNetwork(torch.nn.Module):
    """Causal self-attention over a user's items: Kang & McAuley 2018, section III, with one head.

    Args:
        items: how many there are.
        length: most items of a sequence.
        factors: dimensions of an item.
        blocks: layers of attention.
        dropout: share of the entries that are dropped while it learns.
    """

    def __init__(self, items: int, length: int, *, factors: int, blocks: int, dropout: float) -> None:
        super().__init__()
        # Row 0 stands for no item.
        self.items = torch.nn.Embedding(items + 1, factors, padding_idx=0)
        self.places = torch.nn.Embedding(length, factors)
        for table in (self.items, self.places):
            torch.nn.init.normal_(table.weight, std=0.05)
        self.dropout = torch.nn.Dropout(dropout)
        self.blocks = torch.nn.ModuleList(_Block(factors, dropout) for _ in range(blocks))
        self.norm = torch.nn.LayerNorm(factors)
        self.register_buffer("later", torch.ones(length, length, dtype=torch.bool).triu(1))

    def forward(self, item: torch.Tensor) -> torch.Tensor:
        """Return float32 [u, l, d]: after each place of the sequences int64 [u, l], what the user wants next."""
        known = (item > 0).unsqueeze(-1)
        state = self.dropout(self.items(item) * self.places.embedding_dim**0.5 + self.places.weight) * known
        for block in self.blocks:
            state = block(state, self.later) * known
        wanted: torch.Tensor = self.norm(state)
        return wanted


class _Block(torch.nn.Module):
    """Attention to what came before, and a layer at each place; both with normed input and a way around them."""

    def __init__(self, factors: int, dropout: float) -> None:
        super().__init__()
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(factors) for _ in range(2))
        self.asks, self.keys, self.values = (torch.nn.Linear(factors, factors) for _ in range(3))
        self.inner, self.outer = (torch.nn.Linear(factors, factors) for _ in range(2))
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, state: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
        normed = self.norms[0](state)
        match = self.asks(normed) @ self.keys(normed).transpose(1, 2) / state.shape[-1] ** 0.5
        weight = self.dropout(match.masked_fill(later, -torch.inf).softmax(dim=-1))
        state = state + weight @ self.values(normed)
        inner = self.dropout(torch.relu(self.inner(self.norms[1](state))))
        out: torch.Tensor = state + self.dropout(self.outer(inner))
        return out


def train_network(
    network: SequenceNetwork, windows: IntArray, *, epochs: int, rate: float, negatives: int, generator: torch.Generator
) -> None:
    """Teach a network to tell the next item of each sequence from ``negatives`` others, drawn for each step.

    Args:
        network: its dropout draws from torch's own generator.
        windows: int64 [w, length + 1]: catalog positions in order, -1 for none on the left.
        epochs: passes over the windows.
        rate: step size of Adam.
        negatives: others that an item is told from, by the softmax over both.
        generator: of batches and of the others.
    """
    sequences = torch.from_numpy(windows + 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.98))
    network.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(sequences), generator=generator), _ROWS):
            part = sequences[rows]
            wanted, target = network(part[:, :-1]), part[:, 1:]
            taught = (part[:, :-1] > 0) & (target > 0)
            if not taught.any():
                continue
            wanted, target = wanted[taught], target[taught]
            others = torch.randint(1, network.items.num_embeddings, (negatives,), generator=generator)
            own = (wanted * network.items(target)).sum(dim=1, keepdim=True)
            rest = (wanted @ network.items(others).T).masked_fill(others == target[:, None], -torch.inf)
            loss = (torch.cat([own, rest], dim=1).logsumexp(dim=1) - own[:, 0]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()


def user_vectors(network: SequenceNetwork, latest: IntArray) -> FloatArray:
    """Return float32 [u, d]: what users want next; a row depends on nothing but its own sequence.

    Args:
        network: one that has learned.
        latest: int64 [u, length]: catalog positions, the latest on the right; -1 for none.
    """
    vectors = np.empty((len(latest), network.places.embedding_dim), np.float32)
    with torch.no_grad(), one_torch_thread():
        for start in range(0, len(latest), _ROWS):
            here = latest[start : start + _ROWS] + 1
            # Products of other shapes are rounded otherwise: every batch is filled up to the same one.
            filled = np.zeros((_ROWS, latest.shape[1]), np.int64)
            filled[: len(here)] = here
            vectors[start : start + _ROWS] = network(torch.from_numpy(filled))[: len(here), -1].numpy()
    return vectors
