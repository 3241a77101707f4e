"""Paper and ink for the figures: palette, axes, labels at the lines, PNG and SVG.

Figures are matplotlib ``Figure`` objects without pyplot, so nothing global is left behind. The SVG for the page names its
colours as CSS variables and keeps text as text: one drawing serves light and dark, in the reader's own font.
"""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BESIDE",
    "COLOURS",
    "GRID",
    "INK",
    "LINES",
    "MARKERS",
    "MUTED",
    "NARROW",
    "PAPER",
    "WIDTH",
    "Label",
    "apart",
    "colour",
    "draw_series",
    "label_ends",
    "line",
    "marker",
    "new_figure",
    "place_of",
    "shorten",
    "style",
    "swatch",
    "tidy",
    "to_png",
    "to_svg",
]

INK, MUTED, GRID, PAPER = "#1d2430", "#5b6472", "#e2e5ea", "#fefefe"
COLOURS = (
    *("#0b63a5", "#c04c00", "#2a7d6d", "#4d1a63", "#7a0c2e", "#1f66e5"),
    *("#5c5200", "#6b7280", "#5a0096", "#d22d3c", "#0f783c", "#c31eb4"),
)
"""Text in them reads on white (contrast of 4.5 and more). All stay at least 27 CIELAB units apart, the first six 20 for
protanopes and deuteranopes, too (simulated after Machado, Oliveira & Fernandes 2009); markers differ as well."""
MARKERS = "osD^vPX*<>ph"
LINES = ("-", "--", ":", "-.")
_PLACES = ("random", "popularity", "item-knn", "mf", "oracle", "linucb", "softmax", "language")
"""The shipped recommenders, each with a colour to itself."""
_APART: ContextVar[Mapping[str, int]] = ContextVar("places of recommenders", default=MappingProxyType({}))
_SPOTS = "●◐○◑"
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", **{c: f"arm{i}" for i, c in enumerate(COLOURS)}}
_FONT = "DejaVu Sans"
_STYLE: Any = {
    "text.parse_math": False,
    "font.family": _FONT,
    "font.size": 10.5,
    "axes.titlesize": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "recsim_llm",
}
WIDTH, HEIGHT = 4.6, 3.1
"""Inches; small, so that the text stays readable when a phone shows the figure 340 pixels wide."""
NARROW = 16
"""Characters of an arm's name in a figure before it is cut."""
BESIDE = 0.68
"""Right end of axes beside whose lines names of that length stand."""


class Label(NamedTuple):
    """Text beside the end of a line."""

    x: float
    """Where the line ends."""
    y: float
    """Where the line ends."""
    text: str
    """What the line is."""
    colour: str
    """Colour of the line."""


@contextmanager
def style() -> Iterator[None]:
    """Draw and save within this context: fonts and colours hold, and names are never read as formulas."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes in the PNG; the page's text is the reader's own font.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def new_figure(
    *, height: float = HEIGHT, left: float = 0.13, right: float = 0.96, above: float = 0.3, rows: int = 1, columns: int = 1
) -> Figure:
    """Return an empty figure with axes in place; ``left`` and ``right`` are shares of the width, ``above`` is in inches."""
    figure = Figure(figsize=(WIDTH, height), facecolor="none")
    bottom, top = 0.5 / height, 1.0 - above / height
    grid = {"left": left, "right": right, "bottom": bottom, "top": top, "hspace": 0.42, "wspace": 0.12}
    figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=grid)
    return figure


def place_of(recommender: str) -> int:
    """Return a recommender's place among colours, markers and lines, which its name says: the same in every report and figure.

    Shipped ones have a colour to themselves. Others may be meant to have the same one; within ``apart`` they get another.
    """
    place = _APART.get().get(recommender)
    return _own_place(recommender) if place is None else place


@contextmanager
def apart(recommenders: Iterable[str]) -> Iterator[None]:
    """Give each of some recommenders a place to itself within this context.

    Each has its own as in every report where it is free, else the next one that is: no colour comes twice among the first 12,
    and no colour with the same line among the first 48.
    """
    places: dict[str, int] = {}
    names = list(dict.fromkeys(recommenders))
    for name in sorted(names, key=lambda name: name not in _PLACES):
        turn = len(COLOURS) * (len(places) // len(COLOURS))
        free = (turn + (_own_place(name) + step) % len(COLOURS) for step in range(len(COLOURS)))
        places[name] = next(place for place in free if place not in places.values())
    token = _APART.set(places)
    try:
        yield
    finally:
        _APART.reset(token)


def _own_place(recommender: str) -> int:
    return _PLACES.index(recommender) if recommender in _PLACES else zlib.crc32(recommender.encode()) % len(COLOURS)


def colour(place: int) -> str:
    """Return the colour of a series by its place."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Return the marker of a series by its place; those of one colour have different ones."""
    return MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


def line(place: int) -> str:
    """Return the style of line of a series by its place; those of one colour have different ones."""
    return LINES[place // len(COLOURS) % len(LINES)]


def swatch(recommender: str, label: str) -> str:
    """Return HTML of a spot in the recommender's colour before a label, which is HTML; another one for a broken line."""
    place = place_of(recommender)
    spot = _SPOTS[place // len(COLOURS) % len(_SPOTS)]
    return f'<span style="color:var(--arm{place % len(COLOURS)})">{spot}</span>&nbsp;{label}'


def tidy(axes: Axes, *, grid: str = "y") -> None:
    """Leave of frame and grid only what helps to read a value."""
    axes.set_facecolor("none")
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == "bottom" and grid == "y")
    axes.grid(axis="y" if grid == "y" else "x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=4)


def draw_series(axes: Axes, recommender: str, across: Sequence[float], up: Sequence[float]) -> Label:
    """Draw a recommender's line, and return the label at its end."""
    place = place_of(recommender)
    look: dict[str, Any] = {"color": colour(place), "linestyle": line(place), "marker": marker(place)}
    axes.plot(across, up, linewidth=1.8, markersize=3.8, **look)
    return Label(across[-1], up[-1], shorten(recommender), colour(place))


def label_ends(axes: Axes, labels: Sequence[Label]) -> None:
    """Write labels right of the ends of lines, moved apart so that none covers another."""
    low, high = axes.get_ylim()
    gap = (high - low) * 0.085
    ordered = sorted(labels, key=lambda label: label.y)
    places = _spread([label.y for label in ordered], gap, low, high)
    edge = max(label.x for label in labels)
    limits = axes.get_xlim()
    reach = limits[1] - limits[0]
    for label, y in zip(ordered, places, strict=True):
        axes.plot([label.x, edge + 0.025 * reach], [label.y, y], color=label.colour, linewidth=0.6, clip_on=False)
        axes.text(edge + 0.035 * reach, y, label.text, color=label.colour, va="center", clip_on=False)
    axes.set(xlim=limits, ylim=(low, high))


def shorten(name: str, limit: int = NARROW) -> str:
    """Cut a long name so that it fits beside a line."""
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"


def to_png(figure: Figure, title: str) -> bytes:
    """Return the figure as PNG on white with its title, for use outside the page; about 900 pixels wide."""
    figure.suptitle(_wrap(title), x=0.025, y=1.0, ha="left", va="bottom", fontsize=11.5, fontweight="bold")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=200, facecolor="#ffffff", bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()


def to_svg(figure: Figure, name: str) -> str:
    """Return the figure as an ``svg`` element for the page, without title, namespaces or fixed size.

    Args:
        figure: as drawn, before ``to_png`` adds its title.
        name: prefix of the element ids, unique on the page.
    """
    stream = io.StringIO()
    empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=empty)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    head, body = text[: text.index(">")], text[text.index(">") :]
    view = re.search(r'viewBox="[^"]*"', head)
    body = re.sub(r"(<g|<path|<clipPath|<use|<text)([^>]*?) id=\"", rf'\1\2 id="{name}-', body)
    body = body.replace('xlink:href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    for hexadecimal, variable in _VARIABLES.items():
        body = body.replace(hexadecimal, f"var(--{variable})")
    body = re.sub(rf"'{_FONT}'(, [^;\"]*)?", "var(--font)", body)
    return f'<svg {view.group() if view else ""} role="img" aria-labelledby="{name}-title"{body}'


def _spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ascending places apart to at least ``gap``, around where they were, within ``low`` to ``high`` if they fit."""
    groups: list[tuple[float, int]] = []
    for place in places:
        centre, size = place, 1
        while groups and centre - groups[-1][0] < gap * (size + groups[-1][1]) / 2.0:
            other, others = groups.pop()
            centre, size = (centre * size + other * others) / (size + others), size + others
        groups.append((centre, size))
    moved = [centre + gap * (k - (size - 1) / 2.0) for centre, size in groups for k in range(size)]
    excess = max(moved[-1] - high, 0.0) - max(low - moved[0], 0.0)
    return [float(place) for place in np.asarray(moved) - excess]


def _wrap(title: str, width: int = 46) -> str:
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
