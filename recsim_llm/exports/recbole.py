"""Atomic files for RecBole: tab-separated columns whose header names the type of each.

Source: W. X. Zhao et al. (2021), RecBole: Towards a Unified, Comprehensive and Efficient Framework for Recommendation
Algorithms, CIKM; the format is that of its documentation, "Atomic Files". RecBole fills missing floats with their mean, so
no float column here has a missing value: clicks and ratings are two data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.errors import ConfigError
from recsim_llm.exports.arm_log import Portion
from recsim_llm.exports.own_names import quote
from recsim_llm.exports.source import ExportSource

__all__ = ["write_recbole"]

Row = tuple[str | int | float, ...]

_MISSING = "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null"
_LOST = frozenset((*_MISSING.split("|"), "", "[PAD]"))
"""Texts that RecBole, which reads with pandas, takes for missing values, and its own padding."""
_CLICKS = ("user_id:token", "item_id:token", "label:float", "timestamp:float", "visit:float", "page:float", "position:float")
_HOW = "how:token"
_RATINGS = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
_ITEMS = ("item_id:token", "title:token_seq", "release_year:token", "genres:token_seq")


def write_recbole(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write the data sets ``NAME-clicks`` and ``NAME-ratings`` below a folder called NAME, RecBole's ``data_path``.

    Each has ``.inter``, ``.item`` and ``.user``. In ``NAME-clicks`` an interaction is a slot that showed an item, with
    ``label`` 1 where it was clicked, and where users could search or look back ``how`` its page came about; in
    ``NAME-ratings`` it is a rating, and there is no such data set of users who give none. Ids are the data's own, in double
    quotes where they hold a tab, a quote or a line break, as RecBole reads them. Tabs and line breaks in other words become
    spaces, double quotes become single ones, and spaces within the name of a genre become underscores, since RecBole would
    split there.

    Returns:
        What was written, by name.

    Raises:
        ConfigError: an id cannot be read back by RecBole.
    """
    written = {}
    for name, header, rows in (("clicks", _CLICKS, _clicks), ("ratings", _RATINGS, _ratings)):
        if name == "ratings" and not source.stars:
            continue
        if name == "clicks" and source.log.asks:
            header = (*header, _HOW)
        title = f"{folder.name}-{name}"
        (folder / title).mkdir()
        written[name] = _write(folder / title / f"{title}.inter", header, _of_portions(source, rows))
        _write(folder / title / f"{title}.item", _ITEMS, _items(source))
        fields = sorted(source.demographics)
        columns = ("user_id:token", *(f"{_field(field)}:token" for field in fields))
        _write(folder / title / f"{title}.user", columns, _users(source, fields))
    return written


def _of_portions(source: ExportSource, rows: Callable[[ExportSource, Portion], Iterator[Row]]) -> Iterator[Row]:
    for portion in source.portions():
        yield from rows(source, portion)


def _clicks(source: ExportSource, portion: Portion) -> Iterator[Row]:
    row, slot = np.nonzero(portion.item_id >= 0)
    how = [] if portion.how is None else [portion.how[row].tolist()]
    yield from zip(
        _users_of(source, portion.user_id[row]),
        _items_of(source, portion.item_id[row, slot]),
        portion.clicked[row, slot].astype(np.int64).tolist(),
        source.time(portion)[row, slot].tolist(),
        portion.visit[row].tolist(),
        portion.page[row].tolist(),
        slot.tolist(),
        *how,
        strict=True,
    )


def _ratings(source: ExportSource, portion: Portion) -> Iterator[Row]:
    row, slot = np.nonzero(~np.isnan(portion.rating))
    yield from zip(
        _users_of(source, portion.user_id[row]),
        _items_of(source, portion.item_id[row, slot]),
        portion.rating[row, slot].tolist(),
        source.time(portion)[row, slot].tolist(),
        strict=True,
    )


def _items(source: ExportSource) -> Iterator[Row]:
    catalog = source.catalog
    for index, item_id in enumerate(_items_of(source, catalog.item_id)):
        year = int(catalog.year[index])
        genres = " ".join("_".join(genre.split()) for genre in catalog.genres_of(index))
        yield item_id, _word(str(catalog.title[index])), year if year >= 0 else "", _word(genres)


def _users(source: ExportSource, fields: list[str]) -> Iterator[Row]:
    order = source.user_order()
    user_id = source.log.keys("user_id")[0][order]
    place = np.searchsorted(source.identities.user_id, user_id)
    for one, exported in zip(place.tolist(), _users_of(source, user_id), strict=True):
        yield exported, *(_word(str(source.demographics[field][one])) for field in fields)


def _users_of(source: ExportSource, user_id: IntArray) -> list[str]:
    return _tokens(source.identities.labels(user_id), "user")


def _items_of(source: ExportSource, item_id: IntArray) -> list[str]:
    return _tokens(source.item_labels(item_id), "item")


def _tokens(labels: Sequence[int | str | None], what: str) -> list[str]:
    """Return ids as fields that RecBole reads back as they were.

    Raises:
        ConfigError: RecBole would take an id for a missing one, or for its padding.
    """
    texts = [str(label) for label in labels]
    lost = _LOST.intersection(texts)
    if lost:
        raise ConfigError(
            f"export recbole: got the {what} id {min(lost)!r}, which RecBole takes for a missing value, expected another; "
            "rename it in the data, or export another format"
        )
    return [quote(text, "\t") for text in texts]


def _write(path: Path, header: Iterable[str], rows: Iterator[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(header) + "\n")
        for row in rows:
            stream.write("\t".join(f"{value:g}" if isinstance(value, float) else str(value) for value in row) + "\n")
            count += 1
    return count


def _field(name: str) -> str:
    return "_".join(_word(name).replace(":", " ").split())


def _word(text: str) -> str:
    return " ".join(text.replace('"', "'").split())
