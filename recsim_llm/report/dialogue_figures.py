"""Line 14 of the card for readers: what users do in dialogues beside people, as a figure and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from recsim_llm.realism.dialogues.dialogue_scores import PEOPLE
from recsim_llm.report import drawing
from recsim_llm.report.realism_rows import DIALOGUES, Content, card_line, told_apart

__all__ = ["act_rows", "act_shares", "acts_title", "draw_acts"]

_BAR, _LEFT = 0.36, 0.16


def act_shares(card: Content) -> Mapping[str, list[float]]:
    """Return the shares of acts by row; none where the card says nothing of dialogues."""
    shares: Mapping[str, list[float]] = card_line(card, DIALOGUES)["curves"].get("shares", {})
    return shares


def acts_title(card: Content) -> str:
    """Say on which distances users are told from people."""
    name = card["name"]
    return f"{name[0].upper()}{name[1:]}: {told_apart(card_line(card, DIALOGUES))}"


def draw_acts(card: Content) -> Figure:
    """Draw the shares of acts of users and of people as bars beside each other."""
    acts, shares = card_line(card, DIALOGUES)["curves"]["acts"], act_shares(card)
    figure = drawing.new_figure(height=3.6)
    axes = figure.axes[0]
    axes.set_position((_LEFT, 0.12, 0.97 - _LEFT, 0.72))
    place = np.arange(len(acts))
    for number, (name, values) in enumerate(shares.items()):
        colour = drawing.INK if name == PEOPLE else drawing.colour(0)
        axes.barh(place + (number - 0.5) * _BAR, values, _BAR, color=colour)
        axes.text(0.97, 1.14 - 0.09 * number, drawing.shorten(name, 40), transform=axes.transAxes, color=colour, ha="right")
    axes.set(yticks=place, yticklabels=[act.replace("_", " ") for act in acts])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    drawing.tidy(axes, grid="x")
    return figure


def act_rows(card: Content) -> Iterable[tuple[str, str, float]]:
    """Yield row, act and share."""
    acts = card_line(card, DIALOGUES)["curves"]["acts"]
    for name, values in act_shares(card).items():
        yield from ((name, act, share) for act, share in zip(acts, values, strict=True))
