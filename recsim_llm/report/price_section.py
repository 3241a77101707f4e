"""What was shown and taken costs, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from recsim_llm.report import drawing, numbers
from recsim_llm.report.page_layout import whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["price_section"]

_ROWS = {"shown": "Mean price of what was shown", "clicked": "Mean price of what was clicked"}
_NOTE = "Prices as the data have them, before any price intervention. In brackets: 95% interval by user."


def price_section(arms: Sequence[Mapping[str, Any]] | None) -> str:
    """Return the section as HTML; empty where items have no prices.

    Args:
        arms: as ``ArmPrices.to_json`` tells them; None where there are none.
    """
    if not arms:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    rows = [(label, [_cell(arm[key]) for arm in arms]) for key, label in _ROWS.items()]
    return "\n".join(["<h2>Prices</h2>", whole_table(heads, [("", rows)]), f'<p class="aside">{_NOTE}</p>'])


def _cell(content: Mapping[str, Any]) -> Cell:
    estimate = numbers.read_estimate(content)
    digits = numbers.decimals(estimate)
    return Cell(numbers.plain(estimate.value, digits), numbers.interval_below(estimate, digits))
