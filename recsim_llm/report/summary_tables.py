"""The results table, once for the terminal; the page makes its own from the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from recsim_llm.comparison import ArmDifference, Summary
from recsim_llm.metrics import RESULTS
from recsim_llm.report import numbers
from recsim_llm.statistics import Estimate

__all__ = ["WITHOUT_PAIRING", "Cell", "comparison_rows", "estimate_cells", "metric_rows", "summary_table", "times_cell"]

WITHOUT_PAIRING = "how many times as many users a test on separate users would need for the same interval"
"""What is meant by users without pairing."""
_ARMS_UNBROKEN = 4
_ARMS_ACROSS = 5


class Cell(NamedTuple):
    """One number of a table."""

    value: str
    """The estimate."""
    interval: str = ""
    """Its interval; empty where there is none."""
    link: str = ""
    """HTML of a link to what is behind it, for a page; empty where there is none."""


def summary_table(summary: Summary) -> Group:
    """Lay out the results for a terminal: one column a recommender, every number with its interval by user.

    Where there are more recommenders than fit side by side, the table goes on below.
    """
    caption = f"[low, high]: {summary.confidence:.0%} intervals by user; {numbers.NONE} undefined; {numbers.NO_INTERVAL}"
    rows = list(metric_rows(summary))
    tables = [
        _lay_out([arm.arm for arm in summary.arms[start : start + _ARMS_ACROSS]], rows, start)
        for start in range(0, len(summary.arms), _ARMS_ACROSS)
    ]
    tables[0].title = Text(f"{summary.scenario}, seed {summary.seed}")
    tables[-1].caption = Text(caption)
    return Group(*tables)


def _lay_out(arms: Sequence[str], rows: Sequence[tuple[str, list[Cell]]], start: int) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.title_justify = table.caption_justify = "left"
    table.add_column("")
    for arm in arms:
        table.add_column(Text(arm), justify="right", no_wrap=len(arms) <= _ARMS_UNBROKEN)
    for label, cells in rows:
        table.add_row(label, *(Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in cells[start : start + len(arms)]))
    return table


def metric_rows(summary: Summary) -> Iterator[tuple[str, list[Cell]]]:
    """Yield label and one cell an arm for every metric, users first."""
    arms = summary.arms
    yield "Users", [Cell(numbers.count(arm.users)) for arm in arms]
    told = [
        metric
        for metric in RESULTS
        if (summary.rated or not metric.of_ratings) and (summary.discount < 1 or not metric.long_run)
    ]
    for metric in told:
        label = f"{metric.label} ({metric.unit})" if metric.unit == "stars" else metric.label
        yield label, estimate_cells([arm.metrics[metric.key] for arm in arms], share=metric.unit == "share")
    yield "Catalog shown", [Cell(numbers.plain(arm.item_coverage, 1, share=True)) for arm in arms]
    yield "Gini of exposure", [Cell(numbers.plain(arm.exposure_gini, 3)) for arm in arms]
    yield "Invalid slots", [Cell(numbers.count(arm.invalid_slots)) for arm in arms]


def comparison_rows(rows: Sequence[ArmDifference]) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a label and the cells: users, clicks a user, times the clicks, reward a user, users without pairing."""
    for row in rows:
        clicks = _cell(row.clicks.mean, sign=True)
        clicks = clicks._replace(interval="same for every user") if row.clicks.identical else clicks
        times, reward = _cell(row.clicks.ratio), _cell(row.reward.mean, sign=True)
        yield (
            f"{row.arm} − {row.against}",
            [Cell(numbers.count(row.users)), clicks, times, reward, times_cell(row.clicks.pairing)],
        )


def times_cell(estimate: Estimate) -> Cell:
    """Lay out how many times as many users separate groups would need: the one form in which pairing's worth is said."""
    cell = _cell(estimate)
    return cell if estimate.value is None else cell._replace(value=f"{cell.value} ×")


def estimate_cells(estimates: Sequence[Estimate], *, share: bool) -> list[Cell]:
    """Lay out numbers that are read side by side, with decimals in common."""
    digits = numbers.common_decimals(estimates, share=share)
    return [
        Cell(numbers.plain(e.value, digits, share=share), numbers.interval_below(e, digits, share=share)) for e in estimates
    ]


def _cell(estimate: Estimate, *, sign: bool = False) -> Cell:
    digits = numbers.decimals(estimate)
    return Cell(numbers.plain(estimate.value, digits, sign=sign), numbers.interval_below(estimate, digits))
