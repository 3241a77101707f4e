"""Who of the providers left, and what they were shown against what they deserved, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import figure, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["draw_providers", "provider_section"]

Arms = Sequence[Mapping[str, Any]]
Provider = Mapping[str, Any]

_FIGURE, _MOST_LINES = "providers_{}", 8
_NOTE = (
    "Exposure over merit is a provider's share of all slots shown over the share that its items deserve, over the days that "
    "the scenario says: 1 is fair, 0 is never shown. What is deserved by, and when a provider leaves, the scenario assumes. "
    "Counted for the run as a whole, so that there is no interval over users."
)


def draw_providers(arms: Arms | None, folder: Path) -> dict[str, str]:
    """Write a figure an arm as PNG and CSV, and return them for the page.

    Args:
        arms: as ``ProviderDays.to_json`` tells them; None where nobody asked.
        folder: of figures.
    """
    drawings = {}
    for number, arm in enumerate(arms or ()):
        name, providers = _FIGURE.format(number), arm["providers"]
        if not any(len(_points(one)) > 1 for one in providers):
            continue
        with drawing.style():
            drawings[name] = write_figure(_draw(_drawn(providers)), folder, name, _title(arm))
        rows = [(arm["arm"], one["name"], *point) for one in providers for point in _points(one)]
        write_figure_data(folder, name, ("arm", "provider", "day", "exposure_over_merit"), rows)
    return drawings


def provider_section(arms: Arms | None, drawings: Mapping[str, str]) -> str:
    """Return the section as HTML; empty where nobody asked."""
    if arms is None:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    rows = [("Providers who left", [_left(arm["providers"]) for arm in arms])]
    rows += [
        (name, [_end(arm["providers"], name) for arm in arms])
        for name in sorted({one["name"] for arm in arms for one in arm["providers"]})
    ]
    figures = [
        figure(name, _title(arm), drawings[name], _caption(arm))
        for number, arm in enumerate(arms)
        if (name := _FIGURE.format(number)) in drawings
    ]
    drawn = ['<div class="figures">\n{}\n</div>'.format("\n".join(figures))] if figures else []
    return "\n".join(["<h2>Providers</h2>", whole_table(heads, [("", rows)]), f'<p class="aside">{escape(_NOTE)}</p>', *drawn])


def _points(provider: Provider) -> list[tuple[int, float]]:
    """Return the days up to which a provider was there, with its exposure over merit."""
    last = provider["left_on_day"]
    return [
        (day, value)
        for day, value in enumerate(provider["exposure_over_merit"])
        if value is not None and (last is None or day <= last)
    ]


def _drawn(providers: Sequence[Provider]) -> list[Provider]:
    """Return whom a figure has room for: who left first, then who is shown least at the end."""
    there = [one for one in providers if _points(one)]
    days = len(providers[0]["exposure_over_merit"])

    def order(one: Provider) -> tuple[float, float]:
        return (days if one["left_on_day"] is None else one["left_on_day"], _points(one)[-1][1])

    return sorted(sorted(there, key=order)[:_MOST_LINES], key=lambda one: str(one["name"]))


def _left(providers: Sequence[Provider]) -> Cell:
    return Cell(f"{sum(one['left_on_day'] is not None for one in providers)} of {len(providers)}")


def _end(providers: Sequence[Provider], name: str) -> Cell:
    """Say what became of a provider: the day it left, or its exposure over merit at the end."""
    one = next((one for one in providers if one["name"] == name), None)
    points = [] if one is None else _points(one)
    if one is None or not points:
        return Cell("offered nothing")
    shown = numbers.plain(points[-1][1], 2)
    return Cell(shown if one["left_on_day"] is None else f"left on day {one['left_on_day']}, at {shown}")


def _title(arm: Mapping[str, Any]) -> str:
    return f"Exposure over merit of providers: {arm['arm']}"


def _caption(arm: Mapping[str, Any]) -> str:
    count = len(arm["providers"])
    some = f" {_MOST_LINES} of {count}: who left first, then who is shown least." if count > _MOST_LINES else ""
    return f"1 is fair, 0 is never shown. A line ends where a provider leaves.{some}"


def _draw(providers: Sequence[Provider]) -> Figure:
    plot = drawing.new_figure(right=drawing.BESIDE)
    axes, labels = plot.axes[0], []
    for place, one in enumerate(providers):
        days, values = zip(*_points(one), strict=True)
        colour, gone = drawing.colour(place), one["left_on_day"] is not None
        axes.plot(days, values, color=colour, linewidth=1.8, marker=drawing.marker(place), markersize=3.4)
        labels.append(drawing.Label(days[-1], values[-1], drawing.shorten(one["name"]) + (" (left)" if gone else ""), colour))
    axes.axhline(1.0, color=drawing.MUTED, linewidth=1.0, linestyle="--")
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("day, from 0")
    axes.annotate("exposure over merit", (0.02, 0.985), xycoords="figure fraction", color=drawing.MUTED, va="top")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return plot
