"""What agents did with tools in a run, read from its log alone: calls, errors by cause, and where pages came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.statistics import Estimate, ratio_estimate, share_estimate

__all__ = ["ArmTools", "measure_tools"]

_COLUMNS = ("user_id", "step", "tool", "error", "tokens", "chosen", "invalid", "from_candidates", "from_base")
_PAGE = "page"
_COUNT = 0.0, np.inf


@dataclass(frozen=True, kw_only=True)
class ArmTools:
    """What one agent did; intervals by user."""

    arm: str
    """Its name."""
    users: int
    """Users whose pages it filled."""
    pages: int
    """Pages."""
    calls: Mapping[str, int]
    """Calls of each tool, those with an error among them."""
    errors: Mapping[str, int]
    """Wrong calls by cause of ``ToolError``."""
    unanswered: Mapping[str, int]
    """Pages without an answer, by reason: ``calls``, ``tokens``, ``context`` (the chat is too long for it) or ``no_answer``."""
    model_calls_per_page: Estimate
    """Calls of the model."""
    tool_calls_per_page: Estimate
    """Calls of tools, those with an error among them."""
    error_share: Estimate
    """Share of them that are wrong."""
    tokens_per_page: Estimate
    """Tokens read and written, estimated."""
    filled_share: Estimate
    """Share of pages with a position that the base recommender filled."""
    chosen_share: Estimate
    """Share of positions that the agent chose."""
    candidate_share: Estimate
    """Share of positions that were filled from its candidates."""
    base_share: Estimate
    """Share of positions that the base recommender filled."""
    invalid_per_page: Estimate
    """Ids of its answers that were no candidates, or given twice."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_tools(log: RunReader) -> tuple[ArmTools, ...] | None:
    """Measure what each agent of a run did.

    Args:
        log: of the run.

    Returns:
        One an arm that is an agent and was served; None where none is.

    Raises:
        LogError: the log cannot be read.
    """
    arms = [arm for arm in log.begun_arms if any("tool_calls" in one.files and one.arm in (arm, None) for one in log.segments)]
    columns = {arm: log.columns("tool_calls", _COLUMNS, arm=arm) for arm in arms}
    return tuple(_measure(arm, table) for arm, table in columns.items() if len(table["user_id"])) or None


def _measure(arm: str, table: Columns) -> ArmTools:
    users, user = np.unique(table["user_id"], return_inverse=True)
    whole = table["tool"] == _PAGE

    def by_user(values: Any, rows: BoolArray = whole) -> DoubleArray:
        weights = np.asarray(values, np.float64)[rows]
        return np.bincount(user[rows], weights=weights, minlength=len(users)).astype(np.float64)

    ones = np.ones(len(user))
    pages, calls = by_user(ones), by_user(ones, ~whole)
    wrong = ~whole & (table["error"] != None)  # noqa: E711 (an array of words, None where there is none)
    slots = by_user(table["chosen"] + table["from_candidates"] + table["from_base"])
    return ArmTools(
        arm=arm,
        users=len(users),
        pages=int(pages.sum()),
        calls=_counts(table["tool"][~whole]),
        errors=_counts(table["error"][wrong]),
        unanswered=_counts(table["error"][whole]),
        model_calls_per_page=ratio_estimate(by_user(table["step"]), pages, bounds=_COUNT),
        tool_calls_per_page=ratio_estimate(calls, pages, bounds=_COUNT),
        error_share=share_estimate(by_user(ones, wrong), calls),
        tokens_per_page=ratio_estimate(by_user(table["tokens"], ~whole), pages, bounds=_COUNT),
        filled_share=share_estimate(by_user(table["from_base"] > 0), pages),
        chosen_share=share_estimate(by_user(table["chosen"]), slots),
        candidate_share=share_estimate(by_user(table["from_candidates"]), slots),
        base_share=share_estimate(by_user(table["from_base"]), slots),
        invalid_per_page=ratio_estimate(by_user(table["invalid"]), pages, bounds=_COUNT),
    )


def _counts(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(word for word in words.tolist() if word is not None).items()))
