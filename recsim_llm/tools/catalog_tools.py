"""What the catalog tools do: questions about a catalog, the training ratings, a base recommender and friends.

Every result is bounded, made of ids and of text that cannot close a delimiter. A call that is wrong raises ``ToolError``, whose
text the caller sees.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ToolError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.tools.bus import CandidateBus
from recsim_llm.tools.filters import COLUMNS, select_items
from recsim_llm.tools.tool_arguments import TOOLS, Arguments, Describe, Friends, Rank, Select, Similar, Tool

__all__ = ["SHOWN", "CatalogTools", "Desk", "ToolResult"]

SHOWN = 10
"""Candidates of which a result tells more than the number."""
_LIKED = 4.0
_GENRES = 60
_TITLE, _GENRE, _DESCRIPTION = 120, 40, 400  # characters


class Desk(NamedTuple):
    """What the tools work on for one visitor."""

    user_id: int
    """Outside id."""
    order: IntArray
    """int64 [s]: everything on sale by catalog position, as the base recommender ranks it for the visitor."""
    allowed: BoolArray
    """bool [n]: which items may be shown: on sale, and not seen where that counts."""


class ToolResult(NamedTuple):
    """What came of a call."""

    content: Mapping[str, Any]
    """Plain values for JSON, bounded in size."""
    summary: str
    """For the log: how many items were found, how many are candidates, ids of the first ones."""

    @property
    def text(self) -> str:
        """The content as one line of JSON."""
        return json.dumps(self.content, ensure_ascii=False)


class CatalogTools:
    """The tools of one world.

    Args:
        catalog: the items; ``restock`` tells what is on sale from now on.
        ratings: the training part.
        friends: outside ids of each user's friends, by outside id; None: nobody has friends, and there is no such tool.
    """

    def __init__(self, catalog: Catalog, ratings: Ratings, friends: Mapping[int, tuple[int, ...]] | None = None) -> None:
        self._catalog, self._ratings, self._friends = catalog, ratings, friends
        self._likes: dict[int, list[int]] = {}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that there are."""
        return tuple(tool for tool in TOOLS.values() if tool.name != "friends" or self._friends is not None)

    @property
    def largest_id(self) -> int:
        """The largest id of an item."""
        return int(self._catalog.item_id.max())

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on."""
        self._catalog = catalog

    def call(self, arguments: Arguments, desk: Desk, bus: CandidateBus) -> ToolResult:
        """Carry out one call; candidates go to the bus.

        Raises:
            ToolError: the arguments name what is not there.
        """
        done: dict[type[Arguments], Callable[[Any, Desk, CandidateBus], ToolResult]] = {
            Select: self._select,
            Similar: self._similar,
            Rank: self._rank,
            Describe: self._describe,
            Friends: self._liked_by_friends,
        }
        carry_out: Callable[[Any, Desk, CandidateBus], ToolResult] = done.get(type(arguments), self._schema)
        return carry_out(arguments, desk, bus)

    def told(self, item: int) -> dict[str, Any]:
        """Return an item's id, title, year and genres, and its price where items have one."""
        catalog, year = self._catalog, int(self._catalog.year[item])
        genres = [safe_text(name, _GENRE) for name in catalog.genres_of(item)]
        title = safe_text(str(catalog.title[item]), _TITLE)
        told = {"id": int(catalog.item_id[item]), "title": title, "year": year if year > 0 else None, "genres": genres}
        return told if catalog.price is None else told | {"price": round(float(catalog.price[item]), 2)}

    def positions(self, item_ids: Sequence[int]) -> list[int]:
        """Return catalog positions of ids, -1 where the catalog has none of that id."""
        places: list[int] = self._catalog.index_of(np.array(item_ids, np.int64)).tolist()
        return places

    def _schema(self, arguments: Arguments, desk: Desk, bus: CandidateBus) -> ToolResult:
        del arguments
        catalog = self._catalog
        lacking = [name for name in ("description", "provider", "price") if getattr(catalog, name) is None]
        known = catalog.year[catalog.year >= 0]
        counts = zip(catalog.genre_names, catalog.genres.sum(axis=0).tolist(), strict=True)
        genres = sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:_GENRES]
        content = {
            "columns": {name: kind for name, kind in COLUMNS.items() if name not in lacking} | {"retired": "yes or no"},
            "genres": {safe_text(name, _GENRE): count for name, count in genres},
            "years": [int(known.min()), int(known.max())] if known.size else None,
            "items": len(catalog),
            "may_be_shown": int(desk.allowed.sum()),
        }
        return ToolResult(content | self.state(bus), f"{len(catalog)} items")

    def _select(self, arguments: Select, desk: Desk, bus: CandidateBus) -> ToolResult:
        text = arguments.filter.strip()
        mask = select_items(self._catalog, text) if text else np.ones(len(self._catalog), np.bool_)
        if arguments.narrow:
            bus.keep(mask)
        else:
            # In the base's order, so that what is told first of many is not an accident of the catalog.
            bus.add(desk.order[mask[desk.order]])
        return self._found(int(mask.sum()), bus)

    def _similar(self, arguments: Similar, desk: Desk, bus: CandidateBus) -> ToolResult:
        (item,) = self._positions([arguments.item_id])
        order = self._alike(item)
        best = order[desk.allowed[order] & (order != item)][: arguments.count]
        bus.add(best)
        bus.put_first(best.tolist())
        return self._found(len(best), bus)

    def _rank(self, arguments: Rank, desk: Desk, bus: CandidateBus) -> ToolResult:
        given = self._positions(arguments.item_ids)
        if given:
            bus.add(given)
        elif not len(bus):
            bus.add(desk.order)
        wanted = np.zeros(len(self._catalog), np.bool_)
        wanted[given or bus.items] = True
        ranked = desk.order[wanted[desk.order]].tolist()
        bus.put_first(ranked)
        return self._found(len(ranked), bus)

    def _describe(self, arguments: Describe, desk: Desk, bus: CandidateBus) -> ToolResult:
        del desk
        told = []
        for item in self._positions(arguments.item_ids):
            texts = self._catalog.description
            words = safe_text(str(texts[item] or ""), _DESCRIPTION) if texts is not None else ""
            told.append(self.told(item) | ({"description": words} if words else {}))
        return ToolResult({"items": told} | self.state(bus), f"{len(told)} described")

    def _liked_by_friends(self, arguments: Friends, desk: Desk, bus: CandidateBus) -> ToolResult:
        friends = (self._friends or {}).get(desk.user_id, ())
        counts = np.zeros(len(self._catalog), np.int64)
        for friend in friends:
            counts[self._liked(friend)] += 1
        order = desk.order[np.argsort(-counts[desk.order], kind="stable")]
        best = order[(counts[order] > 0) & desk.allowed[order]][: arguments.count]
        bus.add(best)
        bus.put_first(best.tolist())
        found = self._found(len(best), bus)
        return ToolResult({"friends": len(friends)} | dict(found.content), found.summary)

    def _positions(self, item_ids: list[int]) -> list[int]:
        index = self.positions(item_ids)
        unknown = [given for given, place in zip(item_ids, index, strict=True) if place < 0]
        if unknown:
            raise ToolError(f"got item id {unknown[0]}, expected ids that a tool told; look for some first", cause="item")
        return list(dict.fromkeys(index))

    def _found(self, count: int, bus: CandidateBus) -> ToolResult:
        content = {"found": count} | self.state(bus)
        ids = " ".join(str(self._catalog.item_id[item]) for item in bus.items[:SHOWN])
        return ToolResult(content, f"{count} found, {len(bus)} candidates: {ids}".rstrip(": "))

    def state(self, bus: CandidateBus) -> dict[str, Any]:
        """Return how many candidates there are, and the first few."""
        return {"candidates": len(bus), "first_candidates": [self.told(item) for item in bus.items[:SHOWN]]}

    def _liked(self, user_id: int) -> list[int]:
        """Return what a user liked in the training part: four stars and more."""
        if user_id not in self._likes:
            rows = np.flatnonzero((self._ratings.user_id == user_id) & (self._ratings.rating >= _LIKED))
            index = self._catalog.index_of(self._ratings.item_id[rows])
            self._likes[user_id] = np.unique(index[index >= 0]).tolist()
        return self._likes[user_id]

    def _alike(self, item: int) -> IntArray:
        """Return int64 [n]: positions by likeness: cosine over who took both, then cosine of features, then position."""
        taken, size = self._taken
        together = np.asarray((taken[[item]] @ taken.T).todense(), np.float64)[0]
        cosine = together / np.sqrt(np.maximum(size * size[item], 1))
        features = self._features @ self._features[item]
        return np.lexsort([np.arange(len(cosine)), -features, -cosine])

    @cached_property
    def _taken(self) -> tuple[sp.csr_array, IntArray]:
        """Who took each item, sparse [n, u], and how many did."""
        item = self._catalog.index_of(self._ratings.item_id)
        known = item >= 0
        shape = (len(self._catalog), len(self._ratings.users))
        taken = sp.csr_array((np.ones(int(known.sum())), (item[known], self._ratings.user_index[known])), shape=shape)
        taken.sum_duplicates()
        taken.data[:] = 1
        return taken, np.diff(taken.indptr).astype(np.int64)

    @cached_property
    def _features(self) -> DoubleArray:
        """Features of unit length, on a grid so coarse that sums are exact whatever their order."""
        values = self._catalog.features.astype(np.float64)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        unit = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
        grid: DoubleArray = np.rint(unit * 2**20) / 2**20
        return grid
