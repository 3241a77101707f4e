"""Population files: ``.parquet`` for size and speed, ``.jsonl`` for eyes and editors; both hold float32 exactly.

A parquet file has the columns ``user_id``, one column a trait, ``taste`` (a fixed-size list), ``vector_<name>``
(fixed-size lists) and ``demographic_<field>``; genre names, widths and format version stand in the schema's metadata.
A jsonl file has one user a line: user_id, the traits, ``taste`` (genre to number), ``demographics`` and ``vectors``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.files import unique_keys
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.personas import TRAITS, Population

__all__ = ["read_population", "write_population"]

Layout: TypeAlias = tuple[tuple[str, ...], dict[str, int]]

_METADATA_KEY = b"recsim_llm.population"
_FORMAT = 1
_TRAIT_NAMES = tuple(trait.name for trait in TRAITS)
_LINE_KEYS = ("user_id", *_TRAIT_NAMES, "taste", "demographics", "vectors")
_CHUNK = 4096  # users at a time: text needs some fifty times the memory of the numbers
_REMEDY = "write the file with write_population"


def write_population(population: Population, path: str | os.PathLike[str]) -> None:
    """Write a population to a ``.parquet`` or ``.jsonl`` file; an old file stays whole until the new one is.

    Args:
        population: any; a jsonl file holds finite numbers only.
        path: the suffix picks the format.

    Raises:
        ConfigError: the suffix is another one, or the folder does not exist.
        DataError: the population has a vector that is not [u, d], or numbers that jsonl cannot hold.
    """
    target = Path(path)
    write = _pick(target, {".parquet": _write_parquet, ".jsonl": _write_jsonl})
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: got a folder that does not exist, expected an existing one; create it first")
    for name, vector in population.vectors.items():
        if vector.ndim != 2:
            raise DataError(f"{target}: got vector {name!r} of shape {vector.shape}, expected [u, d]; reshape it")
    temporary = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            write(population, file, target)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def read_population(path: str | os.PathLike[str]) -> Population:
    """Read what ``write_population`` wrote, or a jsonl file written by hand in the same form.

    Args:
        path: a ``.parquet`` or ``.jsonl`` file. In jsonl, the first line fixes genres and vectors; a line may leave out
            ``demographics`` and ``vectors`` where it has none.

    Raises:
        ConfigError: the suffix is another one.
        DataError: the file is missing or damaged; the text names the file, the line (jsonl) and what to do.
    """
    source = Path(path)
    read = _pick(source, {".parquet": _read_parquet, ".jsonl": _read_jsonl})
    try:
        population: Population = read(source)
    except OSError as error:
        raise DataError(f"{source}: got {error.strerror or error}, expected a readable file; check the path") from error
    return population


def _pick(path: Path, by_suffix: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if path.suffix not in by_suffix:
        raise ConfigError(f"{path}: got suffix {path.suffix!r}, expected {' or '.join(by_suffix)}; name a file of that kind")
    return by_suffix[path.suffix]


# Parquet


def _write_parquet(population: Population, file: IO[bytes], _target: Path) -> None:
    tables = {"taste": population.taste}
    tables.update({f"vector_{name}": vector for name, vector in population.vectors.items()})
    columns = {"user_id": pa.array(population.user_id, pa.int64())}
    columns.update({name: pa.array(population.trait(name), pa.float32()) for name in _TRAIT_NAMES})
    columns.update({name: _fixed_lists(table) for name, table in tables.items() if table.shape[1] > 0})
    for name, column in population.demographics.items():
        columns[f"demographic_{name}"] = pa.array(column.tolist(), pa.string())
    layout = {
        "format": _FORMAT,
        "genre_names": population.genre_names,
        "vectors": {name: vector.shape[1] for name, vector in population.vectors.items()},
        "demographics": list(population.demographics),
    }
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    marked = schema.with_metadata({_METADATA_KEY: json.dumps(layout)})
    pq.write_table(pa.table(list(columns.values()), schema=marked), file)


def _fixed_lists(table: FloatArray) -> Any:
    flat = pa.array(np.ascontiguousarray(table, np.float32).ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, table.shape[1])


def _read_parquet(path: Path) -> Population:
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        layout = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, '{"format": "unknown"}'))
        if layout["format"] != _FORMAT:
            raise ValueError(f"format {layout['format']}")
        names, vectors = tuple(layout["genre_names"]), layout["vectors"]
        texts = {name: table.column(f"demographic_{name}").to_pylist() for name in layout["demographics"]}
        return Population(
            user_id=_numbers(table, "user_id", pa.int64()),
            traits=np.column_stack([_numbers(table, name, pa.float32()) for name in _TRAIT_NAMES]),
            genre_names=names,
            taste=_rows(table, "taste", len(names)),
            demographics={name: np.array([text or "" for text in column], object) for name, column in texts.items()},
            vectors={name: _rows(table, f"vector_{name}", width) for name, width in vectors.items()},
        )
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())  # pyarrow explains itself over several lines
        raise DataError(f"{path}: got {reason}, expected a population of format {_FORMAT}; {_REMEDY}") from error


def _numbers(table: Any, name: str, kind: Any) -> npt.NDArray[Any]:
    column = table.column(name).combine_chunks()
    if column.type != kind or column.null_count > 0:
        raise ValueError(f"column {name!r} of {column.type}, {column.null_count} nulls (expected {kind}, no nulls)")
    return np.array(column.to_numpy(zero_copy_only=False))


def _rows(table: Any, name: str, width: int) -> FloatArray:
    if width == 0:  # parquet has no lists of length 0
        return np.zeros((table.num_rows, 0), np.float32)
    column = table.column(name).combine_chunks()
    if column.type != pa.list_(pa.float32(), width) or column.null_count > 0:
        raise ValueError(f"column {name!r} of type {column.type} (expected lists of {width} floats, no nulls)")
    return np.array(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, width)


# JSON lines


def _write_jsonl(population: Population, file: IO[bytes], target: Path) -> None:
    if len(set(population.genre_names)) < len(population.genre_names):
        raise DataError(f"{target}: got a genre name twice, expected distinct ones; rename it or write .parquet")
    for table in (population.traits, population.taste, *population.vectors.values()):
        if not np.isfinite(table).all():
            raise DataError(f"{target}: got NaN or infinity, expected finite numbers; correct them or write .parquet")
    for start in range(0, len(population), _CHUNK):
        part = population.take(np.arange(start, min(start + _CHUNK, len(population))))
        file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in _lines(part))


def _lines(part: Population) -> Iterator[dict[str, Any]]:
    traits, taste = _decimals(part.traits), _decimals(part.taste)
    vectors = {name: _decimals(vector) for name, vector in part.vectors.items()}
    for row, user_id in enumerate(part.user_id.tolist()):
        yield {
            "user_id": user_id,
            **dict(zip(_TRAIT_NAMES, traits[row], strict=True)),
            "taste": dict(zip(part.genre_names, taste[row], strict=True)),
            "demographics": {name: column[row] for name, column in part.demographics.items()},
            "vectors": {name: vector[row] for name, vector in vectors.items()},
        }


def _decimals(table: FloatArray) -> list[list[float]]:
    """Return Python floats that print as the shortest decimals from which each float32 can be read back exactly."""
    exact = table.astype(np.float64)
    short = table.astype(np.str_).astype(np.float64) if table.size else exact
    # Reading goes through float64, which can round a short decimal the other way: those keep all their digits.
    with np.errstate(over="ignore"):
        rows: list[list[float]] = np.where(short.astype(np.float32) == table, short, exact).tolist()
    return rows


def _read_jsonl(path: Path) -> Population:
    user_ids: dict[int, int] = {}
    rows: list[FloatArray] = []
    texts: list[dict[str, str]] = []
    layout: Layout | None = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=unique_keys)
                layout = layout or _layout(line)
                user_id, row, text = _parse_line(line, layout)
                if user_id in user_ids:
                    raise ValueError(f"user_id {user_id} again (first on line {user_ids[user_id]})")
            except (ValueError, OverflowError, RecursionError) as error:
                raise DataError(f"{path}, line {number}: got {error}; correct the line, or {_REMEDY}") from error
            user_ids[user_id] = number
            rows.append(row)
            texts.append(text)
    if layout is None:
        raise DataError(f"{path}: got no users, expected one a line; {_REMEDY}")
    return _assemble(list(user_ids), np.stack(rows), texts, layout)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} (expected a number)")


def _layout(line: Any) -> Layout:
    """Return genre names and vector widths of the first line."""
    if not isinstance(line, dict):
        raise ValueError(f"{type(line).__name__} (expected an object with {', '.join(_LINE_KEYS)})")
    taste, vectors = line.get("taste"), line.get("vectors", {})
    if not isinstance(taste, dict):
        raise ValueError("no object under 'taste' (expected genre to number)")
    if not isinstance(vectors, dict) or not all(isinstance(vector, list) for vector in vectors.values()):
        raise ValueError("no lists under 'vectors' (expected name to list of numbers)")
    return tuple(taste), {name: len(vector) for name, vector in vectors.items()}


def _parse_line(line: Any, layout: Layout) -> tuple[int, FloatArray, dict[str, str]]:
    genre_names, widths = layout
    genres, found = _layout(line)
    if set(genres) != set(genre_names) or found != widths:
        raise ValueError("other genres or vectors than on the first line (expected the same names and lengths)")
    wrong = (set(line) - set(_LINE_KEYS)) | (set(_LINE_KEYS) - {"demographics", "vectors"} - set(line))
    if wrong:
        raise ValueError(f"missing or unknown keys {', '.join(sorted(wrong))} (expected {', '.join(_LINE_KEYS)})")
    user_id, text = line["user_id"], line.get("demographics", {})
    if type(user_id) is not int or not 0 <= user_id < 2**63:
        raise ValueError(f"user_id {user_id!r} (expected a whole number of 0 or more)")
    if not isinstance(text, dict) or not all(isinstance(value, str) for value in text.values()):
        raise ValueError("demographics that are not text (expected field to string)")
    numbers = [*(line[name] for name in _TRAIT_NAMES), *(line["taste"][name] for name in genre_names)]
    for name in widths:
        numbers.extend(line["vectors"][name])
    strange = [value for value in numbers if type(value) not in (int, float)]
    if strange:
        raise ValueError(f"{strange[0]!r} (expected a number)")
    with np.errstate(over="ignore"):
        row = np.array(numbers, np.float64).astype(np.float32)
    if not np.isfinite(row).all():
        raise ValueError("a number beyond the range of float32 (expected less than 3.4e38)")
    return user_id, row, text


def _assemble(user_ids: list[int], rows: FloatArray, texts: list[dict[str, str]], layout: Layout) -> Population:
    genre_names, widths = layout
    sizes = [len(_TRAIT_NAMES), len(genre_names), *widths.values()]
    blocks = [np.ascontiguousarray(block) for block in np.split(rows, np.cumsum(sizes)[:-1], axis=1)]
    fields = dict.fromkeys(name for text in texts for name in text)
    return Population(
        user_id=np.array(user_ids, np.int64),
        traits=blocks[0],
        genre_names=genre_names,
        taste=blocks[1],
        demographics={name: np.array([text.get(name, "") for text in texts], object) for name in fields},
        vectors=dict(zip(widths, blocks[2:], strict=True)),
    )
