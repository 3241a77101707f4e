"""A visit page by page: what was shown, with which probabilities, what was drawn from them, and what the user said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from recsim_llm.log.visit_rows import VisitRows
from recsim_llm.report import numbers
from recsim_llm.report.names import Names
from recsim_llm.report.page_layout import whole_table
from recsim_llm.report.spoken import text_with_source
from recsim_llm.report.summary_tables import Cell

__all__ = ["visit_pages"]

Row = Mapping[str, Any]

_ENDS = {"left": "the user left", "max_pages": "the page budget was used up"}
_HEADS = ("Shown", "Look", "Click", "Drawn")


def visit_pages(visit: VisitRows, names: Names, *, most_pages: int, opened: bool, texts: Sequence[Row] = ()) -> str:
    """Return the pages of a visit, each folded to a line that says how it went.

    Args:
        visit: its rows.
        names: of the items.
        most_pages: pages shown; of those after them a line says how many there are.
        opened: whether the first page is open.
        texts: rows of ``texts`` of this visit.
    """
    parts = []
    for number, (page, slots) in enumerate(zip(visit.pages[:most_pages], visit.slots, strict=False)):
        said = "".join(text_with_source(row) for row in texts if row["page"] == page["page"])
        content = whole_table(_heads(slots), [("", list(_slot_rows(slots, names)))]) + said
        state = " open" if opened and number == 0 else ""
        parts.append(f"<details{state}><summary>{escape(_page_line(page, slots))}</summary>\n{content}</details>")
    rest = visit.pages[most_pages:]
    if rest:
        clicks = sum(page["clicks"] for page in rest)
        parts.append(f'<p class="aside">{len(rest)} more pages with {numbers.count(clicks)} clicks.</p>')
    return "\n".join(parts)


def _page_line(page: Row, slots: Sequence[Row]) -> str:
    shown = sum(slot["item_id"] >= 0 for slot in slots)
    parts = [f"Page {page['page'] + 1}: {page['clicks']} of {shown} clicked"]
    if page["satisfaction"] is not None:
        parts.append(f"satisfaction {numbers.plain(page['satisfaction'], 2)}")
    if page["leave_prob"] is not None:
        parts.append(f"chance of leaving {numbers.plain(page['leave_prob'], 1, share=True)}")
    parts.append(_ENDS.get(page["stop_reason"], "the user went on"))
    return " · ".join(parts)


def _heads(slots: Sequence[Row]) -> list[str]:
    return [*map(escape, _HEADS), *(["Stars"] if _rated(slots) else [])]


def _slot_rows(slots: Sequence[Row], names: Names) -> Iterator[tuple[str, list[Cell]]]:
    for slot in slots:
        cells = [_chance(slot[name]) for name in ("propensity", "examine_prob", "click_prob")]
        drawn = "✓ clicked" if slot["clicked"] else "looked" if slot["examined"] else "–"
        stars = [Cell(numbers.NONE if slot["rating"] is None else f"{slot['rating']:g}")] if _rated(slots) else []
        friend = slot.get("friend_id")
        liked = "" if friend is None else f" · a friend, {names.user(friend)}, liked it"
        yield f"{slot['position'] + 1}. {names.item(slot['item_id'])}{liked}{_words(slot)}", [*cells, Cell(drawn), *stars]


def _words(slot: Row) -> str:
    """Return what is written beside an item, and what the user says about it."""
    said = {"shown_title": "as “{}”", "explanation": "“{}”", "text": "the user: “{}”"}
    return "".join(f" · {form.format(slot[name])}" for name, form in said.items() if slot.get(name))


def _rated(slots: Sequence[Row]) -> bool:
    return any(slot["rating"] is not None for slot in slots)


def _chance(value: float | None) -> Cell:
    if value is None:
        return Cell(numbers.NONE)
    digits = 1 if value >= 0.01 or value == 0.0 else 2
    return Cell(numbers.plain(value, 0 if value == 1.0 else digits, share=True))
