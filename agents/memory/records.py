"""What memories are made of: the columns of all rows, their texts, and what has gathered since the last reflection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.reflection import TopicEvidence
from recsim_llm.agents.memory.retrieval import MemoryKind, batches, best, fades_at, scores
from recsim_llm.agents.memory.stream import Stream
from recsim_llm.agents.memory.texts import Embedder, Texts
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray

__all__ = ["STANDS", "Records"]

STANDS = np.inf
"""When facts and reflections fade that nothing has replaced."""
_REPLACED = -np.inf
"""When those fade that something has replaced, and observations that are evidence alone."""
_SPARE_TEXTS = 1024


class Records:
    """Columns of memories by row, with the operations that need several columns; nothing is checked here.

    Args:
        rows: how many.
        topics: how many.
        words: what words weigh.
        embedder: None for relevance by words.
        settings: how users recall, forget and reflect.
    """

    def __init__(
        self, rows: int, topics: int, words: WordWeights, embedder: Embedder | None, *, settings: MemorySettings
    ) -> None:
        self._settings, self._topics = settings, topics
        self.texts = Texts(words, embedder)
        self.pending = np.zeros(rows)
        self.stream = Stream(
            rows,
            {
                "time": (np.float64, ()),
                "importance": (np.float32, ()),
                "valence": (np.float32, ()),
                "stars": (np.float32, ()),
                "topics": (np.uint8, (-(-topics // 8),)),
                "evidence": (np.bool_, ()),
                "kind": (np.int8, ()),
                "key": (np.int64, ()),
                "text": (np.int64, ()),
                "last_touched": (np.float64, ()),
                "touches": (np.int32, ()),
                "fades_at": (np.float64, ()),
            },
        )

    def observe(self, row: IntArray, texts: Sequence[str], time: npt.NDArray[np.float64], **values: Any) -> None:
        """Add observations, some of them already ``faded``; see ``Memories.remember``."""
        touches, faded = np.zeros(len(row), np.int32), values.pop("faded")
        fades = np.where(faded, _REPLACED, fades_at(time, touches, values["importance"], self._settings))
        fixed: dict[str, Any] = {"kind": MemoryKind.OBSERVATION, "key": 0, "touches": touches, "fades_at": fades}
        self.stream.append(row, {**values, **fixed, "time": time, "last_touched": time, "text": self.texts.intern(texts)})
        np.add.at(self.pending, row, values["importance"])

    def state(self, row: int, text: str, time: float, **values: Any) -> int:
        """Add a fact or a reflection in the place of the standing one of the same kind and key; return its index."""
        number = self.texts.intern([text])
        index, stretch = int(self.stream.count[row]), self.stream.stretch(row)
        standing = (self.stream["kind"][stretch] == values["kind"]) & (self.stream["key"][stretch] == values["key"])
        self.stream["fades_at"][stretch][standing] = _REPLACED
        fixed: dict[str, Any] = {"stars": np.nan, "topics": 0, "evidence": False, "touches": 0, "fades_at": STANDS}
        self.stream.append(np.array([row]), {**fixed, **values, "time": time, "last_touched": time, "text": number})
        return index

    def standing(self, row: int, kind: MemoryKind, *, history: bool = False) -> IntArray:
        """Return the indices of one row's facts or reflections that nothing has replaced, or all of them."""
        stretch = self.stream.stretch(row)
        chosen = self.stream["kind"][stretch] == kind
        if not history:
            chosen = chosen & (self.stream["fades_at"][stretch] == STANDS)
        return np.flatnonzero(chosen)

    def evidence(self, row: int, now: float) -> TopicEvidence:
        """Return the latest evidence of one row, as far as the evidence window goes."""
        stretch = self.stream.stretch(row)
        chosen = np.flatnonzero(self.stream["evidence"][stretch])[-int(self._settings.evidence_window) :] + stretch.start
        topics = np.unpackbits(self.stream["topics"][chosen], axis=1, count=self._topics).astype(np.bool_)
        age = np.maximum(now - self.stream["time"][chosen], 0)
        return TopicEvidence(age, self.stream["valence"][chosen], self.stream["stars"][chosen], topics)

    def search(
        self,
        row: IntArray,
        queries: Sequence[str],
        now: npt.NDArray[np.float64],
        *,
        k: int,
        kinds: Collection[MemoryKind],
        hidden: BoolArray | None = None,
    ) -> tuple[IntArray, FloatArray]:
        """Return indices and scores [m, k] of what comes to mind; ``hidden`` marks places that are passed over."""
        index = np.full((len(row), k), -1, np.int64)
        score = np.full((len(row), k), np.nan, np.float32)
        asked, counts, stream = self.texts.ask(queries), self.stream.count.take(row), self.stream
        every = len(set(kinds)) == len(MemoryKind)
        allowed = np.isin(np.arange(len(MemoryKind)), [int(kind) for kind in kinds])
        for batch in batches(counts):
            cells, moment = stream.cells(row[batch], int(counts[batch].max())), now[batch][:, None]
            candidate = cells("fades_at") > moment
            if cells.inside is not None:
                candidate &= cells.inside
            if not every:
                candidate &= allowed.take(cells("kind"))
            if hidden is not None:
                candidate &= ~cells.of(hidden)
            cosine = self.texts.relevance(cells("text"), asked, batch)
            cosine[~candidate] = 0
            value = scores(moment - cells("last_touched"), cells("importance"), cosine, self._settings)
            index[batch], score[batch] = best(value, candidate, k)
        return index, score

    def touch(self, row: IntArray, index: IntArray, now: npt.NDArray[np.float64]) -> None:
        """Note that memories were recalled.

        Args:
            row: int64 [c].
            index: int64 [c]: a memory of each row.
            now: float64 [c].
        """
        place, stream = self.stream.first(row) + index, self.stream
        np.add.at(stream["touches"], place, 1)
        np.maximum.at(stream["last_touched"], place, now)
        fading = place[np.isfinite(stream["fades_at"][place])]
        stream["fades_at"][fading] = fades_at(
            stream["last_touched"][fading], stream["touches"][fading], stream["importance"][fading], self._settings
        )

    def compact(self, row: IntArray, now: npt.NDArray[np.float64]) -> None:
        """Drop what has faded and no reflection needs; see ``Memories.compact``."""
        stream, counts = self.stream, self.stream.count.take(row)
        places, owner = stream.places(row), np.repeat(np.arange(len(row)), counts)
        evidence = stream["evidence"][places].astype(np.int64)
        total = np.bincount(owner, evidence, len(row)).astype(np.int64)
        before = np.cumsum(evidence) - np.repeat(np.cumsum(total) - total, counts)
        needed = (evidence > 0) & (total[owner] - before < self._settings.evidence_window)
        retained = stream["fades_at"][places] > now[owner]
        stream.keep(row, needed | retained | (stream["kind"][places] == MemoryKind.FACT))
        everywhere = stream.places(np.arange(len(stream)))
        held = np.unique(stream["text"][everywhere])
        if len(self.texts) > 2 * len(held) + _SPARE_TEXTS:
            self.renumber(held, everywhere)

    def renumber(self, held: IntArray, places: IntArray) -> None:
        """Forget all texts but ``held``, and number those from 0 in that order.

        Args:
            held: int64 [t]: all texts that the places have.
            places: int64 [p]: all places in use.
        """
        number = np.full(len(self.texts), -1, np.int64)
        number[held] = np.arange(len(held))
        self.stream["text"][places] = number[self.stream["text"][places]]
        fewer = Texts(self.texts.words, self.texts.embedder)
        fewer.adopt([self.texts.text[old] for old in held], self.texts.vectors(held))
        self.texts = fewer
