"""A page as text and as a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import Kernel
from recsim_llm.core.pages import probability
from recsim_llm.population.world import World
from recsim_llm.terminal_text import printable

__all__ = ["page_image", "page_text"]

_CLICK_COLOUR = "#c2410c"
_SEEN_COLOUR = "#1f2937"
_UNSEEN_COLOUR = "#9ca3af"


def page_text(world: World, kernel: Kernel, feedback: Feedback | None) -> str:
    """Return the last page of the first row as text: position, what happened, title, genres."""
    return printable("\n".join([_heading(world, kernel, feedback), *(line for line, _ in _lines(world, feedback))]))


def page_image(world: World, kernel: Kernel, feedback: Feedback | None) -> npt.NDArray[np.uint8]:
    """Return the last page of the first row as an image, uint8 [height, width, 3]; clicked items stand out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = _lines(world, feedback)
    figure = Figure(figsize=(7, 0.6 + 0.3 * max(len(lines), 1)), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    step = 1 / (len(lines) + 2)
    heading = _heading(world, kernel, feedback)
    figure.text(0.03, 1 - step, heading, fontsize=11, fontweight="bold", va="center", color=_SEEN_COLOUR)
    for place, (line, colour) in enumerate(lines):
        figure.text(0.03, 1 - (place + 2) * step, line, fontsize=10, va="center", color=colour, family="monospace")
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]


def _heading(world: World, kernel: Kernel, feedback: Feedback | None) -> str:
    visit = kernel.visit[0] if feedback is None else feedback.pages.visit[0]
    who = f"user {world.population.user_id[kernel.user_index[0]]}, visit {visit}"
    if feedback is None:
        return f"{who}: no page yet"
    satisfaction = float(probability(feedback.mood.satisfaction)[0])
    end = ", left" if feedback.left[0] else ""
    return f"{who}, page {feedback.pages.page[0]}: {feedback.slot.size} clicks, satisfaction {satisfaction:.2f}{end}"


def _lines(world: World, feedback: Feedback | None) -> list[tuple[str, str]]:
    if feedback is None:
        return []
    examined, ratings = feedback.examined[0], feedback.ratings()[0]
    lines = []
    for position, item in enumerate(feedback.pages.item_index[0].tolist()):
        if item < 0:
            lines.append((f"{position + 1:2d}            (blank)", _UNSEEN_COLOUR))
            continue
        stars = ratings[position]
        mark = f"clicked {stars:.1f}*" if stars == stars else ("seen" if examined[position] else "")
        colour = _CLICK_COLOUR if stars == stars else _SEEN_COLOUR if examined[position] else _UNSEEN_COLOUR
        genres = ", ".join(world.catalog.genres_of(item))
        lines.append((f"{position + 1:2d} {mark:<12} {str(world.catalog.title[item])[:42]:<42} {genres}"[:92], colour))
    return lines
