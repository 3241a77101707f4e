"""What agents did with tools, for a report's page: calls, errors by cause, and where their pages came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from recsim_llm.report import drawing, numbers
from recsim_llm.report.page_layout import whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["tools_section"]

Arms = Sequence[Mapping[str, Any]]
Rows = list[tuple[str, list[Cell]]]

_USED = {
    "model_calls_per_page": "Calls of the model on a page",
    "tool_calls_per_page": "Calls of tools on a page",
    "tokens_per_page": "Tokens on a page, estimated",
    "invalid_per_page": "Ids on a page that were no candidates",
}
_SHARES = {
    "filled_share": "Pages that the base recommender filled in part",
    "chosen_share": "Positions chosen by the agent",
    "candidate_share": "Positions filled from its candidates",
    "base_share": "Positions filled by the base recommender",
}
_WRONG = {
    "action": "No action could be read",
    "tool": "No such tool",
    "arguments": "Wrong arguments",
    "filter": "Wrong filter",
    "item": "No such item",
    "friends": "No friends in the run",
    "budget": "More than it might call",
}
_OPEN = {
    "calls": "Calls of the model used up",
    "tokens": "Tokens used up",
    "context": "Chat longer than the model reads",
    "no_answer": "No answer in the last call",
}
_NOTE = "In brackets: 95% interval by user. What an agent did on each page is in the table tool_calls of the run folder."


def tools_section(arms: Arms | None) -> str:
    """Return the section as HTML; empty where no recommender is an agent.

    Args:
        arms: as ``ArmTools.to_json`` tells them; None where there are none.
    """
    if not arms:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    basis: Rows = [
        (label, [Cell(numbers.count(arm[key])) for arm in arms]) for key, label in (("users", "Users"), ("pages", "Pages"))
    ]
    used = [_row(label, arms, key) for key, label in _USED.items()]
    shares = [_row(label, arms, key, share=True) for key, label in _SHARES.items()]
    wrong = [_row("Wrong calls, of all calls of tools", arms, "error_share", share=True), *_counts(arms, "errors", _WRONG)]
    groups = [
        ("", [*basis, *used]),
        ("Where pages came from", shares),
        ("Calls by tool", _counts(arms, "calls", {})),
        ("Wrong calls by cause", wrong),
        ("Pages without an answer", _counts(arms, "unanswered", _OPEN)),
    ]
    table = whole_table(heads, [group for group in groups if group[1]])
    return "\n".join(["<h2>Tools of agents</h2>", table, f'<p class="aside">{escape(_NOTE)}</p>'])


def _counts(arms: Arms, group: str, labels: Mapping[str, str]) -> Rows:
    """Return a row for each name that any arm counts; names without a label stand for themselves."""
    names = sorted({name for arm in arms for name in arm[group]})
    return [(labels.get(name, name), [Cell(numbers.count(arm[group].get(name, 0))) for arm in arms]) for name in names]


def _row(label: str, arms: Arms, key: str, *, share: bool = False) -> tuple[str, list[Cell]]:
    estimates = [numbers.read_estimate(arm[key]) for arm in arms]
    digits = numbers.common_decimals(estimates, share=share)
    cells = [
        Cell(numbers.plain(one.value, digits, share=share), numbers.interval_below(one, digits, share=share))
        for one in estimates
    ]
    return label, cells
