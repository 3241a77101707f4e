"""What the report of a run says of how its users were calibrated, and the same as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from recsim_llm.report import drawing, numbers
from recsim_llm.report.calibration_rows import HEADS, Content, calibration_basis, calibration_rows, taste_rows
from recsim_llm.report.drawing import INK, MUTED
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import figure, whole_table

__all__ = ["calibration_section", "calibration_table", "draw_calibration", "taste_table"]

_STARS, _RELIABILITY = "calibration_stars", "calibration_reliability"
_SIDES = ("real", "before", "after")
_STARS_CAPTION = (
    "Mean distribution of the stars over the users kept apart: what they gave later (real), and what users would give to what "
    "they rated later, before and after. Levels that users do not have get their share as in the data."
)
_RELIABILITY_CAPTION = (
    "Items that users kept apart took later, among others as popular: of those given about this chance, how many were taken. "
    "On the diagonal chances are right; a flat line says that they do not tell items apart."
)


def calibration_table(record: Content) -> Table:
    """Lay out what a calibration changes, for a terminal."""
    table = Table(caption=Text(calibration_basis(record)), box=SIMPLE_HEAD, padding=0)
    table.caption_justify = "left"
    for head in ("", *HEADS):
        table.add_column(head, justify="right" if head else "left")
    for label, cells in calibration_rows(record):
        table.add_row(Text(label), *(Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in cells))
    return table


def taste_table(taste: Content) -> Table:
    """Lay out how much taste the users have, beside others, for a terminal; its caption says what that means."""
    table = Table(caption=Text(taste["sentence"]), box=SIMPLE_HEAD, padding=0)
    table.caption_justify = "left"
    for head in ("", "AUC"):
        table.add_column(head, justify="right" if head else "left")
    for label, cell in taste_rows(taste):
        table.add_row(Text(label), Text(f"{cell.value} {cell.interval}".rstrip()))
    return table


def calibration_section(record: Content | None, drawings: Mapping[str, str]) -> str:
    """Return the section of the page; empty where the users have no fitted calibration.

    Args:
        record: of their calibration, with what was measured.
        drawings: as ``draw_calibration`` returns them.
    """
    if record is None:
        return ""
    figures = [
        figure(name, title, drawings[name], caption)
        for name, title, caption in (
            (_STARS, _stars_title(record), _STARS_CAPTION),
            (_RELIABILITY, "Chance of being taken, said and real", _RELIABILITY_CAPTION),
        )
        if name in drawings
    ]
    return "\n".join(
        [
            "<h2>How the users were calibrated</h2>",
            whole_table(HEADS, [("", list(calibration_rows(record)))]),
            f'<p class="aside">{escape(calibration_basis(record))}</p>',
            '<div class="figures">\n{}\n</div>'.format("\n".join(figures)),
            _taste(record.get("taste")),
        ]
    )


def _taste(taste: Content | None) -> str:
    if taste is None:
        return ""
    said = f"<p>{escape(taste['sentence'][:1].upper() + taste['sentence'][1:])}.</p>"
    rows = [(label, [cell]) for label, cell in taste_rows(taste)]
    return f"<h3>How much taste they have</h3>\n{said}" + (f"\n{whole_table(['AUC'], [('', rows)])}" if rows else "")


def draw_calibration(record: Content | None, folder: Path) -> dict[str, str]:
    """Write the figures and their data, and return them for the page; none where there is no record."""
    if record is None:
        return {}
    drawings = {}
    with drawing.style():
        drawings[_RELIABILITY] = write_figure(_draw_reliability(record), folder, _RELIABILITY, "Chance of being taken")
        if "stars" in record:
            drawings[_STARS] = write_figure(_draw_stars(record["stars"]), folder, _STARS, _stars_title(record))
    curves = record["reliability"]
    rows = [(side, *(point[name] for name in ("chance", "taken", "decisions"))) for side in curves for point in curves[side]]
    write_figure_data(folder, _RELIABILITY, ("side", "chance", "taken", "decisions"), rows)
    if "stars" in record:
        stars = record["stars"]
        shares = [(side, *pair) for side in _SIDES for pair in zip(stars["levels"], stars[side], strict=True)]
        write_figure_data(folder, _STARS, ("side", "stars", "share"), shares)
    return drawings


def _stars_title(record: Content) -> str:
    sides = record["measured"].get("star_mean")
    if sides is None:
        return "Stars"
    found = {side: numbers.plain(sides[side]["value"], 2) for side in ("target", "before", "after")}
    return f"Mean stars {found['before']} before, {found['after']} after, {found['target']} real"


def _draw_stars(stars: Content) -> Figure:
    made = drawing.new_figure(left=0.1)
    axes: Any = made.axes[0]
    levels = np.array(stars["levels"])
    width = float(np.diff(levels).min()) * 0.27
    for place, side in enumerate(_SIDES):
        axes.bar(levels + (place - 1) * width, stars[side], width, color=_colour(side), label=side)
    axes.set_xticks(levels, [f"{level:g}" for level in levels])
    axes.set_xlabel("stars")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    drawing.tidy(axes)
    return made


def _draw_reliability(record: Content) -> Figure:
    made = drawing.new_figure(left=0.13)
    axes: Any = made.axes[0]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    for side, points in record["reliability"].items():
        said, real = ([point[name] for point in points] for name in ("chance", "taken"))
        axes.plot(said, real, color=_colour(side), marker="o" if side == "after" else "s", markersize=5, label=side)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="chance said", ylabel="share taken")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    drawing.tidy(axes)
    return made


def _colour(side: str) -> str:
    return {"real": INK, "before": drawing.colour(1), "after": drawing.colour(0)}[side]
