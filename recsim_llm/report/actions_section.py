"""What users did beyond clicks: how often, the funnel, and obedience, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from recsim_llm.metrics.series_definitions import USER_EVENTS
from recsim_llm.report import drawing, numbers
from recsim_llm.report.page_layout import whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["actions_section"]

Content = Mapping[str, Any]
Arms = Sequence[Content]

_DONE = {event: said for event, said in USER_EVENTS.items() if event not in ("friend_click", "chat")}
_PAGES = {"search": "Pages that were searches", "back": "Pages looked at again"}
_HOW = {"recommended": "on a recommended page", "search": "on a searched page", "back": "on a page looked at again"}
_STEPS = {
    "click_rate": "Clicks, of what was shown",
    "save_rate": "Saves, of what was clicked",
    "purchase_rate": "Purchases, of what was clicked",
    "saved_purchase_rate": "Purchases, of what was saved",
}
_HEEDED = {
    "before": "Similar items among those shown up to the request",
    "visit": "Similar items on the pages that followed in the visit",
    "later": "Similar items in later visits",
    "passed_before": "Items like those passed over, up to the page",
    "passed_after": "Items like those passed over, after the page",
}
_NOTE = "In brackets: 95% interval by user."
_OBEDIENCE = (
    "Obedience is 1 where nothing similar to an item of which a user wanted less was recommended again, and 0 where it came on "
    "as what was merely passed over on the same pages did."
)


def actions_section(arms: Arms | None) -> str:
    """Return the section as HTML; empty where users can do nothing beyond clicks.

    Args:
        arms: as ``ArmActions.to_json`` tells them; None where there are none.
    """
    if not arms:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    groups = [("", _done(arms)), ("Funnel", _funnel(arms)), ("Less like this", _heeded(arms))]
    note = _NOTE + (f" {_OBEDIENCE}" if groups[2][1] else "")
    table = whole_table(heads, [group for group in groups if group[1]])
    return "\n".join(["<h2>Beyond clicks</h2>", table, f'<p class="aside">{escape(note)}</p>'])


Rows = list[tuple[str, list[Cell]]]


def _done(arms: Arms) -> Rows:
    rows: Rows = [
        (label, [Cell(numbers.count(arm["counts"][name])) for arm in arms])
        for name, label in _DONE.items()
        if name in arms[0]["counts"]
    ]
    rows += [_row(label, arms, ("page_share", name), share=True) for name, label in _PAGES.items()]
    rows += [_row(f"Clicks {where}", arms, ("clicks_per_page", how)) for how, where in _HOW.items()]
    return [row for row in rows if row[1]]


def _funnel(arms: Arms) -> Rows:
    if arms[0]["funnel"] is None:
        return []
    rows = [_row(label, arms, ("funnel", key), share=True) for key, label in _STEPS.items()]
    return [*rows, _row("Purchases of a user", arms, ("funnel", "purchases_per_user"))]


def _heeded(arms: Arms) -> Rows:
    if arms[0]["obedience"] is None:
        return []
    rows = [_row(label, arms, ("obedience", key), share=True) for key, label in _HEEDED.items()]
    return [_row("Obedience", arms, ("obedience", "obedience")), *rows]


def _row(label: str, arms: Arms, place: tuple[str, str], *, share: bool = False) -> tuple[str, list[Cell]]:
    """Return a row of the estimates at a place of each arm's content; without cells where there are none."""
    group, key = place
    if key not in arms[0][group]:
        return label, []
    estimates = [numbers.read_estimate(arm[group][key]) for arm in arms]
    digits = numbers.common_decimals(estimates, share=share)
    return label, [
        Cell(numbers.plain(one.value, digits, share=share), numbers.interval_below(one, digits, share=share))
        for one in estimates
    ]
