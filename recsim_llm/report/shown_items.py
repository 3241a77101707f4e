"""The section on items: what each recommender showed most, and what users clicked most."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsim_llm.comparison import Summary
from recsim_llm.metrics.summary import ArmSummary, ItemRank
from recsim_llm.report import numbers
from recsim_llm.report.names import Names
from recsim_llm.report.page_layout import whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["shown_items_section"]

_HEADS = ("Shown", "Of all shown", "Clicks", "Of all clicks", "Clicked when shown")
_NOTE = (
    "Shares are by user, in brackets {confidence} intervals; clicked when shown is over the users who saw the item. Leaders of "
    "many are picked for being high, so another run would show most of them a little lower. {users}, seed {seed}."
)


def shown_items_section(summary: Summary, names: Names) -> str:
    """Return the section: a folded part for each recommender, the best one's open; empty where nothing was shown."""
    order = sorted((arm for arm in summary.arms if arm.most_shown), key=lambda arm: arm.arm != summary.best)
    if not order:
        return ""
    parts = [_part(arm, names, first=arm is order[0]) for arm in order]
    note = _NOTE.format(
        confidence=f"{summary.confidence:.0%}",
        users=numbers.counted(max(arm.users for arm in order), "user"),
        seed=summary.seed,
    )
    return "\n".join(["<h2>Most shown, most clicked</h2>", *parts, f'<p class="aside">{escape(note)}</p>'])


def _part(arm: ArmSummary, names: Names, *, first: bool) -> str:
    groups = [("Most shown", _rows(arm.most_shown, names)), ("Most clicked", _rows(arm.most_clicked, names))]
    leading = arm.most_shown[0]
    share = numbers.with_interval(leading.exposure_share, share=True)
    said = f"{arm.arm}: “{names.item(leading.item_id)}” takes {share} of what it shows"
    content = whole_table(map(escape, _HEADS), [group for group in groups if group[1]])
    none = "" if arm.most_clicked else '<p class="aside">Nothing that it showed was clicked.</p>'
    return f"<details{' open' if first else ''}><summary>{escape(said)}</summary>\n{content}\n{none}</details>"


def _rows(ranks: Sequence[ItemRank], names: Names) -> list[tuple[str, list[Cell]]]:
    shares = ("exposure_share", "click_share", "click_through")
    digits = {name: numbers.common_decimals([getattr(rank, name) for rank in ranks], share=True) for name in shares}

    def cell(rank: ItemRank, name: str) -> Cell:
        estimate = getattr(rank, name)
        return Cell(
            numbers.plain(estimate.value, digits[name], share=True), numbers.interval(estimate, digits[name], share=True)
        )

    return [
        (
            names.item(rank.item_id),
            [
                Cell(numbers.count(rank.shown)),
                cell(rank, "exposure_share"),
                Cell(numbers.count(rank.clicked)),
                cell(rank, "click_share"),
                cell(rank, "click_through"),
            ],
        )
        for rank in ranks
    ]
