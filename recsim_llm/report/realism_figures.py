"""Figures of the realism card: headlines beside their baselines, recommenders as ranked, chances as they came true."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recsim_llm.report import behaviour_figures as behaviour
from recsim_llm.report import dialogue_figures as dialogues
from recsim_llm.report import drawing, numbers
from recsim_llm.report.drawing import INK, MUTED
from recsim_llm.report.realism_rows import Content, card_line

__all__ = ["CARD_FIGURES", "CardFigure"]

Row = tuple[str | int | float | None, ...]

_ROLES = {"candidate": 0, "member": 0, "reference": 1, "real": 1, "cheap": 2, "trivial": 7}
_MARKS = {"candidate": "o", "member": ".", "reference": "D", "real": "*", "cheap": "s", "trivial": "v"}
_LEFT, _ROW, _TITLE = 0.42, 0.21, 0.62
_STEP = 0.18


class CardFigure(NamedTuple):
    """A figure of the card."""

    name: str
    """Of its files, without ending."""
    title: Callable[[Content], str]
    """The finding, in one line."""
    caption: str
    """What is drawn, and what to beware of."""
    able: Callable[[Content], bool]
    """Whether the card has what it shows."""
    draw: Callable[[Content], Figure]
    """The drawing."""
    columns: tuple[str, ...]
    """Header of its CSV."""
    rows: Callable[[Content], Iterable[Row]]
    """Rows of its CSV."""


def draw_headlines(card: Content) -> Figure:
    """Draw the headline of each line that has rows to compare, a panel each, with 95% intervals by user."""
    lines = _compared(card)
    counts = [len(_rows(line)) for line in lines]
    height = sum(counts) * _ROW + len(lines) * _TITLE + 0.1
    figure = Figure(figsize=(drawing.WIDTH, height), facecolor="none")
    top = height
    for line, count in zip(lines, counts, strict=True):
        bottom = top - _TITLE / 2 - count * _ROW
        axes = figure.add_axes((_LEFT, bottom / height, 0.97 - _LEFT, count * _ROW / height))
        _panel(axes, line)
        top = bottom - _TITLE / 2
    return figure


def draw_ranking(card: Content) -> Figure:
    """Draw each recommender's simulated clicks over its truth, with its family's colour."""
    table = card_line(card, 7)["curves"]["recommenders"]
    families = list(dict.fromkeys(row["family"] for row in table))
    lines = -(-len(table) // 2)
    height = 3.5 + _STEP * lines
    figure = drawing.new_figure(height=height)
    axes = figure.axes[0]
    axes.set_position((0.13, (0.6 + _STEP * lines) / height, 0.83, 2.55 / height))
    for number, row in enumerate(table, start=1):
        x, y = row["NDCG"], row["simulated clicks"]
        colour = drawing.colour(families.index(row["family"]))
        for ends, sides in (((x["low"], x["high"]), "x"), ((y["low"], y["high"]), "y")):
            if None not in ends:
                places = (list(ends), [y["value"]] * 2) if sides == "x" else ([x["value"]] * 2, list(ends))
                axes.plot(*places, color=colour, linewidth=0.9, alpha=0.5)
        mark = drawing.marker(families.index(row["family"]))
        axes.plot(x["value"], y["value"], marker=mark, color=colour, markersize=6, linestyle="none", markeredgewidth=0)
        axes.annotate(str(number), (x["value"], y["value"]), (4, 3), textcoords="offset points", fontsize=8, color=colour)
        column, place = divmod(number - 1, lines)
        figure.text(
            0.03 + 0.5 * column, _STEP * (lines - place - 0.7) / height, f"{number}  {row['name']}", color=colour, fontsize=9
        )
    axes.set(xlabel="NDCG against held-out ratings", xlim=(0, None), ylim=(0, None))
    axes.annotate("simulated clicks a page", (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")
    drawing.tidy(axes)
    return figure


def draw_reliability(card: Content) -> Figure:
    """Draw how often items were consumed over the chance that was given to them."""
    curves = _curves(card)
    figure = drawing.new_figure(height=3.4)
    axes = figure.axes[0]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)))
    for number, (name, curve) in enumerate(curves.items()):
        x, y = [point["chance"] for point in curve], [point["share"] for point in curve]
        axes.plot(x, y, color=drawing.colour(number), marker=drawing.marker(number), markersize=4.5, linewidth=1.8)
        text = name.removeprefix("reliability, ")
        axes.text(0.03, 0.95 - 0.08 * number, text, color=drawing.colour(number), va="center", fontsize=9)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="chance given")
    axes.annotate("share consumed", (0.02, 0.985), xycoords="figure fraction", color=MUTED, va="top")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    drawing.tidy(axes)
    return figure


def _panel(axes: Axes, line: Content) -> None:
    measure, rows = line["measures"][0], _rows(line)
    for place, row in enumerate(reversed(rows)):
        estimate, colour = numbers.read_estimate(row), drawing.colour(_ROLES[row["role"]])
        if estimate.low is not None and estimate.high is not None:
            axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=2.0, solid_capstyle="butt")
        mark = _MARKS[row["role"]]
        axes.plot([row["value"]], [place], marker=mark, color=colour, markersize=6.5, markeredgecolor=drawing.PAPER)
    names = [drawing.shorten(row["name"], 26) for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    for text, row in zip(axes.get_yticklabels(), reversed(rows), strict=True):
        text.set_color(INK if row["role"] == "candidate" else MUTED)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="x", labelsize=8.5)
    direction = {"higher": "higher is better", "lower": "lower is better", "real": "nearest is best"}
    name = drawing.shorten(measure["name"].replace("popularity-matched", "matched"), 46)
    title = f"{line['number']} {name} ({direction.get(measure['better'], measure['unit'])})"
    offset = (0.02 - _LEFT) * drawing.WIDTH * 72
    axes.annotate(
        title,
        (0, 1),
        (offset, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8.8,
        color=INK,
    )
    drawing.tidy(axes, grid="x")


def _rows(line: Content) -> list[Content]:
    order = {"candidate": 0, "member": 1, "real": 2, "reference": 3, "cheap": 4, "trivial": 5}
    rows = [row for row in line["measures"][0]["rows"] if row["value"] is not None]
    return sorted(rows, key=lambda row: order[row["role"]])


def _compared(card: Content) -> list[Content]:
    return [line for line in card["lines"] if line["measures"] and len(_rows(line)) > 1]


def _curves(card: Content) -> dict[str, list[Content]]:
    return {name: curve for name, curve in card_line(card, 2)["curves"].items() if name.startswith("reliability") and curve}


def _ranking_title(card: Content) -> str:
    measure = card_line(card, 7)["measures"][0]
    row = next(row for row in measure["rows"] if row["role"] == "candidate")
    return f"{row['name']} rank recommenders with {measure['name']} {numbers.with_interval(numbers.read_estimate(row))}"


def _headline_rows(card: Content) -> Iterable[Row]:
    for line in _compared(card):
        measure = line["measures"][0]
        for row in _rows(line):
            yield line["number"], measure["name"], row["name"], row["role"], row["value"], row["low"], row["high"], row["users"]


def _ranking_rows(card: Content) -> Iterable[Row]:
    for row in card_line(card, 7)["curves"]["recommenders"]:
        numbers_of_row = [row[name][end] for name in ("NDCG", "simulated clicks") for end in ("value", "low", "high")]
        yield row["name"], row["family"], *numbers_of_row


def _reliability_rows(card: Content) -> Iterable[Row]:
    for name, curve in _curves(card).items():
        for point in curve:
            yield name, point["chance"], point["share"], point["decisions"]


_CURVE_COLUMNS = ("place", "row", "value", "low", "high")

CARD_FIGURES = (
    CardFigure(
        "realism",
        lambda card: f"How {card['name']} stand beside baselines",
        "The headline of each line that has something to be compared with; bars are 95% intervals by bootstrap over users. "
        "Bars that overlap do not mean equality: rows are measured on the same users, and the verdicts use the paired "
        "differences.",
        lambda card: bool(_compared(card)),
        draw_headlines,
        ("line", "measure", "row", "role", "value", "low", "high", "users"),
        _headline_rows,
    ),
    CardFigure(
        "click_rates",
        behaviour.rank_title,
        "Clicks over impressions at each rank of the same held-out pages. The band is real users' 95% interval.",
        lambda card: bool(behaviour.behaviour_curve(card, "click rate by rank")),
        behaviour.draw_ranks,
        _CURVE_COLUMNS,
        lambda card: behaviour.curve_rows(card, "click rate by rank"),
    ),
    CardFigure(
        "exit_hazard",
        behaviour.hazard_title,
        "Sessions that end after a page over sessions that reach it. The band is real users' 95% interval.",
        lambda card: bool(behaviour.behaviour_curve(card, "exit hazard")),
        behaviour.draw_hazard,
        _CURVE_COLUMNS,
        lambda card: behaviour.curve_rows(card, "exit hazard"),
    ),
    CardFigure(
        "dwell",
        lambda card: f"How long {card['name']} stay with what they click, beside people",
        "Share of clicks whose dwell time is below, from 5% to 95%.",
        lambda card: bool(behaviour.behaviour_curve(card, "dwell quantiles")),
        behaviour.draw_dwell,
        ("share", "row", "seconds"),
        behaviour.dwell_rows,
    ),
    CardFigure(
        "planted_worse",
        behaviour.planted_title,
        "Share of the good recommender's clicks that is lost when slots of its pages are replaced at random; bands are 95% "
        "intervals. For real users: share of NDCG against held-out ratings.",
        lambda card: bool(behaviour.planted_curve(card)),
        behaviour.draw_planted,
        ("share", "row", "value", "low", "high"),
        behaviour.planted_rows,
    ),
    CardFigure(
        "system_ranking",
        _ranking_title,
        "Recommenders by their quality on held-out ratings of real people and by the clicks that the simulated users give "
        "them; colours are families, thin lines 95% intervals by user. A good stand-in for people puts the points in a row "
        "that rises.",
        lambda card: "recommenders" in card_line(card, 7)["curves"],
        draw_ranking,
        ("recommender", "family", "ndcg", "ndcg low", "ndcg high", "clicks", "clicks low", "clicks high"),
        _ranking_rows,
    ),
    CardFigure(
        "reliability",
        lambda card: f"Chances given by {card['name']}, and how often they came true",
        "Items of the taste test at one consumed to nine others, in bins of equal width; on the dotted line chances are right. "
        "'As given' are the user model's own chances, whose base rate is not the test's.",
        lambda card: bool(_curves(card)),
        draw_reliability,
        ("curve", "chance", "share", "decisions"),
        _reliability_rows,
    ),
    CardFigure(
        "dialogue_acts",
        dialogues.acts_title,
        "What users do in an utterance, as shares of those whose act is known. Where acts of people were read by their words, "
        "those that could not be read are left out.",
        lambda card: bool(dialogues.act_shares(card)),
        dialogues.draw_acts,
        ("row", "act", "share"),
        dialogues.act_rows,
    ),
)
"""The figures in the order of the page."""
