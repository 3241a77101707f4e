"""The different texts that users remember: read, counted and embedded once each, whoever remembers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.stream import run_places
from recsim_llm.agents.memory.topic_words import BUCKETS, WordWeights
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.tokens import estimate_tokens

__all__ = ["KEPT_WORDS", "AskedTexts", "Embedder", "Texts"]

Embedder = Callable[[Sequence[str]], npt.NDArray[np.floating]]
"""Turns texts into float [n, d]; the row of a text must not depend on the texts beside it."""

KEPT_WORDS = 16
"""Different words by which a text is found: of longer texts the ones that weigh most, of equals the first."""

_LEAST_ROOM = 256
_FEW_WORDS = 8
"""Up to so many words a query, comparing with each of them is faster than looking up all words of the memories."""
_NONE, _NOTHING = np.zeros(0, np.int64), np.zeros(0)

Number = TypeVar("Number", bound=np.generic)


class AskedTexts(NamedTuple):
    """Queries that have been read: their words with weights, one query after the other, or their vectors."""

    first: IntArray = _NONE
    """int64 [q]: where the words of each query begin."""
    length: IntArray = _NONE
    """int64 [q]: how many they are."""
    bucket: IntArray = _NONE
    """int64 [w]: numbers of the words."""
    weight: npt.NDArray[np.float64] = _NOTHING
    """float64 [w]: their squared weights over the length of the query."""
    vectors: FloatArray | None = None
    """float32 [q, d] of unit length, where there is an embedder."""


class Texts:
    """Texts by number, with what recall needs of each.

    Args:
        words: what words weigh.
        embedder: None for relevance by words.
    """

    def __init__(self, words: WordWeights, embedder: Embedder | None) -> None:
        self.words, self.embedder = words, embedder
        self.text: list[str] = []
        self.tokens: list[int] = []
        self._number: dict[str, int] = {}
        self._buckets: npt.NDArray[np.uint16] = np.zeros((_LEAST_ROOM, 1), np.uint16)
        self._scale: FloatArray = np.zeros(_LEAST_ROOM, np.float32)
        self._vectors: FloatArray | None = None
        self._present = np.zeros(BUCKETS, np.bool_)
        self._column = np.zeros(BUCKETS, np.int64)

    def __len__(self) -> int:
        return len(self.text)

    def intern(self, texts: Sequence[str]) -> IntArray:
        """Return the number of each text; new ones are read, counted and embedded.

        Raises:
            ConfigError: a text is blank or longer than one line, or the embedder returned something else than vectors.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._number]
        for text in new:
            if not text.strip() or len(text.splitlines()) > 1 or text.splitlines()[0] != text:
                raise ConfigError(f"memory: got {text[:60]!r}, expected one line of text; escape or join its lines first")
        if new:
            self._add(new, self._embed(new) if self.embedder is not None else None)
        return np.array([self._number[text] for text in texts], np.int64)

    def adopt(self, texts: Sequence[str], vectors: FloatArray | None) -> None:
        """Take in texts that are new, with vectors computed earlier."""
        self._add(list(texts), vectors)

    def vectors(self, number: IntArray) -> FloatArray | None:
        """Return float32 [n, d], of unit length; None without an embedder."""
        return None if self._vectors is None else self._vectors.take(number, axis=0)

    def ask(self, queries: Sequence[str]) -> AskedTexts:
        """Return queries in the form that ``relevance`` takes."""
        if self.embedder is not None:
            distinct = list(dict.fromkeys(queries))
            place = {query: number for number, query in enumerate(distinct)}
            return AskedTexts(vectors=self._embed(distinct)[[place[query] for query in queries]])
        weighed = [self.words.weigh(query) for query in queries]
        count = np.array([len(words) for words in weighed], np.int64)
        bucket = np.fromiter(chain.from_iterable(weighed), np.int64)
        weight = np.fromiter(chain.from_iterable(words.values() for words in weighed), np.float64) ** 2
        owner = np.repeat(np.arange(len(count)), count)
        weight /= np.sqrt(np.bincount(owner, weight, len(count)))[owner]
        return AskedTexts(np.cumsum(count) - count, count, bucket, weight)

    def relevance(self, number: IntArray, asked: AskedTexts, which: IntArray) -> FloatArray:
        """Return the cosine between texts and queries, 0 where it is negative.

        Args:
            number: int64 [m, n]: texts by number.
            asked: queries, from ``ask``.
            which: int64 [m]: the query of each row.

        Returns:
            float32 [m, n]. Words: the sum over shared words of their squared weights, over the product of both lengths.
        """
        if asked.vectors is not None:
            return self._vector_cosine(number, asked.vectors[which])
        word = run_places(asked.first[which], asked.length[which])
        bucket, column = np.unique(asked.bucket[word], return_inverse=True)
        table = np.zeros((len(which), len(bucket)))
        table[np.repeat(np.arange(len(which)), asked.length[which]), column] = asked.weight[word]
        self._present[bucket], self._column[bucket] = True, np.arange(len(bucket))
        held = self._buckets.take(number.reshape(-1), axis=0).reshape(-1)
        # Few words of memories occur in any query: only those are looked up. Words of other rows' queries add exactly 0.
        if asked.length[which].min() > 0 and asked.length[which].max() <= _FEW_WORDS:
            hit = np.flatnonzero(self._compared(held.reshape(len(which), -1), asked, which))
        else:
            hit = np.flatnonzero(self._present.take(held, mode="clip"))
        self._present[bucket] = False
        memory = hit // self._buckets.shape[1]
        place = memory // number.shape[1] * len(bucket) + self._column.take(held.take(hit))
        shared = np.bincount(memory, table.reshape(-1).take(place), number.size)
        return (shared.reshape(number.shape) * self._scale.take(number)).astype(np.float32)

    def _compared(self, held: npt.NDArray[np.uint16], asked: AskedTexts, which: IntArray) -> BoolArray:
        """Return bool [m, w]: which of the words uint16 [m, w] are words of the row's query, of which each has some."""
        found = np.zeros(held.shape, np.bool_)
        for place in range(int(asked.length[which].max())):
            # A shorter query is asked for its last word again.
            word = asked.bucket[asked.first[which] + np.minimum(place, asked.length[which] - 1)]
            found |= held == word.astype(np.uint16)[:, None]
        return found

    def _vector_cosine(self, number: IntArray, queries: FloatArray) -> FloatArray:
        cosine = np.zeros(number.shape, np.float32)
        if self._vectors is None:
            return cosine
        for row, query in enumerate(queries):
            # Row by row: a matrix product may round a memory differently beside others.
            cosine[row] = np.vecdot(self._vectors.take(number[row], axis=0), query)
        return np.maximum(cosine, 0, out=cosine)

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        if self.embedder is None:
            raise ConfigError("memory: got a request for vectors without an embedder; pass embedder=")
        vectors = np.asarray(self.embedder(texts), np.float32)
        width = vectors.shape[1] if vectors.ndim == 2 and self._vectors is None else self._width()
        if vectors.shape != (len(texts), width) or not np.isfinite(vectors).all():
            expected = f"expected ({len(texts)}, {width}) of finite numbers"
            raise ConfigError(f"memory embedder: got shape {vectors.shape}, {expected}; return one vector a text")
        length = np.sqrt(np.vecdot(vectors, vectors))
        return (vectors / np.where(length > 0, length, 1)[:, None]).astype(np.float32)

    def _width(self) -> int:
        return 0 if self._vectors is None else self._vectors.shape[1]

    def _add(self, new: list[str], vectors: FloatArray | None) -> None:
        first, end = len(self.text), len(self.text) + len(new)
        self._make_room(end, None if vectors is None else vectors.shape[1])
        for number, text in enumerate(new, first):
            self._number[text] = number
            self.text.append(text)
            self.tokens.append(estimate_tokens(text))
            kept = sorted(self.words.weigh(text).items(), key=lambda pair: -pair[1])[:KEPT_WORDS]
            if len(kept) > self._buckets.shape[1]:
                self._buckets = np.pad(self._buckets, ((0, 0), (0, len(kept) - self._buckets.shape[1])))
            self._buckets[number, : len(kept)] = [bucket for bucket, _ in kept]
            self._scale[number] = 1 / np.sqrt(sum(weight * weight for _, weight in kept)) if kept else 0
        if self._vectors is not None and vectors is not None:
            self._vectors[first:end] = vectors

    def _make_room(self, end: int, width: int | None) -> None:
        room = len(self._scale)
        if end > room:
            room = max(end, 2 * room)
            self._buckets = _longer(self._buckets, room)
            self._scale = _longer(self._scale, room)
        if width is not None:
            held = np.zeros((0, width), np.float32) if self._vectors is None else self._vectors
            self._vectors = held if len(held) == room else _longer(held, room)


def _longer(column: npt.NDArray[Number], room: int) -> npt.NDArray[Number]:
    longer: npt.NDArray[Number] = np.zeros((room, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
