"""Items like those that the user consumed, by what they are rather than by who consumed them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.hooks import users_apart
from recsim_llm.recommenders.scoring import ScoringRecommender
from recsim_llm.recommenders.statements import Statements, wanted_words

__all__ = ["ContentBased"]

_WORD = re.compile(r"\w\w+")
_STATEMENTS = 5


class ContentBased(ScoringRecommender):
    """Recommends items that are like those that the user consumed: also new items, which nobody has consumed yet.

    An item is a vector of its genres, its decade and provider, and the words of its title, description and caption, each of
    these three parts weighted by inverse document frequency and scaled to unit length (Salton & Buckley 1988). A user is the
    mean of what the user consumed, in the training part or by a click in the run, less the mean of what everybody consumed
    (Rocchio's formula; Lops, de Gemmis & Semeraro 2011, section 3.3.2); the score is the product of the two. Who else
    consumed an item plays no part unless ``popular`` says so. A user of whom nothing is known gets the most popular items.

    What users say counts as one thing more that they consumed: the genres that it names and its words, but for sentences with a
    refusal in them (``no``, ``seldom``, …), since words alone do not tell what is wanted there.
    """

    reads_text = True

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
        self._statements = Statements(_STATEMENTS)
        counts = self._known.counts
        everyone = self._content.matrix.T @ (counts / max(counts.sum(), 1))
        level = np.log1p(counts)
        self._offset = self.settings.popular * level / max(level.max(), 1.0) - self._content.matrix @ everyone
        self._order = self._known.popularity_order

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Remember what users said."""
        super().observe(requests, slates, clicked, rating)
        self._statements.take_in(requests)

    def _score(self, requests: Requests) -> FloatArray:
        profiles = self._known.profiles(requests)
        count = np.diff(profiles.indptr)
        own = (profiles @ self._content.matrix).toarray()
        for row, said in enumerate(self._statements.of(requests)):
            vector = self._content.vector(" ".join(wanted_words(text) for text in said)) if said else None
            if vector is not None:
                own[row] += vector
                count[row] += 1
        own /= np.maximum(count, 1)[:, None]
        scores: FloatArray = ((self._content.matrix @ own.T).T + self._offset).astype(np.float32)
        scores[count == 0] = self._order
        return scores


class ItemContent(NamedTuple):
    """What items are, and what texts are in the same terms."""

    matrix: sp.csr_array
    """float64 sparse [n, terms]; rows have length 1 at most."""
    parts: tuple[_Part, ...]
    """Genres, labels, words: the terms, in this order."""

    def vector(self, text: str) -> DoubleArray | None:
        """Return float64 [terms] of length 1 at most: the genres that a text names and its words; None where it has neither."""
        folded = text.casefold()
        genres = [genre for genre in self.parts[0].place if re.search(rf"\b{re.escape(genre.casefold())}\b", folded)]
        rows = [part.vectors([terms]) for part, terms in zip(self.parts, (genres, (), _WORD.findall(folded)), strict=True)]
        vector: DoubleArray = sp.hstack(rows, format="csr").toarray()[0] / np.sqrt(len(rows))
        return vector if vector.any() else None


class _Part(NamedTuple):
    """Terms of one kind."""

    place: Mapping[str, int]
    """Column of each term."""
    weight: DoubleArray
    """float64 [terms]: inverse document frequencies."""

    def vectors(self, rows: Sequence[Iterable[str]]) -> sp.csr_array:
        """Return float64 sparse [n, terms]: weights of the terms of each row, which has length 1 or is empty."""
        columns = [sorted(self.place[term] for term in set(row) if term in self.place) for row in rows]
        row = np.repeat(np.arange(len(rows)), [len(own) for own in columns])
        column = np.array([term for own in columns for term in own], np.int64)
        length = np.sqrt(np.bincount(row, weights=self.weight[column] ** 2, minlength=len(rows)))
        return sp.csr_array((self.weight[column] / length[row], (row, column)), shape=(len(rows), len(self.place)))


def item_content(catalog: Catalog, words: int) -> ItemContent:
    """Return what items are.

    Args:
        catalog: the items.
        words: most words that are told apart.
    """
    genres = [catalog.genres_of(item) for item in range(len(catalog))]
    labels = [[f"decade {year // 10}"] if year >= 0 else [] for year in catalog.year.tolist()]
    if catalog.provider is not None:
        labels = [[*row, f"provider {name}"] if name else row for row, name in zip(labels, catalog.provider, strict=True)]
    texts = [set(_WORD.findall(text.casefold())) for text in _said_of_items(catalog)]
    common = Counter(word for row in texts for word in row)
    # A word of one item says nothing about another; equally common ones by alphabet.
    kept = sorted((word for word, count in common.items() if count > 1), key=lambda word: (-common[word], word))[:words]
    rows: tuple[Sequence[Iterable[str]], ...] = (genres, labels, texts)
    parts = (_terms(genres), _terms(labels), _terms(texts, set(kept)))
    vectors = [part.vectors(own) for part, own in zip(parts, rows, strict=True)]
    return ItemContent(sp.hstack([part / np.sqrt(len(parts)) for part in vectors], format="csr"), parts)


def _said_of_items(catalog: Catalog) -> list[str]:
    told = [column for column in (catalog.description, catalog.caption) if column is not None]
    return [" ".join([str(catalog.title[item]), *(str(column[item] or "") for column in told)]) for item in range(len(catalog))]


def _terms(rows: Sequence[Iterable[str]], kept: set[str] | None = None) -> _Part:
    """Return the terms of rows, or those of them that are kept, with their inverse document frequencies."""
    terms = sorted(kept if kept is not None else {term for row in rows for term in row})
    held = Counter(term for row in rows for term in set(row))
    weight = np.log((1 + len(rows)) / (1 + np.array([held[term] for term in terms], np.int64))) + 1.0
    return _Part({term: column for column, term in enumerate(terms)}, weight)
