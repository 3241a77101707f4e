"""Self-attention over what a user consumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.numerics.threads import one_torch_thread
from recsim_llm.recommenders.optional_packages import import_for
from recsim_llm.recommenders.scoring import ScoringRecommender, on_grid, products, unknown_last
from recsim_llm.recommenders.sequences import Sequences

if TYPE_CHECKING:
    from recsim_llm.recommenders.sasrec_network import SequenceNetwork

__all__ = ["SASRec"]


class SASRec(ScoringRecommender):
    """Recommends what should come next after the user's latest items, by self-attention: SASRec (Kang & McAuley 2018).

    A small network reads the ``length`` latest items, those of the training part in order of time and then the clicks of the
    run, and its answer is compared with the vectors of all items. It learns in ``fit`` to tell each item of the training
    sequences from ``negatives`` others by the softmax over them (Klenitskiy & Vasilev 2023 show that this, not the paper's
    single other item, makes it strong). During the run the network stays as it is.

    Items that nobody consumed follow after the others by popularity, and so does everything for a user of whom nothing is
    known. With one seed the same network comes out: torch is kept on one thread. Needs the extra ``rl``, which installs torch.

    Raises:
        ConfigError: torch is not installed.
    """

    class Settings(FrozenSettings):
        """Settings of ``SASRec``."""

        factors: int = Field(default=48, ge=1)
        """Dimensions of an item and of each layer."""
        length: int = Field(default=50, ge=1)
        """Latest items that are read."""
        blocks: int = Field(default=1, ge=1)
        """Layers of attention."""
        dropout: float = Field(default=0.5, ge=0, lt=1)
        """Share of the entries of each layer that are dropped while it learns."""
        epochs: int = Field(default=30, ge=1)
        """Passes over the training sequences."""
        rate: float = Field(default=0.01, gt=0)
        """Step size of Adam, above 0."""
        negatives: int = Field(default=256, ge=1)
        """Other items that each next item is told from."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        import_for("sasrec", "torch", extra="rl")

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Train the network; whatever was learned before is forgotten."""
        super().fit(catalog, ratings, seed)
        self._sequences = Sequences(self._known, ratings)
        self._network = self._train(len(catalog), seed)
        vectors = self._network.items.weight.detach().numpy()[1:]
        self._items = on_grid(vectors.T, self.settings.factors)
        self._unknown = self._known.counts == 0
        self._order = self._known.popularity_order

    def _train(self, items: int, seed: int) -> SequenceNetwork:
        # torch takes seconds to import, and only this recommender needs it.
        import torch

        from recsim_llm.recommenders.sasrec_network import SequenceNetwork, train_network

        wanted = self.settings
        with one_torch_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SequenceNetwork(
                items, wanted.length, factors=wanted.factors, blocks=wanted.blocks, dropout=wanted.dropout
            )
            train_network(
                network,
                _windows(self._sequences, wanted.length + 1),
                epochs=wanted.epochs,
                rate=wanted.rate,
                negatives=wanted.negatives,
                generator=torch.Generator().manual_seed(seed),
            )
        return network

    def _score(self, requests: Requests) -> FloatArray:
        from recsim_llm.recommenders.sasrec_network import user_vectors

        latest = self._sequences.latest(requests, self.settings.length)
        scores = products(user_vectors(self._network, latest), self._items)
        scores[:, self._unknown] = np.nan
        scores[(latest < 0).all(axis=1)] = np.nan
        return unknown_last(scores, self._order)


def _windows(sequences: Sequences, width: int) -> IntArray:
    """Return int64 [w, width]: each user's items cut into parts, the latest one full; parts share one item, -1 for none."""
    step = max(width - 1, 1)
    edges = np.flatnonzero(np.diff(sequences.user, prepend=-1, append=-1))
    parts = [np.arange(end, start + 1, -step) for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    ends = np.concatenate(parts) if parts else np.empty(0, np.int64)
    first = np.repeat(edges[:-1], [len(part) for part in parts])
    place = ends[:, None] + np.arange(-width, 0)
    return np.where(place >= first[:, None], sequences.item[np.maximum(place, 0)], -1)
