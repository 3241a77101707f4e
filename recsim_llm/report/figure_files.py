"""Figures on disk: each as PNG with its data as CSV beside it, and as an element of a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recsim_llm.core.files import write_atomically
from recsim_llm.core.spreadsheet_text import defused
from recsim_llm.report import drawing

__all__ = ["write_figure", "write_figure_data"]


def write_figure(figure: Figure, folder: Path, name: str, title: str) -> str:
    """Write a figure as ``NAME.png``, and return its ``svg`` element for a page."""
    element = drawing.to_svg(figure, name)
    write_atomically(folder / f"{name}.png", drawing.to_png(figure, title))
    return element


def write_figure_data(folder: Path, name: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write what a figure shows as ``NAME.csv``; nothing in it is a formula to a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([defused(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    write_atomically(folder / f"{name}.csv", stream.getvalue().encode())
