"""What went from friend to friend: traced clicks, cascades, and whether friends consume alike, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import figure, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["contagion_section", "draw_contagion"]

Arms = Sequence[Mapping[str, Any]]

_SIZES, _ALIKE = "cascade_sizes", "friends_alike"
_TICKS = [float(np.log10(step * 10.0**power)) for power in range(7) for step in (1, 2, 5)]
_TITLES = {
    _SIZES: "How many users a cascade reaches",
    _ALIKE: "How alike friends are in what they consume",
}
_CAPTIONS = {
    _SIZES: "Share of cascades that reach so many users or more, the first one included; both axes are logarithmic. A cascade "
    "is a tree of users, each below the friend who told of the item first.",
    _ALIKE: "Newman's assortativity of the genres clicked on a day, over all friendships of which both clicked on that day: 0 "
    "is chance, 1 friends take the same. It is above 0 from the first day where alike users became friends.",
}
_NOTE = (
    "A click can be traced to a friend where one had told of the item before; it may have come about all the same. What word "
    "of mouth causes is told by the same run with social: null. In brackets: 95% interval by user."
)


def draw_contagion(arms: Arms | None, folder: Path) -> dict[str, str]:
    """Write the figures that have data as PNG and CSV, and return them for the page.

    Args:
        arms: as ``ArmContagion.to_json`` tells them; None where users have no friends.
        folder: of figures.
    """
    if arms is None:
        return {}
    drawings = {}
    curves = {
        _SIZES: {arm["arm"]: _beyond(arm["cascade_sizes"]) for arm in arms},
        _ALIKE: {arm["arm"]: _days(arm) for arm in arms},
    }
    for name, of_arms in curves.items():
        if any(len(points) > 1 for points in of_arms.values()):
            with drawing.style():
                drawings[name] = write_figure(_draw(name, of_arms), folder, name, _TITLES[name])
            heads = ("arm", "users", "share") if name == _SIZES else ("arm", "day", "assortativity")
            write_figure_data(folder, name, heads, [(arm, *point) for arm, points in of_arms.items() for point in points])
    return drawings


def contagion_section(arms: Arms | None, drawings: Mapping[str, str]) -> str:
    """Return the section as HTML; empty where users have no friends."""
    if arms is None:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    counted = {"Cascades": "cascades", "Users in the largest": "largest_cascade", "Longest chain of friends": "deepest_cascade"}
    rows = [("Clicks that can be traced to a friend", [_cell(arm["traced"]) for arm in arms])]
    rows += [(label, [Cell(numbers.count(arm[key])) for arm in arms]) for label, key in counted.items()]
    rows.append(("Users in a cascade, mean", [Cell(numbers.plain(arm["mean_cascade"], 2)) for arm in arms]))
    if arms and "chats" in arms[0]:
        rows += _chats(arms)
    figures = [figure(name, _TITLES[name], drawings[name], _CAPTIONS[name]) for name in _TITLES if name in drawings]
    drawn = ['<div class="figures">\n{}\n</div>'.format("\n".join(figures))] if figures else []
    return "\n".join(
        ["<h2>From friend to friend</h2>", whole_table(heads, [("", rows)]), f'<p class="aside">{escape(_NOTE)}</p>', *drawn]
    )


def _chats(arms: Arms) -> list[tuple[str, list[Cell]]]:
    said = [arm["chats"] for arm in arms]
    return [
        ("Chats of two friends", [Cell(numbers.count(one["count"])) for one in said]),
        ("Chats in which a user was told of something", [_cell(one["per_user"], share=False) for one in said]),
        ("Chats about what the friend gave 4 stars or more", [_cell(one["liked"]) for one in said]),
        ("Clicks on what a friend had spoken of in a chat", [_cell(one["clicks"]) for one in said]),
    ]


def _cell(content: Mapping[str, Any], *, share: bool = True) -> Cell:
    estimate = numbers.read_estimate(content)
    digits = numbers.decimals(estimate, share=share)
    return Cell(numbers.plain(estimate.value, digits, share=share), numbers.interval_below(estimate, digits, share=share))


def _beyond(sizes: Mapping[str, int]) -> list[tuple[int, float]]:
    """Return for each size that there is the share of cascades of that size or more."""
    total = sum(sizes.values())
    points, left = [], total
    for size, count in sorted((int(size), count) for size, count in sizes.items()):
        points.append((size, left / total))
        left -= count
    return points


def _days(arm: Mapping[str, Any]) -> list[tuple[int, float]]:
    return [(day, value) for day, value in enumerate(arm["assortativity_by_day"]) if value is not None]


def _draw(name: str, curves: Mapping[str, list[tuple[int, float]]]) -> Figure:
    plot = drawing.new_figure(right=drawing.BESIDE)
    axes, labels = plot.axes[0], []
    for arm, points in curves.items():
        if not points:
            continue
        across, up = zip(*(points if name == _ALIKE else np.log10(points).tolist()), strict=True)
        labels.append(drawing.draw_series(axes, arm, across, up))
    if name == _SIZES:
        # Logarithms on plain axes, where labels beside the ends of lines have their places.
        axes.xaxis.set_major_locator(FixedLocator(_TICKS))
        axes.yaxis.set_major_locator(FixedLocator([-tick for tick in _TICKS]))
        axes.xaxis.set_major_formatter(lambda tick, _: f"{10**tick:,.0f}")
        axes.yaxis.set_major_formatter(lambda tick, _: f"{10 ** (tick + 2):.3g}%")
        axes.set_xlabel("users in a cascade, or more")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("day, from 0")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return plot
