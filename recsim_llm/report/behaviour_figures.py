"""Figures of the card's two scores: clicks by rank, leaving by page, dwell times, and what a worse recommender loses."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.report import drawing
from recsim_llm.report.drawing import INK, MUTED
from recsim_llm.report.realism_rows import Content, card_line

__all__ = [
    "behaviour_curve",
    "curve_rows",
    "draw_dwell",
    "draw_hazard",
    "draw_planted",
    "draw_ranks",
    "dwell_rows",
    "hazard_title",
    "planted_curve",
    "planted_rows",
    "planted_title",
    "rank_title",
]

Row = tuple[str | int | float | None, ...]

_PLACES = {"same rate": 7, "rates by rank": 2}
_HEIGHT = 3.3


def behaviour_curve(card: Content, name: str) -> list[Content]:
    """Return the points of a curve of line 5; none where the card has none."""
    return list(card_line(card, 5).get("curves", {}).get(name, ()))


def planted_curve(card: Content) -> list[Content]:
    """Return what is lost on worse pages, by share of slots."""
    return list(card_line(card, 12).get("curves", {}).get("clicks lost", ()))


def draw_ranks(card: Content) -> Figure:
    """Draw click rates by rank over real users' intervals."""
    return _over_band(card, behaviour_curve(card, "click rate by rank"), "rank", "click rate")


def draw_hazard(card: Content) -> Figure:
    """Draw exit hazards by page over real users' intervals."""
    return _over_band(card, behaviour_curve(card, "exit hazard"), "page of the session", "share who leave after it")


def draw_dwell(card: Content) -> Figure:
    """Draw the share of dwell times below each time, on a logarithmic scale."""
    points = behaviour_curve(card, "dwell quantiles")
    figure = drawing.new_figure(height=_HEIGHT)
    axes = figure.axes[0]
    shares = [point["share"] for point in points]
    names = _order(card, [name for name in points[0] if name != "share"])
    for place, name in enumerate(names):
        times = [max(point[name], 0.1) for point in points]
        wide = name == REAL
        axes.plot(times, shares, color=_colour(card, name), linewidth=3.2 if wide else 1.7, alpha=0.5 if wide else 1.0)
        axes.text(0.03, 0.95 - 0.08 * place, name, transform=axes.transAxes, color=_colour(card, name), va="center", fontsize=9)
    axes.set(xscale="log", ylim=(0, 1), xlabel="seconds")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.annotate("share of clicks below", (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")
    drawing.tidy(axes)
    return figure


def draw_planted(card: Content) -> Figure:
    """Draw the share of clicks lost over the share of slots at random."""
    points = planted_curve(card)
    figure = drawing.new_figure(height=_HEIGHT)
    axes = figure.axes[0]
    names = _order(card, list(points[0]["rows"]))
    shares = [point["share"] for point in points]
    for place, name in enumerate(names):
        rows = [point["rows"][name] for point in points]
        colour = _colour(card, name)
        if name in (REAL, card["name"]) and all(row["low"] is not None for row in rows):
            low, high = [row["low"] for row in rows], [row["high"] for row in rows]
            axes.fill_between(shares, low, high, color=colour, alpha=0.18, linewidth=0)
        values = [row["value"] if row["value"] is not None else float("nan") for row in rows]
        axes.plot(shares, values, color=colour, marker=drawing.marker(place), markersize=4.5, linewidth=1.7)
        axes.text(0.03, 0.95 - 0.08 * place, name, transform=axes.transAxes, color=colour, va="center", fontsize=9)
    bottom, top = axes.get_ylim()
    axes.set(xlabel="share of slots at random", ylim=(bottom, top + (0.08 + 0.1 * len(names)) * (top - bottom)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.annotate("clicks lost", (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")
    drawing.tidy(axes)
    return figure


def rank_title(card: Content) -> str:
    """Say at how many ranks the candidate is inside the real interval."""
    points = behaviour_curve(card, "click rate by rank")
    inside = sum(point["inside"] for point in points)
    return f"Clicks by rank: {card['name']} inside the real 95% interval at {inside} of {len(points)} ranks"


def hazard_title(card: Content) -> str:
    """Say after how many pages the candidate's hazard is inside the real interval."""
    points = behaviour_curve(card, "exit hazard")
    inside = sum(point["inside"] for point in points)
    return f"Leaving: {card['name']} inside the real 95% interval after {inside} of {len(points)} pages"


def planted_title(card: Content) -> str:
    """Say from which share on the candidate sees a worse recommender."""
    measure = next(one for one in card_line(card, 12)["measures"] if one["name"].startswith("smallest share"))
    value = next(row["value"] for row in measure["rows"] if row["role"] == "candidate")
    seen = (
        "no share of slots at random that was tried" if value is None else f"a worse recommender from {value:.0%} of slots on"
    )
    return f"{card['name']} see {seen}"


def curve_rows(card: Content, name: str) -> Iterable[Row]:
    """Yield place, row, value and interval of a curve of line 5."""
    for point in behaviour_curve(card, name):
        for row, ends in point["rows"].items():
            yield point["place"], row, ends["value"], ends["low"], ends["high"]


def dwell_rows(card: Content) -> Iterable[Row]:
    """Yield share, row and seconds."""
    for point in behaviour_curve(card, "dwell quantiles"):
        for row, seconds in point.items():
            if row != "share":
                yield point["share"], row, seconds


def planted_rows(card: Content) -> Iterable[Row]:
    """Yield share, row, value and interval."""
    for point in planted_curve(card):
        for row, ends in point["rows"].items():
            yield point["share"], row, ends["value"], ends["low"], ends["high"]


def _over_band(card: Content, points: list[Content], x: str, y: str) -> Figure:
    figure = drawing.new_figure(height=_HEIGHT)
    axes = figure.axes[0]
    places = [point["place"] for point in points]
    real = [point["rows"][REAL] for point in points]
    low = [row["value"] if row["low"] is None else row["low"] for row in real]
    high = [row["value"] if row["high"] is None else row["high"] for row in real]
    colour = _colour(card, REAL)
    axes.fill_between(places, low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(places, [row["value"] for row in real], color=colour, linewidth=1.0)
    names = _order(card, list(points[0]["rows"]))
    for place, name in enumerate(names):
        if name != REAL:
            values = [point["rows"][name]["value"] for point in points]
            kept = [(at, value) for at, value in zip(places, values, strict=True) if value is not None]
            if not kept:
                continue
            mark = drawing.marker(place)
            axes.plot(*zip(*kept, strict=True), color=_colour(card, name), marker=mark, markersize=4.5, linewidth=1.4)
        words = f"{name}, 95% interval" if name == REAL else name
        axes.text(
            0.97,
            0.95 - 0.08 * place,
            words,
            transform=axes.transAxes,
            color=_colour(card, name),
            va="center",
            ha="right",
            fontsize=9,
        )
    axes.set(xlabel=x, ylim=(0, None))
    axes.set_ylim(0, axes.get_ylim()[1] * (1.08 + 0.1 * len(names)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.annotate(y, (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")
    drawing.tidy(axes)
    return figure


def _order(card: Content, names: list[str]) -> list[str]:
    first = [name for name in (card["name"], REAL) if name in names]
    return first + [name for name in names if name not in first]


def _colour(card: Content, name: str) -> str:
    if name == card["name"]:
        return drawing.colour(0)
    if name == REAL:
        return drawing.colour(1)
    return drawing.colour(_PLACES[name]) if name in _PLACES else (MUTED if name == "random" else INK)
