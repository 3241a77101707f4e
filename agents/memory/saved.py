"""Memories in a file: an ``.npz`` without pickles, the same bytes for the same memories."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.records import Records
from recsim_llm.agents.memory.texts import Embedder
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.files import parse_json, write_atomically
from recsim_llm.errors import ConfigError, DataError, RecSimError

__all__ = ["Saved", "read_records", "write_records"]

_VERSION = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Saved(NamedTuple):
    """What a file of memories holds."""

    records: Records
    """The memories."""
    words: WordWeights
    """What words weigh."""
    topics: tuple[str, ...]
    """What evidence is counted by."""
    settings: MemorySettings
    """How users recall, forget and reflect."""


def write_records(path: Path, records: Records, words: WordWeights, topics: Sequence[str], *, settings: MemorySettings) -> None:
    """Write memories; texts that nobody remembers any more are left out."""
    stream = records.stream
    places = stream.places(np.arange(len(stream)))
    columns = {f"memory_{name}": stream[name][places] for name in stream.names}
    used, first, numbers = np.unique(columns["memory_text"], return_index=True, return_inverse=True)
    order = np.argsort(first)
    columns["memory_text"] = np.argsort(order)[numbers]
    columns["texts"] = _pack_texts([records.texts.text[number] for number in used[order]])
    vectors = records.texts.vectors(used[order])
    if vectors is not None:
        columns["vectors"] = vectors
    columns |= {"count": stream.count, "pending": records.pending}
    columns |= {"words": _pack_texts(list(words.weights)), "word_weights": np.array([*words.weights.values()], np.float64)}
    embedded = records.texts.embedder is not None
    _write_columns(
        path, columns, {"embedded": embedded, "settings": asdict(settings), "topics": [*topics], "unseen": words.unseen}
    )


def read_records(path: Path, embedder: Embedder | None) -> Saved:
    """Read memories.

    Raises:
        DataError: there is no such file, or it is not one that ``write_records`` wrote.
        ConfigError: the saved memories had an embedder and none is given, or the other way round.
    """
    columns, notes = _read_columns(path)
    if notes.get("embedded") != (embedder is not None):
        saved, given = ("with" if has else "without" for has in (notes.get("embedded"), embedder is not None))
        raise ConfigError(f"{path}: got memories saved {saved} an embedder, expected to load them so, not {given} one")
    try:
        return _rebuild(columns, notes, embedder)
    except RecSimError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        got = f"no column {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: got {got}, expected saved memories; give a file that was written by save") from error


def _rebuild(columns: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, Any], embedder: Embedder | None) -> Saved:
    weights = zip(_unpack_texts(columns["words"]), columns["word_weights"].tolist(), strict=True)
    words = WordWeights(dict(weights), notes["unseen"])
    settings, topics = MemorySettings(**notes["settings"]), tuple(notes["topics"])
    records = Records(len(columns["count"]), len(topics), words, embedder, settings=settings)
    records.texts.adopt(_unpack_texts(columns["texts"]), columns.get("vectors"))
    row = np.repeat(np.arange(len(columns["count"])), columns["count"])
    memories = {name: columns[f"memory_{name}"] for name in records.stream.names}
    for name, column in memories.items():
        if column.dtype != records.stream[name].dtype or len(column) != len(row):
            raise ValueError(
                f"{name} of {column.dtype} and {len(column)} rows, not {records.stream[name].dtype} and {len(row)}"
            )
    if row.size:
        said = memories["text"]
        if not 0 <= said.min() <= said.max() < len(records.texts.text):
            raise ValueError(f"texts by number up to {said.max()}, of {len(records.texts.text)}")
        records.stream.append(row, memories)
    pending = columns["pending"]
    if pending.dtype != records.pending.dtype or pending.shape != records.pending.shape:
        raise ValueError(f"pending of {pending.dtype} {pending.shape}, not {records.pending.dtype} {records.pending.shape}")
    records.pending[:] = pending
    return Saved(records, words, topics, settings)


def _write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, object]) -> None:
    """Write numeric columns and JSON-ready notes in one piece; a crash leaves the old file or the new one."""
    text = json.dumps({"version": _VERSION, **notes}, sort_keys=True).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, column in {**columns, "notes": np.frombuffer(text, np.uint8)}.items():
            # numpy.savez would stamp the time of day on every column.
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(column), allow_pickle=False)
    write_atomically(path, content.getvalue())


def _read_columns(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return columns and notes.

    Raises:
        DataError: there is no such file, or it is not one that ``_write_columns`` wrote.
    """
    try:
        columns = read_arrays(path)
        notes = parse_json(columns.pop("notes").tobytes().decode())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: got {error}, expected saved memories; give a file that was written by save") from error
    version = notes.get("version") if isinstance(notes, dict) else None
    if version != _VERSION:
        raise DataError(f"{path}: got version {version}, expected {_VERSION}; save it again with this version")
    return columns, notes


def _pack_texts(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return one-line texts as bytes."""
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode("utf-8", "surrogatepass"), np.uint8)


def _unpack_texts(column: npt.NDArray[np.uint8]) -> list[str]:
    """Return the texts that ``_pack_texts`` packed."""
    return column.tobytes().decode("utf-8", "surrogatepass").split("\n")[:-1]
