"""The forest plot of a comparison: differences from the first arm, one panel a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.report import drawing
from recsim_llm.report.comparison_rows import Content, against_first, recommender_of

__all__ = ["FIGURE", "FIGURE_CAPTION", "FIGURE_COLUMNS", "can_draw", "draw_forest", "forest_rows", "forest_title"]

FIGURE = "paired_differences"
"""Name of the figure's files."""
FIGURE_COLUMNS = ("metric", "arm", "against", "value", "low", "high", "users", "confidence", "verdict")
"""Header of the figure's CSV."""
FIGURE_CAPTION = (
    "Differences from the first recommender on the same users, one panel a metric with a scale of its own; the bars are "
    "intervals of the verdicts in the table. A bar that touches the line leaves the size open, and unless the table says "
    "otherwise the sign too."
)


def can_draw(content: Content) -> bool:
    """Tell whether any difference from the first recommender has a value."""
    return bool(_drawn_metrics(content))


def draw_forest(content: Content) -> Figure:
    """Draw the differences from the first recommender, one panel a metric that has any."""
    metrics = _drawn_metrics(content)
    rows = len(content["arms"]) - 1
    height = 0.45 + len(metrics) * (0.55 + 0.25 * rows)
    longest = max(len(drawing.shorten(name)) for name in content["arms"][1:])
    figure = Figure(figsize=(drawing.WIDTH, height), facecolor="none")
    grid = {"left": min(0.06 + 0.021 * longest, 0.4), "right": 0.95, "bottom": 0.3 / height, "top": 1.0 - 0.3 / height}
    panels = figure.subplots(len(metrics), 1, squeeze=False, gridspec_kw={**grid, "hspace": 0.62 / (0.25 * rows + 0.3)})
    for axes, metric in zip(panels[:, 0], metrics, strict=True):
        _draw_panel(axes, content, metric)
    return figure


def forest_title(content: Content) -> str:
    """Title of the forest plot: what is decided."""
    told = against_first(content, content["metrics"][0]["key"])
    decided = [row["arm"] for row in told if row["verdict"] not in ("undecided", "identical")]
    label, first = content["metrics"][0]["label"], content["arms"][0]
    if not decided:
        return f"{label}: nothing is decided against {first}"
    return f"{label}: {', '.join(decided)} decided against {first}"


def forest_rows(content: Content) -> Iterator[tuple[str | int | float | None, ...]]:
    """Yield the rows of the figure's CSV: every pair on every metric."""
    for row in content["comparisons"]:
        effect = row["effect"]
        numbers_of_row = (effect[name] for name in ("value", "low", "high", "users", "confidence"))
        yield (row["metric"], row["arm"], row["against"], *numbers_of_row, row["verdict"])


def _drawn_metrics(content: Content) -> list[Mapping[str, Any]]:
    return [
        metric
        for metric in content["metrics"]
        if any(row["effect"]["value"] is not None for row in against_first(content, metric["key"]))
    ]


def _draw_panel(axes: Axes, content: Content, metric: Mapping[str, Any]) -> None:
    scale = 100.0 if metric["unit"] == "share" else 1.0
    shown = list(against_first(content, metric["key"]))
    axes.axvline(0.0, color=drawing.MUTED, linewidth=1.0)
    for place, row in enumerate(reversed(shown)):
        effect, mark = row["effect"], drawing.place_of(recommender_of(content, row["arm"]))
        if effect["value"] is None:
            continue
        colour = drawing.colour(mark)
        if effect["low"] is not None:
            ends = [effect["low"] * scale, effect["high"] * scale]
            axes.plot(ends, [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(
            effect["value"] * scale,
            place,
            marker=drawing.marker(mark),
            color=colour,
            markersize=6.5,
            markeredgecolor=drawing.PAPER,
        )
    names = [row["arm"] for row in reversed(shown)]
    axes.set_yticks(range(len(shown)), [drawing.shorten(name) for name in names])
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_color(drawing.colour(drawing.place_of(recommender_of(content, name))))
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    unit = ", percentage points" if metric["unit"] == "share" else f", {metric['unit']}"
    unit = "" if unit[2:] in metric["label"].lower() else unit
    axes.set_title(f"{metric['label']}{unit}", loc="left", fontsize=10, color=drawing.INK, pad=3)
    drawing.tidy(axes, grid="x")
