"""The tools over one catalog for one visitor, outside of a run: what the command line and the MCP server call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, ToolError
from recsim_llm.recommenders.base import Recommender, check_slates
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.hooks import AsksModel, TakesTruth
from recsim_llm.recommenders.interactions import Interactions
from recsim_llm.tools.bus import CandidateBus
from recsim_llm.tools.catalog_tools import CatalogTools, Desk
from recsim_llm.tools.tool_arguments import Tool, find_tool, read_arguments

__all__ = ["NOBODY", "ToolService"]

NOBODY = 2**62
"""Id of a visitor of whom nothing is known."""
_SEED = 0


class ToolService:
    """Calls tools one after the other on one list of candidates.

    Args:
        dataset: items and ratings; all ratings count as known.
        base: name of the recommender that ranks.
        user_id: whom it ranks for; ``NOBODY`` for somebody of whom nothing is known.
        friends: outside ids of each user's friends; None: there is no tool ``friends``.

    Raises:
        ConfigError: the recommender is unknown, or asks a language model, or knows the truth.
    """

    def __init__(
        self,
        dataset: Dataset,
        base: str = "popularity",
        *,
        user_id: int = NOBODY,
        friends: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        recommender = open_recommender(base)
        if isinstance(recommender, TakesTruth | AsksModel):
            raise ConfigError(f"tools, base: got {base!r}, expected one that needs no truth and no language model; take mf")
        recommender.fit(dataset.catalog, dataset.ratings, _SEED)
        self._tools = CatalogTools(dataset.catalog, dataset.ratings, friends)
        self._desk = _desk(dataset, recommender, base, user_id)
        self._bus = CandidateBus(self._desk.allowed)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that there are."""
        return self._tools.tools

    def call(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the result of a call as one line of JSON, and whether it is an error, which is a result like any other."""
        try:
            tool = find_tool(name, self.tools)
            return self._tools.call(read_arguments(tool, arguments), self._desk, self._bus).text, False
        except ToolError as error:
            return json.dumps(
                {"error": str(error), "cause": error.cause} | self._tools.state(self._bus), ensure_ascii=False
            ), True


def _desk(dataset: Dataset, recommender: Recommender, base: str, user_id: int) -> Desk:
    none = np.zeros((1, 0))
    zero = np.zeros(1, np.int64)
    requests = Requests(
        np.array([user_id], np.int64), zero, zero, none.astype(np.int64), none.astype(np.bool_), none.astype(np.float32)
    )
    catalog = dataset.catalog
    count = int(np.count_nonzero(catalog.on_sale))
    slates = recommender.recommend(requests, count)
    order = check_slates(slates, catalog, 1, count, name=f"tools, base {base}", blank_invalid=False)[0]
    seen = Interactions(catalog, dataset.ratings).seen(requests)[0]
    return Desk(user_id, order[np.argsort(seen[order], kind="stable")], catalog.on_sale & ~seen)
