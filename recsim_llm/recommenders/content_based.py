"""Items like those that the user consumed, by what they are rather than by who consumed them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["ContentBased"]

_WORD = re.compile(r"\w\w+")


class ContentBased(ScoringRecommender):
    """Recommends items that are like those that the user consumed: also new items, which nobody has consumed yet.

    An item is a vector of its genres, its decade and provider, and the words of its title and description, each of these
    three parts weighted by inverse document frequency and scaled to unit length (Salton & Buckley 1988). A user is the mean of
    what the user consumed, in the training part or by a click in the run, less the mean of what everybody consumed (Rocchio's
    formula; Lops, de Gemmis & Semeraro 2011, section 3.3.2); the score is the product of the two. Who else consumed an item
    plays no part unless ``popular`` says so. A user of whom nothing is known gets the most popular items.
    """

    class Settings(FrozenSettings):
        """Settings of ``ContentBased``."""

        words: int = Field(default=5000, ge=0)
        """Most words of titles and descriptions that are told apart, those of most items first; 0 leaves texts out."""
        popular: float = Field(default=0.0, ge=0)
        """Weight of popularity, scaled to 0..1 by the logarithm of 1 + consumptions; 0 gives new items the same chance."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        self._content = item_content(self._known.catalog, self.settings.words)
        counts = self._known.counts
        everyone = self._content.T @ (counts / max(counts.sum(), 1))
        level = np.log1p(counts)
        self._offset = self.settings.popular * level / max(level.max(), 1.0) - self._content @ everyone
        self._order = self._known.popularity_order

    def _score(self, requests: Requests) -> FloatArray:
        profiles = self._known.profiles(requests)
        count = np.diff(profiles.indptr)
        own = (profiles @ self._content).toarray() / np.maximum(count, 1)[:, None]
        scores: FloatArray = ((self._content @ own.T).T + self._offset).astype(np.float32)
        scores[count == 0] = self._order
        return scores


def item_content(catalog: Catalog, words: int) -> sp.csr_array:
    """Return what items are, float64 sparse [n, terms]; rows have length 1 at most.

    Args:
        catalog: the items.
        words: most words that are told apart.
    """
    genres = [catalog.genres_of(item) for item in range(len(catalog))]
    labels = [[f"decade {year // 10}"] if year >= 0 else [] for year in catalog.year.tolist()]
    if catalog.provider is not None:
        labels = [[*row, f"provider {name}"] if name else row for row, name in zip(labels, catalog.provider, strict=True)]
    said = [""] * len(catalog) if catalog.description is None else catalog.description
    texts = [set(_WORD.findall(f"{title} {about or ''}".casefold())) for title, about in zip(catalog.title, said, strict=True)]
    common = Counter(word for row in texts for word in row)
    # A word of one item says nothing about another; equally common ones by alphabet.
    kept = sorted((word for word, count in common.items() if count > 1), key=lambda word: (-common[word], word))[:words]
    parts = [_weighted(genres), _weighted(labels), _weighted(texts, set(kept))]
    return sp.hstack([part / np.sqrt(len(parts)) for part in parts], format="csr")


def _weighted(rows: Sequence[Iterable[str]], kept: set[str] | None = None) -> sp.csr_array:
    """Return float64 sparse [n, terms]: inverse document frequencies, each row of length 1 or empty."""
    terms = sorted(kept if kept is not None else {term for row in rows for term in row})
    place = {term: column for column, term in enumerate(terms)}
    columns = [sorted(place[term] for term in set(row) if term in place) for row in rows]
    row = np.repeat(np.arange(len(rows)), [len(own) for own in columns])
    column = np.array([term for own in columns for term in own], np.int64)
    weight = np.log((1 + len(rows)) / (1 + np.bincount(column, minlength=len(terms)))) + 1.0
    length = np.sqrt(np.bincount(row, weights=weight[column] ** 2, minlength=len(rows)))
    return sp.csr_array((weight[column] / length[row], (row, column)), shape=(len(rows), len(terms)))
