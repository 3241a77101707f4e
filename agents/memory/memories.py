"""What users remember: one stream of memories a row, in columns for all rows.

Every result for a row depends on that row's own memories, query and time only; rows may be asked together or one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.inputs import check_numbers, check_rows
from recsim_llm.agents.memory.memory_kinds import MemoryParts
from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.memory_text import render_rows
from recsim_llm.agents.memory.memory_words import TellReflection, english_reflection
from recsim_llm.agents.memory.records import STANDS, Records
from recsim_llm.agents.memory.reflection import reflect
from recsim_llm.agents.memory.retrieval import MemoryKind, Recalled
from recsim_llm.agents.memory.saved import read_records, write_records
from recsim_llm.agents.memory.texts import Embedder
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.pages import Rows
from recsim_llm.core.parameters import field_names, refuse_unknown_names
from recsim_llm.core.user_memory import Rendered
from recsim_llm.errors import ConfigError

__all__ = ["Memories", "stream_memory"]


class Memories:
    """The memories of a batch of users, one stream for each row of the batch.

    A memory is one line of text with the time it was made, its importance, its valence, and for observations the evidence that
    reflections count: topics and stars. Time is each user's own: pages lived so far. The *index* of a memory is its position
    among the memories of its row, oldest 0; it holds until ``compact`` or ``forget``.

    Args:
        rows: users that browse at the same time.
        words: what words weigh, from a fixed collection such as the catalog.
        topics: names of what evidence is counted by, for instance ``catalog.genre_names``.
        settings: how users recall, forget and reflect; None: as ``MemorySettings()`` says.
        embedder: texts to vectors, for relevance by meaning; None for relevance by shared words.
        tell: puts reflections into words; None for the shipped English ones.
    """

    def __init__(
        self,
        rows: int,
        *,
        words: WordWeights,
        topics: Sequence[str] = (),
        settings: MemorySettings | None = None,
        embedder: Embedder | None = None,
        tell: TellReflection | None = None,
    ) -> None:
        self.settings, self.topics = settings or MemorySettings(), tuple(topics)
        self._words, self._embedder, self._tell = words, embedder, tell or english_reflection()
        self.allocate(rows)

    def __len__(self) -> int:
        return len(self._records.stream)

    def allocate(self, rows: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._records = Records(rows, len(self.topics), self._words, self._embedder, settings=self.settings)

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows: their users come for the first time."""
        self._records.stream.clear(rows)
        self._records.pending[rows] = 0

    def remember(
        self,
        row: npt.ArrayLike,
        time: npt.ArrayLike,
        texts: Sequence[str],
        *,
        importance: npt.ArrayLike,
        valence: npt.ArrayLike,
        topics: npt.ArrayLike | None = None,
        stars: npt.ArrayLike | None = None,
        only_evidence: npt.ArrayLike = False,
    ) -> None:
        """Add observations, in the order given.

        Args:
            row: int [n]: whose they are; a row may come several times.
            time: float [n] or one number: pages lived.
            texts: n texts of one line each, safe to show to a model as they are.
            importance: [n] or one number, 0 to 1.
            valence: [n] or one number, -1 (bad) to 1 (good).
            topics: bool [n, len(topics)]: what they are evidence on.
            stars: [n] or one number: rating given; NaN where none was. Observations with topics or stars are evidence.
            only_evidence: bool [n] or one: never recalled; reflections count them.

        Raises:
            ConfigError: shapes differ, a number is out of range, or a text is blank or longer than a line.
        """
        rows = check_rows(row, len(self), texts)
        wanted = (len(rows), len(self.topics))
        about = np.zeros(wanted, np.bool_) if topics is None else np.asarray(topics, np.bool_)
        if about.shape != wanted:
            raise ConfigError(f"memory topics: got shape {about.shape}, expected {wanted}, one column for each topic")
        given = np.broadcast_to(np.asarray(np.nan if stars is None else stars, np.float32), len(rows))
        if np.isinf(given).any():
            raise ConfigError("memory stars: got an infinite number, expected stars, or NaN where none were given")
        self._records.observe(
            rows,
            texts,
            check_numbers("time", time, len(rows)),
            importance=check_numbers("importance", importance, len(rows), (0, 1)).astype(np.float32),
            valence=check_numbers("valence", valence, len(rows), (-1, 1)).astype(np.float32),
            stars=given,
            topics=np.packbits(about, axis=1),
            evidence=about.any(axis=1) | ~np.isnan(given),
            faded=np.broadcast_to(np.asarray(only_evidence, np.bool_), len(rows)),
        )

    def state_fact(
        self, row: npt.ArrayLike, time: npt.ArrayLike, texts: Sequence[str], keys: Sequence[str] | None = None
    ) -> None:
        """Add facts: statements that never fade, each in the place of the earlier fact of its row with the same key.

        The replaced fact is not recalled any more, but stays in the history, see ``facts``.

        Args:
            row: int [n]: whose they are; a row may come several times.
            time: float [n] or one number: pages lived.
            texts: n texts of one line each.
            keys: what each fact is about; None: its text, so that a repeated statement is held once.

        Raises:
            ConfigError: shapes differ, or a text is blank or longer than a line.
        """
        rows, importance = check_rows(row, len(self), texts), self.settings.fact_importance
        names = texts if keys is None else keys
        if len(names) != len(rows):
            raise ConfigError(f"memory facts: got {len(names)} keys, expected {len(rows)}, one for each row")
        times = check_numbers("time", time, len(rows))
        for owner, text, moment, name in zip(rows.tolist(), texts, times, names, strict=True):
            digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            key = int.from_bytes(digest, "little", signed=True)
            self._records.state(owner, text, moment, kind=MemoryKind.FACT, key=key, importance=importance, valence=0)
            self._records.pending[owner] += importance

    def facts(self, row: int, *, history: bool = False) -> list[str]:
        """Return the facts of one row in the order in which they were stated; with ``history`` also those replaced."""
        return self.texts(row, self._records.standing(row, MemoryKind.FACT, history=history))

    def texts(self, row: int, index: npt.ArrayLike) -> list[str]:
        """Return the texts of memories of one row; an index of -1 is left out."""
        positions = np.asarray(index, np.int64)
        numbers = self._records.stream["text"][self._records.stream.stretch(row)]
        return [self._records.texts.text[number] for number in numbers[positions[positions >= 0]]]

    def due(self) -> IntArray:
        """Return the rows that have gathered enough importance to reflect, ascending."""
        return np.flatnonzero(self._records.pending >= self.settings.reflect_at)

    def reflect(self, row: npt.ArrayLike, now: npt.ArrayLike) -> IntArray:
        """Write a reflection for each row in the place of its earlier one, see ``recsim_llm.agents.memory.reflection``.

        Args:
            row: int [m]: for instance ``due()``.
            now: float [m] or one number: pages lived.

        Returns:
            int64 [m]: index of the new memory; -1 where there was no evidence, and nothing was written.
        """
        rows = check_rows(row, len(self))
        written = np.full(len(rows), -1, np.int64)
        for place, (owner, moment) in enumerate(zip(rows.tolist(), check_numbers("now", now, len(rows)), strict=True)):
            self._records.pending[owner] = 0
            evidence = self._records.evidence(owner, moment)
            if len(evidence.age):
                made = reflect(evidence, self.topics, self.settings)
                importance = self.settings.reflection_importance
                values = {"kind": MemoryKind.REFLECTION, "key": 0, "importance": importance, "valence": made.valence}
                written[place] = self._records.state(owner, self._tell(made), moment, **values)
        return written

    def settle(self, row: IntArray, now: npt.NDArray[np.floating]) -> None:
        """Let those of different rows reflect for whom it is due, and drop what they then need no more.

        Args:
            row: int64 [m].
            now: float [m]: pages lived.
        """
        ready = self._records.pending.take(row) >= self.settings.reflect_at
        if ready.any():
            self.reflect(row[ready], now[ready])
            self.compact(row[ready], now[ready])

    def recall(
        self,
        row: npt.ArrayLike,
        queries: Sequence[str],
        now: npt.ArrayLike,
        k: int = 5,
        *,
        kinds: Collection[MemoryKind] = tuple(MemoryKind),
        touch: bool = True,
    ) -> Recalled:
        """Return what comes to mind, by the score of ``recsim_llm.agents.memory.retrieval``.

        Args:
            row: int [m]: who is asked; a row that comes several times is asked as it was before the call.
            queries: m texts, for instance what stands on a page, or a question.
            now: float [m] or one number: pages lived.
            k: most memories a row.
            kinds: which kinds may come to mind.
            touch: what is recalled is remembered longer and has a higher recency from now on.

        Raises:
            ConfigError: shapes differ, or ``k`` is below 1.
        """
        rows = check_rows(row, len(self), queries)
        if k < 1:
            raise ConfigError(f"recall: got k={k}, expected 1 or more")
        times = check_numbers("now", now, len(rows))
        index, score = self._records.search(rows, queries, times, k=k, kinds=kinds)
        if touch:
            place, column = np.nonzero(index >= 0)
            self._records.touch(rows[place], index[place, column], times[place])
        return Recalled(rows, index, score)

    def render(
        self, row: npt.ArrayLike, queries: Sequence[str], now: npt.ArrayLike, budget_tokens: int, *, touch: bool = True
    ) -> list[Rendered]:
        """Return what each user has in mind as lines for a prompt.

        Facts and reflection take at most ``consolidated_share`` of the budget, the latest facts first, the reflection last;
        facts that do not fit may still be recalled. Up to ``recalled`` memories take the rest, those with the highest score
        first.

        Args:
            row: int [m]: different rows.
            queries: m texts to recall for, such as what stands on a page.
            now: float [m] or one number: pages lived.
            budget_tokens: most tokens of ``consolidated`` and ``recent`` together, as ``estimate_tokens`` counts them.
            touch: as for ``recall``, of what is recalled and shown; False leaves it to ``touch``.

        Returns:
            One a row.

        Raises:
            ConfigError: shapes differ.
        """
        rows = check_rows(row, len(self), queries)
        moment = check_numbers("now", now, len(rows))
        rendered = render_rows(self._records, self.settings, rows, queries, now=moment, budget=budget_tokens)
        for owner, shown, time in zip(rows.tolist(), rendered, moment.tolist(), strict=True) if touch else ():
            self.touch(owner, shown.index, time)
        return rendered

    def touch(self, row: int, index: IntArray, now: float) -> None:
        """Let memories of one row be remembered longer and have a higher recency: they came to mind.

        Args:
            row: whose they are.
            index: int64 [r]: different ones; memories not compacted since.
            now: pages lived.
        """
        self._records.touch(np.full(len(index), row), index, np.full(len(index), now))

    def staleness(self, recalled: Recalled, since: npt.ArrayLike) -> FloatArray:
        """Return float32 [m]: the share of what was recalled that was made before ``since``; NaN where nothing was.

        Args:
            recalled: from ``recall``; memories not compacted since.
            since: float [m] or one number, in pages lived: for instance when a user's taste last shifted.
        """
        found = recalled.index >= 0
        place = np.where(found, self._records.stream.first(recalled.row)[:, None] + recalled.index, 0)
        if not found.any():
            return np.full(len(found), np.nan, np.float32)
        moment = check_numbers("since", since, len(found))[:, None]
        before = found & (self._records.stream["time"].take(place) < moment)
        count = found.sum(axis=1)
        return np.where(count > 0, before.sum(axis=1) / np.maximum(count, 1), np.nan).astype(np.float32)

    def compact(self, row: npt.ArrayLike, now: npt.ArrayLike) -> None:
        """Drop what has faded and replaced reflections, for good; indices change, what is recalled and reflected does not.

        Facts stay, and so does the evidence that the next reflection looks at.

        Args:
            row: int [m]: different rows.
            now: float [m] or one number: pages lived; asking for an earlier time later on is asking in vain.
        """
        rows = check_rows(row, len(self))
        self._records.compact(rows, check_numbers("now", now, len(rows)))

    def lines(self, row: int) -> list[str]:
        """Return what one row still has in memory: the reflection, facts, then what has not faded yet, oldest first."""
        kept = [self._records.standing(row, kind) for kind in (MemoryKind.REFLECTION, MemoryKind.FACT)]
        stretch = self._records.stream.stretch(row)
        observed = self._records.stream["kind"][stretch] == MemoryKind.OBSERVATION
        fades, latest = self._records.stream["fades_at"][stretch], self._records.stream["time"][stretch].max(initial=-np.inf)
        return self.texts(row, np.concatenate([*kept, np.flatnonzero(observed & (fades > latest))]))

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of all memories as columns: by row, oldest first; ``text`` as str, ``topics`` as bool [n, t]."""
        stream = self._records.stream
        places = stream.places(np.arange(len(stream)))
        found = {name: stream[name][places] for name in stream.names}
        found["topics"] = np.unpackbits(found["topics"], axis=1, count=len(self.topics)).astype(np.bool_)
        found["text"] = np.array([self._records.texts.text[number] for number in found["text"]], object)
        found["replaced"] = (found["kind"] != MemoryKind.OBSERVATION) & (found["fades_at"] != STANDS)
        return {"row": np.repeat(np.arange(len(stream)), stream.count), **found}

    def save(self, path: str | Path) -> None:
        """Write everything to one file, the same bytes for the same memories; a crash leaves the old file or the new one."""
        write_records(Path(path), self._records, self._words, self.topics, settings=self.settings)

    @classmethod
    def load(cls, path: str | Path, *, embedder: Embedder | None = None, tell: TellReflection | None = None) -> Memories:
        """Return memories that continue exactly where the saved ones stopped.

        Args:
            path: a file that ``save`` wrote.
            embedder: the one that the saved memories had; texts that they held are not embedded again.
            tell: puts later reflections into words; None for the shipped English ones.

        Raises:
            DataError: there is no such file, or it is not one that ``save`` wrote.
            ConfigError: the saved memories had an embedder and none is given, or the other way round.
        """
        saved = read_records(Path(path), embedder)
        memories = cls(0, words=saved.words, topics=saved.topics, settings=saved.settings, embedder=embedder, tell=tell)
        memories._records = saved.records
        return memories


def stream_memory(parts: MemoryParts, **settings: Any) -> Memories:
    """Return a stream of memories with recall, forgetting and reflection.

    Args:
        parts: what it is made with.
        **settings: of ``MemorySettings``.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    refuse_unknown_names("memory setting", settings, field_names(MemorySettings))
    own = MemorySettings(**settings)
    return Memories(0, words=parts.words, topics=parts.topics, settings=own, embedder=parts.embedder, tell=parts.tell)
