"""Off-policy estimates for readers: tables for the terminal, a section of the report, and its two figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.ope_rows import (
    ESTIMATE_HEADS,
    OVERLAP_HEADS,
    Content,
    curve_words,
    estimate_of,
    estimate_rows,
    overlap_rows,
    position_rows,
    refusals,
    value_words,
)
from recsim_llm.report.page_layout import figure, fold, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["draw_ope", "ope_section", "ope_table"]

_POSITION_HEADS = ("Learned", "Truth", "Interval")
_LEGEND = (
    "Clicks a page on the pages of the log, each page for itself; in brackets 95% intervals by user. Against the log: the same "
    "less what the log's own recommender earned, paired by user. Off the truth: estimate less what the target earned when it "
    "was run in the same world; held: the interval takes in 0. Effective pages: what the weights leave of the log (Kish). The "
    "mean weight should be 1."
)
_ESTIMATES, _CURVE = "off_policy_estimates", "position_curve"
_ESTIMATES_CAPTION = (
    "Estimates of each estimator with 95% intervals by user. Dotted: what the log's own recommender earned; dashed: what the "
    "target earned when it was run, which no estimator knows."
)
_CURVE_CAPTION = (
    "Chance of being looked at over that of the first position, learned from clicks by the position-based model; bars are 95% "
    "intervals (jackknife over groups of users). Dashed: the simulator's own, which the clicks do not show."
)
_ROW = 0.23

Rows = Iterable[tuple[str, list[Cell]]]


def ope_table(content: Content) -> RenderableType:
    """Lay out an estimate for a terminal."""
    parts: list[RenderableType] = []
    if content["target"] is not None:
        parts += [Text(value_words(content)), Text("")]
        parts += [_table(ESTIMATE_HEADS, estimate_rows(content)), _table(OVERLAP_HEADS, overlap_rows(content))]
        parts += [Text(line) for line in refusals(content)]
        parts += [Text(_LEGEND), Text("")]
    parts.append(Text(curve_words(content)))
    rows = list(position_rows(content))
    return Group(*parts, _table(_POSITION_HEADS, rows)) if rows else Group(*parts)


def draw_ope(content: Content | None, folder: Path) -> dict[str, str]:
    """Write the figures and their data into a folder, and return them for the page by name.

    Args:
        content: as ``read_ope`` returns it.
        folder: of the figures.
    """
    drawings: dict[str, str] = {}
    if content is None:
        return drawings
    with drawing.style():
        if content["target"] is not None:
            drawings[_ESTIMATES] = write_figure(_draw_estimates(content), folder, _ESTIMATES, _estimates_title(content))
        if content["position_curve"]["learned"]:
            drawings[_CURVE] = write_figure(_draw_curve(content), folder, _CURVE, _curve_title(content))
    if _ESTIMATES in drawings:
        columns = ("estimator", "value", "low", "high", "effective_pages")
        told = [row for row in content["estimators"] if row["value"] is not None]
        write_figure_data(folder, _ESTIMATES, columns, ([row[name] for name in columns] for row in told))
    if _CURVE in drawings:
        write_figure_data(folder, _CURVE, ("position", "learned", "low", "high", "truth"), _curve_rows(content))
    return drawings


def ope_section(content: Content | None, drawings: Mapping[str, str]) -> str:
    """Return the section of the report; empty where nothing was estimated.

    Args:
        content: as ``read_ope`` returns it.
        drawings: as ``draw_ope`` returns them.
    """
    return "" if content is None else "\n".join(_parts(content, drawings))


def _parts(content: Content, drawings: Mapping[str, str]) -> Iterator[str]:
    yield "<h2>Off-policy estimates</h2>"
    if content["target"] is not None:
        meant = "the first page of each user" if content["pages_meant"] == "first" else "all pages"
        yield f'<p class="verdict minor">{escape(value_words(content))}</p>'
        pages, users = numbers.counted(content["pages"], "page"), numbers.counted(content["users"], "user")
        yield f'<p class="aside">From {meant}: {pages} of {users}.</p>'
    figures = [(_ESTIMATES, _estimates_title, _ESTIMATES_CAPTION), (_CURVE, _curve_title, _CURVE_CAPTION)]
    shown = [figure(name, title(content), drawings[name], caption) for name, title, caption in figures if name in drawings]
    if shown:
        yield '<div class="figures uneven">\n' + "\n".join(shown) + "\n</div>"
    yield f"<p>{escape(curve_words(content))}</p>"
    if content["target"] is not None:
        yield fold("All estimates", whole_table(ESTIMATE_HEADS, [("", list(estimate_rows(content)))]))
        yield fold("What of the target the log holds", whole_table(OVERLAP_HEADS, [("", list(overlap_rows(content)))]))
        notes = "".join(f"<li>{escape(line)}</li>" for line in refusals(content))
        yield f'<ul class="notes">{notes}</ul>' if notes else ""
        yield f'<p class="aside">{escape(_LEGEND)}</p>'
    rows = list(position_rows(content))
    if rows:
        yield fold("The position curve in numbers", whole_table(_POSITION_HEADS, [("", rows)]))


def _table(heads: Sequence[str], rows: Rows) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    for label, cells in rows:
        table.add_row(Text(label), *(Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in cells))
    return table


def _estimates_title(content: Content) -> str:
    return f"{content['target']} estimated from the log of {content['logging']}: clicks a page"


def _curve_title(content: Content) -> str:
    return f"How often positions are looked at, learned from the log of {content['logging']}"


def _draw_estimates(content: Content) -> Figure:
    rows = [row for row in content["estimators"] if row["value"] is not None]
    height = 0.8 + _ROW * len(rows)
    page = drawing.new_figure(height=height, left=0.47, above=0.1)
    axes = page.axes[0]
    axes.axvline(content["logged"]["value"], color=drawing.MUTED, linewidth=1.2, linestyle=(0, (1, 2)))
    if content["truth"] is not None:
        axes.axvline(content["truth"]["value"], color=drawing.INK, linewidth=1.2, linestyle=(0, (5, 3)))
    for place, row in enumerate(reversed(rows)):
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=drawing.colour(0), linewidth=2.0, solid_capstyle="butt")
        axes.plot(row["value"], place, marker="o", color=drawing.colour(0), markersize=6, markeredgecolor=drawing.PAPER)
    names = [row["estimator"].replace("self-normalised", "s.-n.") for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), [drawing.shorten(name, 30) for name in names], fontsize=9)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("clicks a page")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    drawing.tidy(axes, grid="x")
    return page


def _draw_curve(content: Content) -> Figure:
    curve = content["position_curve"]
    learned = [estimate_of(row) for row in curve["learned"]]
    page = drawing.new_figure(height=3.1)
    axes = page.axes[0]
    places = range(1, len(learned) + 1)
    for place, one in zip(places, learned, strict=True):
        if one.low is not None and one.high is not None:
            axes.plot([place, place], [one.low, one.high], color=drawing.colour(0), linewidth=2.0, solid_capstyle="butt")
    axes.plot(places, [one.value or 0.0 for one in learned], color=drawing.colour(0), marker="o", markersize=6, linewidth=1.2)
    if curve["truth"] is not None:
        axes.plot(places, curve["truth"], color=drawing.INK, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.set(xlabel="position on the page", xlim=(0.7, len(learned) + 0.3), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(min(len(learned), 10), integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.annotate("looked at, of the first position", (0.02, 0.985), xycoords="figure fraction", color=drawing.MUTED, va="top")
    drawing.tidy(axes)
    return page


def _curve_rows(content: Content) -> Iterator[tuple[float | int | None, ...]]:
    curve = content["position_curve"]
    for place, row in enumerate(curve["learned"]):
        truth = None if curve["truth"] is None else curve["truth"][place]
        yield place + 1, row["value"], row["low"], row["high"], truth
