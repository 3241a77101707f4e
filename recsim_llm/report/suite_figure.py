"""The figure of the suite's profile: what each recommender has more than the one it is held against, one panel a measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.report import drawing

__all__ = ["FIGURE", "FIGURE_CAPTION", "draw_profiles"]

FIGURE = "suite_profiles"
"""Name of the figure's file."""
FIGURE_CAPTION = (
    "One panel a measure, each with a scale of its own; bars are 95% intervals over seeds, each by itself. A point on the line "
    "is as the one it is held against."
)

Content = Mapping[str, Any]


def draw_profiles(rows: Sequence[Content]) -> Figure:
    """Draw the differences of every row, one panel a measure; to be called within ``drawing.apart`` and ``drawing.style``."""
    measures = rows[0]["measures"]
    panel, gap = 0.12 + 0.2 * len(rows), 0.62
    height = len(measures) * (panel + gap) + 0.1
    figure = Figure(figsize=(drawing.WIDTH, height), facecolor="none")
    longest = max(len(drawing.shorten(row["recommender"]["name"])) for row in rows)
    grid = {"left": min(0.05 + 0.021 * longest, 0.4), "right": 0.95, "bottom": 0.32 / height, "top": 1.0 - 0.32 / height}
    panels = figure.subplots(len(measures), 1, squeeze=False, gridspec_kw={**grid, "hspace": gap / panel})
    for place, axes in enumerate(panels[:, 0]):
        _draw_panel(axes, rows, place)
    return figure


def _draw_panel(axes: Axes, rows: Sequence[Content], place: int) -> None:
    measure = rows[0]["measures"][place]
    scale = 100.0 if measure["unit"] == "share" else 1.0
    axes.axvline(0.0, color=drawing.MUTED, linewidth=1.0)
    for height, row in enumerate(reversed(rows)):
        one, mark = row["measures"][place], drawing.place_of(row["recommender"]["recommender"])
        colour = drawing.colour(mark)
        if one["low"] is not None:
            axes.plot(
                [one["low"] * scale, one["high"] * scale], [height, height], color=colour, linewidth=2.0, solid_capstyle="butt"
            )
        if one["difference"] is not None:
            edge: dict[str, Any] = {"markeredgecolor": drawing.PAPER, "markersize": 6.0}
            axes.plot(one["difference"] * scale, height, marker=drawing.marker(mark), color=colour, **edge)
    names = [row["recommender"] for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), [drawing.shorten(arm["name"]) for arm in names])
    for text, arm in zip(axes.get_yticklabels(), names, strict=True):
        text.set_color(drawing.colour(drawing.place_of(arm["recommender"])))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    unit = ", percentage points" if measure["unit"] == "share" else ""
    # From the left edge of the figure, since some are long.
    place_of_title: dict[str, Any] = {"xycoords": ("figure fraction", "axes fraction"), "textcoords": "offset points"}
    axes.annotate(f"{measure['label']}{unit}", (0.0, 1.0), (4, 4), fontsize=10, color=drawing.INK, **place_of_title)
    drawing.tidy(axes, grid="x")
