"""The figures of a report. Each is drawn from a ``Summary`` alone and says in its title what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, PercentFormatter

from recsim_llm.comparison import Summary
from recsim_llm.metrics.summary import ArmSummary
from recsim_llm.report import drawing, numbers, words
from recsim_llm.report.drawing import INK, MUTED, Label
from recsim_llm.statistics import Estimate

__all__ = ["FIGURES", "FigureKind", "Row", "figures_of"]

Row = tuple[str | int | float | None, ...]
_STEPS = [1, 2, 2.5, 5, 10]
_MOST_INSIDE = 7  # arms whose names stand among the curves
_MOST_TICKS = 10
_ESTIMATE = ("value", "low", "high", "users")


class FigureKind(NamedTuple):
    """A figure of the report: how to draw it, what to say about it, and the data behind it."""

    name: str
    """Name of its files, without ending."""
    label: str
    """What it is a figure of."""
    title: Callable[[Summary], str]
    """The finding, in one line."""
    caption: str
    """What is drawn, how, and what to beware of."""
    missing: Callable[[Summary], str]
    """Why there is nothing to draw, as a sentence; empty where there is."""
    draw: Callable[[Summary], Figure]
    """The drawing, without title."""
    columns: tuple[str, ...]
    """Header of its CSV."""
    rows: Callable[[Summary], Iterable[Row]]
    """Rows of its CSV."""


def draw_clicks(summary: Summary) -> Figure:
    """Draw clicks a user of every arm with intervals, most clicks on top."""
    order = sorted(range(len(summary.arms)), key=lambda n: summary.arms[n].metrics["clicks_per_user"].value or 0.0)
    longest = max(len(drawing.shorten(arm.arm, 20)) for arm in summary.arms)
    figure = drawing.new_figure(height=0.75 + 0.42 * len(order), left=min(0.05 + 0.021 * longest, 0.48), right=0.93, above=0.1)
    axes = figure.axes[0]
    for place, number in enumerate(order):
        estimate = summary.arms[number].metrics["clicks_per_user"]
        _whisker(axes, estimate, place, summary.arms[number].arm)
    axes.set_yticks(range(len(order)), [drawing.shorten(summary.arms[number].arm, 20) for number in order])
    for text, number in zip(axes.get_yticklabels(), order, strict=True):
        text.set_color(_colour(summary.arms[number].arm))
    axes.set_ylim(-0.6, len(order) - 0.25)
    top = max((axes.dataLim.x1, 0.0))
    axes.set_xlim(0.0, top * 1.08 if top > 0.0 else 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    axes.set_xlabel("clicks per user")
    drawing.tidy(axes, grid="x")
    return figure


def draw_positions(summary: Summary) -> Figure:
    """Draw the share of shown items that was clicked, by position."""
    curves = [arm.clicks_by_position for arm in summary.arms]
    return _curves(
        summary, curves, x_label="position on the page (1 is shown first)", y_label="clicked, of items shown", share=True
    )


def draw_survival(summary: Summary) -> Figure:
    """Draw the share of visits that reach each page."""
    curves = [tuple(Estimate(value=share, users=arm.users) for share in arm.visits_reaching_page) for arm in summary.arms]
    return _curves(summary, curves, x_label="page of the visit", y_label="visits that reach the page", share=True)


def draw_ratings(summary: Summary) -> Figure:
    """Draw the distribution of stars over rated clicks, one panel an arm that has any."""
    arms = [arm for arm in summary.arms if arm.ratings]
    levels = sorted({float(stars) for arm in arms for stars in arm.ratings})
    width = 0.8 * min(np.diff(levels), default=1.0)
    columns = {1: 1, 2: 2, 4: 2}.get(len(arms), 3)
    rows = math.ceil(len(arms) / columns)
    figure = drawing.new_figure(height=0.75 + (2.2 if rows == 1 else 1.45 * rows), left=0.13, rows=rows, columns=columns)
    tallest = max(max(arm.ratings.values()) / sum(arm.ratings.values()) for arm in arms)
    for arm, axes in zip(arms, figure.axes, strict=False):
        rated, colour = sum(arm.ratings.values()), _colour(arm.arm)
        axes.bar(levels, [arm.ratings.get(f"{stars:g}", 0) / rated for stars in levels], width, color=colour)
        mean = numbers.plain(arm.metrics["mean_rating"].value, 2)
        axes.set_title(drawing.shorten(arm.arm, 26 // columns + 5), loc="left", fontsize=10.5, color=colour)
        axes.text(0.02, 0.96, f"mean {mean}", transform=axes.transAxes, va="top", color=MUTED, fontsize=9.5)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xticks(range(int(np.ceil(min(levels[0], 1.0))), int(max(levels[-1], 5.0)) + 1))
        axes.set_ylim(0.0, 1.25 * tallest)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS) if tallest < 0.8 else FixedLocator([0.0, 0.5, 1.0]))
        drawing.tidy(axes)
    for axes in figure.axes[len(arms) :]:
        axes.set_axis_off()
    figure.supxlabel("stars", fontsize=10.5, color=MUTED, y=0.02, x=0.545)
    return figure


def draw_satisfaction(summary: Summary) -> Figure:
    """Draw mean satisfaction after each page over the users still there."""
    curves = [arm.satisfaction_by_page for arm in summary.arms]
    return _curves(summary, curves, x_label="page of the visit", y_label="satisfaction, 0 to 1", share=False)


def draw_rewards(summary: Summary) -> Figure:
    """Draw the mean reward of each page of a user's life."""
    curves = [arm.reward_by_page for arm in summary.arms]
    x_label = "page of the user's life, over all visits"
    return _curves(
        summary, curves, x_label=x_label, y_label="reward; users who are gone count as 0", share=False, highest=np.inf
    )


def draw_lorenz(summary: Summary) -> Figure:
    """Draw the Lorenz curve of exposures over the catalog, with each arm's Gini coefficient."""
    shown = [arm for arm in summary.arms if arm.exposure_lorenz]
    # Where they are many, their names would stand on the curves.
    many = len(shown) > _MOST_INSIDE
    figure = drawing.new_figure(height=max(3.3, 0.8 + 0.2 * len(shown)), left=0.13, right=0.56 if many else 0.96)
    axes = figure.axes[0]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)))
    for arm in shown:
        curve, dash = arm.exposure_lorenz, drawing.line(drawing.place_of(arm.arm))
        axes.plot(np.linspace(0.0, 1.0, len(curve)), curve, color=_colour(arm.arm), linewidth=2.0, linestyle=dash)
    start, top, gap = (1.06, 1.0, 0.95 / len(shown)) if many else (0.03, 0.94, 0.085)
    axes.text(start, top, "Gini", color=MUTED, va="center", fontweight="bold")
    for line, arm in enumerate(sorted(shown, key=lambda arm: arm.exposure_gini or 0.0), start=1):
        text = f"{numbers.plain(arm.exposure_gini, 2)}  {drawing.shorten(arm.arm, drawing.NARROW if many else 22)}"
        axes.text(start, top - gap * line, text, color=_colour(arm.arm), va="center", clip_on=False)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="share of the catalog, least shown first")
    _name_y(axes, "share of exposures")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    drawing.tidy(axes)
    return figure


def _colour(recommender: str) -> str:
    return drawing.colour(drawing.place_of(recommender))


def _whisker(axes: Axes, estimate: Estimate, place: float, arm: str) -> None:
    if estimate.value is None:
        return
    colour = _colour(arm)
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(
        estimate.value,
        place,
        marker=drawing.marker(drawing.place_of(arm)),
        color=colour,
        markersize=8,
        markeredgecolor=drawing.PAPER,
        clip_on=False,
    )
    axes.text(estimate.value, place + 0.2, numbers.plain(estimate.value, 2), ha="center", va="bottom", color=INK, fontsize=10)


def _curves(
    summary: Summary,
    curves: Sequence[tuple[Estimate, ...]],
    *,
    x_label: str,
    y_label: str,
    share: bool,
    highest: float = 1.04,
) -> Figure:
    """Draw one line an arm over 1, 2, ... with its interval as a band and its name at the end, up to what is highest."""
    longest = max(len(drawing.shorten(arm.arm)) for arm in summary.arms)
    figure = drawing.new_figure(left=0.13, right=0.94 - 0.021 * longest)
    axes = figure.axes[0]
    ends, top = [], 0.0
    for arm, curve in zip(summary.arms, curves, strict=True):
        known = [(x, e, e.value) for x, e in enumerate(curve, start=1) if e.value is not None]
        if not known:
            continue
        x, y = [x for x, _, _ in known], [value for _, _, value in known]
        place = drawing.place_of(arm.arm)
        colour, mark, dash = drawing.colour(place), drawing.marker(place), drawing.line(place)
        band = [(x, e.low, e.high) for x, e, _ in known if e.low is not None and e.high is not None]
        if band:
            places, low, high = zip(*band, strict=True)
            axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(x, y, color=colour, linewidth=1.8, linestyle=dash, marker=mark, markersize=4.5, markeredgewidth=0)
        top = max(top, *y, *(high for _, _, high in band if high is not None and high < 1.6 * max(y)))
        ends.append(Label(x[-1], y[-1], drawing.shorten(arm.arm), colour))
    pages = max(len(curve) for curve in curves)
    axes.set_xlim(0.8, max(pages, 2) + 0.2)
    axes.set_ylim(0.0, min(top * 1.08, highest) or 1.0)
    axes.set_xticks(range(1, pages + 1, 1 if pages <= _MOST_TICKS else math.ceil(pages / 6)))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if top > 0.05 else 1))
    axes.set(xlabel=x_label)
    _name_y(axes, y_label)
    drawing.tidy(axes)
    drawing.label_ends(axes, ends)
    return figure


def _name_y(axes: Axes, text: str) -> None:
    """Name the vertical axis above it, where it can be read without turning the head."""
    axes.annotate(text, (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")


def _estimate_row(estimate: Estimate) -> Row:
    return (estimate.value, estimate.low, estimate.high, estimate.users)


def _series(summary: Summary, get: Callable[[ArmSummary], tuple[Estimate, ...]]) -> Iterable[Row]:
    return ((arm.arm, x, *_estimate_row(e)) for arm in summary.arms for x, e in enumerate(get(arm), start=1))


FIGURES = (
    FigureKind(
        "clicks_per_user",
        "Clicks per user",
        words.headline,
        "Mean clicks per user over the whole run; bars are 95% intervals by user. Bars that overlap do not mean equality: "
        "the recommenders served the same users, so the paired differences in the tables tell more.",
        lambda s: "" if any(arm.clicks for arm in s.arms) else "nothing was clicked in this run",
        draw_clicks,
        ("arm", *_ESTIMATE),
        lambda summary: ((arm.arm, *_estimate_row(arm.metrics["clicks_per_user"])) for arm in summary.arms),
    ),
    FigureKind(
        "clicks_by_position",
        "Clicks by position",
        words.position_title,
        "Share of shown items that were clicked, by their position on the page; bands are 95% intervals by user. Position "
        "mixes two things: users look at later positions less, and recommenders put what they trust most first.",
        lambda s: "" if any(arm.clicks for arm in s.arms) else "nothing was clicked in this run",
        draw_positions,
        ("arm", "position", *_ESTIMATE),
        lambda summary: _series(summary, lambda arm: arm.clicks_by_position),
    ),
    FigureKind(
        "pages_per_visit",
        "Pages per visit",
        words.survival_title,
        "Share of visits that reach each page. Visits that use up the page budget end there whether or not the user "
        "would have gone on.",
        lambda s: "" if any(arm.visits_reaching_page for arm in s.arms) else "no visit has finished yet",
        draw_survival,
        ("arm", "page", "visits_reaching_page"),
        lambda s: ((arm.arm, x, share) for arm in s.arms for x, share in enumerate(arm.visits_reaching_page, start=1)),
    ),
    FigureKind(
        "ratings",
        "Stars of clicked items",
        words.rating_title,
        "Stars given to clicked items, as a share of all rated clicks of the recommender. Users rate only what they click, "
        "so a recommender that gets other clicks is also rated on other items.",
        lambda s: "" if any(arm.ratings for arm in s.arms) else "no clicked item was rated in this run",
        draw_ratings,
        ("arm", "stars", "ratings"),
        lambda summary: ((arm.arm, float(stars), n) for arm in summary.arms for stars, n in arm.ratings.items()),
    ),
    FigureKind(
        "satisfaction_by_page",
        "Satisfaction by page",
        words.satisfaction_title,
        "Mean satisfaction after each page, over the users who were still there; bands are 95% intervals by user. Unhappy "
        "users leave first, so a rising line does not mean that anyone grew happier.",
        lambda s: "" if any(arm.satisfaction_by_page for arm in s.arms) else "no satisfaction was logged in this run",
        draw_satisfaction,
        ("arm", "page", *_ESTIMATE),
        lambda summary: _series(summary, lambda arm: arm.satisfaction_by_page),
    ),
    FigureKind(
        "reward_by_page",
        "Reward by page",
        words.reward_title,
        "Mean reward of each page of a user's life, counted over all visits, over everybody who came at all: users who are "
        "gone count as 0. What pays at first may cost later pages, as users leave or tire; bands are 95% intervals by user.",
        lambda s: "" if any(arm.reward_by_page for arm in s.arms) else "no page was shown in this run",
        draw_rewards,
        ("arm", "page", *_ESTIMATE),
        lambda summary: _series(summary, lambda arm: arm.reward_by_page),
    ),
    FigureKind(
        "exposure_lorenz",
        "Lorenz curves of exposure",
        words.lorenz_title,
        "Lorenz curves: how exposures spread over the catalog. On the dotted line all items are shown equally often (Gini "
        "0); the further below, the fewer items take the exposures (towards Gini 1).",
        lambda s: "" if any(arm.exposure_lorenz for arm in s.arms) else "no item was shown in this run",
        draw_lorenz,
        ("arm", "share_of_catalog", "share_of_exposures"),
        lambda s: ((a.arm, x / 100, y) for a in s.arms for x, y in enumerate(a.exposure_lorenz)),
    ),
)
"""The figures in the order of the page."""


def figures_of(summary: Summary) -> tuple[FigureKind, ...]:
    """Return the figures of a run; of ratings only where users give any, of reward by page only where there is a discount."""
    told = {"ratings": summary.rated, "reward_by_page": summary.discount < 1}
    return tuple(kind for kind in FIGURES if told.get(kind.name, True))
