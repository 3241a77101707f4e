"""The figure of a sweep: tastes told apart by length of history, a line for each size of page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.report import drawing, numbers

__all__ = ["SWEEP_COLUMNS", "draw_sweep", "sweep_cells", "sweep_rows"]

Content = Mapping[str, Any]

SWEEP_COLUMNS = ("page_size", "history", "told", "tokens", "value", "low", "high", "users")
"""Columns of the figure's data."""

_APART = 0.09  # between lines, in steps of history, so that intervals do not hide each other


def sweep_cells(content: Content) -> list[dict[str, Any]]:
    """Return the cells of an audit that swept something and could assess it; none of another audit."""
    cells = content["finding"].get("cells", ()) if content["audit"] == "sweep" else ()
    return [dict(cell) for cell in cells if cell["auc"]["value"] is not None]


def sweep_rows(content: Content) -> list[list[Any]]:
    """Return the figure's data, in the order of ``SWEEP_COLUMNS``."""
    return [[{**cell, **cell["auc"]}[name] for name in SWEEP_COLUMNS] for cell in sweep_cells(content)]


def draw_sweep(content: Content) -> Figure:
    """Draw the area under the curve over the length of history, with intervals by user; guessing is a dotted line."""
    cells = sweep_cells(content)
    lengths, sizes = (sorted({cell[name] for cell in cells}) for name in ("history", "page_size"))
    figure = drawing.new_figure(height=3.4)
    axes, labels = figure.axes[0], []
    axes.axhline(0.5, color=drawing.MUTED, linewidth=1.0, linestyle=(0, (2, 3)))
    for number, size in enumerate(sizes):
        own = sorted((cell for cell in cells if cell["page_size"] == size), key=lambda cell: int(cell["history"]))
        shift, colour = _APART * (number - (len(sizes) - 1) / 2), drawing.colour(number)
        x, y = [lengths.index(cell["history"]) + shift for cell in own], [cell["auc"]["value"] for cell in own]
        axes.plot(x, y, color=colour, marker=drawing.marker(number), markersize=5, linewidth=1.8)
        for place, cell in zip(x, own, strict=True):
            one = numbers.read_estimate(cell["auc"])
            if one.low is not None and one.high is not None:
                axes.plot([place, place], [one.low, one.high], color=colour, linewidth=1.4, alpha=0.7)
        labels.append(drawing.Label(x[-1], y[-1], f"{size} items", colour))
    axes.set_xticks(range(len(lengths)), [str(length) for length in lengths])
    axes.set(xlabel="ratings of the history told, at most", xlim=(-0.4, len(lengths) - 0.15))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.annotate(
        "tastes told apart, area under the curve", (0.02, 0.985), xycoords="figure fraction", color=drawing.MUTED, va="top"
    )
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return figure
