"""Audits for readers: a table for the terminal, a page of their own, and a section in the report of a run.

Everything is made from the audit's JSON, so that an audit can be shown again wherever it was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import document, figure, fold, whole_table
from recsim_llm.report.side_files import reading
from recsim_llm.report.summary_tables import Cell
from recsim_llm.report.sweep_figure import SWEEP_COLUMNS, draw_sweep, sweep_rows

__all__ = [
    "AUDIT_FILE",
    "AUDIT_FOLDER",
    "audit_table",
    "audit_verdict",
    "audits_section",
    "draw_audits",
    "keep_audit",
    "read_audits",
    "write_audit",
]

AUDIT_FILE = "audit.json"
"""Name of an audit's file in its own folder."""
AUDIT_FOLDER = "audits"
"""Folder of a run that keeps the audits of its report, one file each."""

Content = Mapping[str, Any]

_HEADS = ("Measured", "Sound", "Says")
_COLUMNS = ("label", "value", "low", "high", "users", "sound", "words")
_LEGEND = (
    "In brackets 95% intervals by user; each holds by itself, not all together. Sound: what a model without the fault shows, "
    "or the value of guessing. Departs: the interval leaves that out; no departure shown: it does not, which is no proof that "
    "there is none; sound: every user has exactly that value. Comes out: the interval lies above it."
)
_ALIKE = "Users who are all alike give a number and no interval."
_LENGTHS = "lengths-"
_OF_LENGTHS = (
    "A line for each size of page; bars are 95% intervals by user. Dotted: guessing. Everywhere the same users and the same "
    "items that they took later."
)
_ROW = 0.24
_MOST_DRAWN = 12


def audit_table(content: Content) -> RenderableType:
    """Lay out an audit for a terminal."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("")
    for head in _HEADS:
        table.add_column(head, justify="right")
    for label, cells in _rows(content):
        table.add_row(Text(label), *(Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in cells))
    return Group(Text(audit_verdict(content)), Text(""), table, Text(_LEGEND))


def audit_verdict(content: Content) -> str:
    """Say what was found, on how many users, with which seed."""
    said = "; ".join(
        f"{row['label']} {_estimate_words(row)}: {row['words']}" for row in content["rows"] if row["leading"] and row["words"]
    )
    users, questions = numbers.counted(content["users"], "user"), numbers.counted(content["asks"], "question")
    about = f"{users} of {content['data']}, seed {content['seed']}, {questions}"
    return f"{content['audit']}, {content['played_by']}: {said or 'nothing could be assessed'} ({about})."


def write_audit(content: Content, folder: Path) -> Path:
    """Write ``audit.json``, ``audit.html`` and ``figures/`` into a folder, which is made if it is not there.

    Returns:
        Path of ``audit.html``.
    """
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawings = draw_audits([content], pictures)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / AUDIT_FILE, text.encode() + b"\n")
    head = (
        f"<h1>Audit: {escape(content['audit'])}</h1>\n"
        f'<p class="facts">{escape(content["played_by"])} · {escape(content["data"])} · seed {content["seed"]}</p>\n'
        f'<p class="verdict">{escape(audit_verdict(content))}</p>'
    )
    rows = {"Data fingerprint": content["fingerprint"], **content["made"]}
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    parts = ["<h2>Findings</h2>", *_body(content, drawings), f"<h2>Configuration</h2>\n<dl>{items}</dl>"]
    page = folder / "audit.html"
    write_atomically(page, document(f"Audit: {content['audit']} – recsim_llm", head, parts).encode())
    return page


def keep_audit(path: Path, run: Path) -> None:
    """Copy an audit into a run folder, where its reports find it.

    Args:
        path: the audit's folder, or its ``audit.json``.
        run: run folder.

    Raises:
        LogError: there is no audit, or it is damaged.
    """
    content = _read(path / AUDIT_FILE if path.is_dir() else path)
    kept = run / AUDIT_FOLDER
    kept.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(kept / f"{_name(content)}.json", text.encode() + b"\n")


def read_audits(run: Path) -> tuple[Content, ...]:
    """Return the audits that a run folder keeps, by name.

    Raises:
        LogError: one is damaged.
    """
    return tuple(_read(path) for path in sorted((run / AUDIT_FOLDER).glob("*.json")))


def draw_audits(audits: Iterable[Content], folder: Path) -> dict[str, str]:
    """Write a figure for each audit with its data into a folder, and return them for the page by name.

    Args:
        audits: as ``read_audits`` returns them.
        folder: of the figures.
    """
    drawings = {}
    for content in audits:
        name = _figure_name(content)
        if _drawn(content):
            with drawing.style():
                drawings[name] = write_figure(_draw(content), folder, name, _title(content))
        write_figure_data(folder, name, _COLUMNS, ([row[column] for column in _COLUMNS] for row in content["rows"]))
        if lengths := sweep_rows(content):
            with drawing.style():
                drawings[_LENGTHS + name] = write_figure(draw_sweep(content), folder, _LENGTHS + name, _title(content))
            write_figure_data(folder, _LENGTHS + name, SWEEP_COLUMNS, lengths)
    return drawings


def audits_section(audits: Iterable[Content], drawings: Mapping[str, str]) -> str:
    """Return the section of the report; empty where nothing was audited."""
    parts = [part for content in audits for part in _part(content, drawings)]
    return "\n".join(["<h2>Audits of the users</h2>", *parts]) if parts else ""


def _part(content: Content, drawings: Mapping[str, str]) -> Iterator[str]:
    yield f'<p class="verdict minor">{escape(audit_verdict(content))}</p>'
    yield from _body(content, drawings)


def _body(content: Content, drawings: Mapping[str, str]) -> Iterator[str]:
    question = content["question"]
    yield f"<p>{escape(question[0].upper() + question[1:])}</p>"
    name = _figure_name(content)
    captions = {
        _LENGTHS + name: f"{_OF_LENGTHS} {_ALIKE}",
        name: f"Bars are 95% intervals by user, ticks the sound values. {_ALIKE}",
    }
    for drawn, caption in captions.items():
        if drawn in drawings:
            shown = figure(drawn, _title(content), drawings[drawn], caption)
            yield shown.replace("<figure>", '<figure class="single">', 1)
    yield fold(f"All numbers of {content['audit']}", whole_table(_HEADS, [("", list(_rows(content)))]))
    yield f'<p class="aside">{escape(_LEGEND)}</p>'


def _read(path: Path) -> dict[str, Any]:
    with reading(path, "audit"):
        content: dict[str, Any] = read_json(path)
        # Whatever a page shows is made once, so that a damaged file is told from here and not from a traceback.
        audit_verdict(content), list(_rows(content)), _name(content), content["question"][0]
        str(content["fingerprint"] + content["played_by"]), dict(content["made"]), sweep_rows(content)
    return content


def _name(content: Content) -> str:
    """Return the name of an audit for files: letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{content['audit']} {content['played_by']}".lower()).strip("-")


def _figure_name(content: Content) -> str:
    return f"audit-{_name(content)}"


def _title(content: Content) -> str:
    return f"{content['audit']}: {content['played_by']}"


def _rows(content: Content) -> Iterator[tuple[str, list[Cell]]]:
    for row in content["rows"]:
        one = numbers.read_estimate(row)
        digits = max(numbers.decimals(one), 2)
        sound = numbers.NONE if row["sound"] is None else f"{row['sound']:g}"
        label = f"{row['label'][0].upper()}{row['label'][1:]}"
        yield label, [Cell(numbers.plain(one.value, digits), numbers.interval(one, digits)), Cell(sound), Cell(row["words"])]


def _estimate_words(row: Content) -> str:
    return numbers.with_interval(numbers.read_estimate(row))


def _drawn(content: Content) -> list[Content]:
    return [row for row in content["rows"] if row["value"] is not None][:_MOST_DRAWN]


def _draw(content: Content) -> Figure:
    """Draw the first rows with their intervals, a tick where a sound model stands."""
    rows = _drawn(content)
    page = drawing.new_figure(height=0.7 + 2 * _ROW * len(rows), left=0.05, above=0.1)
    axes = page.axes[0]
    for place, row in enumerate(reversed(rows)):
        one, colour = (
            numbers.read_estimate(row),
            drawing.colour(1 if row["words"].startswith(("departs", "reversed", "beyond")) else 0),
        )
        if row["sound"] is not None:
            axes.plot(row["sound"], place, marker="|", color=drawing.MUTED, markersize=12, linestyle="none")
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=2.0, solid_capstyle="butt")
        axes.plot(row["value"], place, marker="o", color=colour, markersize=6, markeredgecolor=drawing.PAPER)
        axes.annotate(
            drawing.shorten(row["label"], 62),
            (0.0, place + 0.42),
            xycoords=("axes fraction", "data"),
            color=drawing.INK,
            va="center",
            fontsize=9,
        )
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(rows) - 0.25)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    drawing.tidy(axes, grid="x")
    return page
