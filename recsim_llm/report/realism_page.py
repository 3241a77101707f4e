"""The realism card for readers: a table for the terminal, and a page with its figures.

Everything is made from the card's JSON, so that a card can be drawn again wherever it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recsim_llm.core.files import write_atomically
from recsim_llm.realism.card import PARTS, Part
from recsim_llm.report import drawing, numbers
from recsim_llm.report.card_file import CARD_FILE
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import WIDE, document, figure
from recsim_llm.report.realism_figures import CARD_FIGURES
from recsim_llm.report.realism_rows import (
    ROLES,
    Content,
    headline,
    part_lines,
    part_verdict,
    rival_words,
    row_cells,
    shown,
    standing,
)

__all__ = ["TWO_SCORES", "realism_table", "render_realism", "write_realism"]

_LEGEND = (
    "Better, worse, nearer, further: how the candidate stands against the row, where the 95% interval of the paired difference "
    "leaves out zero; undecided: it does not; too few users: fewer than 10, of whom nothing is claimed. Intervals are by "
    "bootstrap over users, each holds by itself, not all together. Of each role the strongest row is shown; all rows are in "
    "the JSON."
)
TWO_SCORES = (
    "Behaviour and tester are two scores and never averaged: users who look like people need not rank recommenders as people "
    "would, and the other way round. Over simulators of search the two had a correlation of .09 (SimEval-IR, arXiv 2604.27878)."
)

_HEADLINES = {5: 5, 12: 2, 13: 3}
"""Measures of a line that stand beside its score, where these are more than one."""


def realism_table(card: Content) -> RenderableType:
    """Lay out the card for a terminal, line by line."""
    parts: list[RenderableType] = [Text(headline(card)), Text("")]
    for part in PARTS:
        if part_lines(card, part):
            parts += [Text(f"{part.title.upper()}: {part.question}", style="bold"), Text("")]
        for line in part_lines(card, part):
            parts += _told(card, line)
    return Group(*parts, Text(f"{_LEGEND} {TWO_SCORES}"))


def _told(card: Content, line: Content) -> Iterator[RenderableType]:
    yield Text(f"{line['number']} {line['name']}: {line['question']}", style="bold")
    if not line["measures"]:
        yield from (Text(f"  not assessed: {line['not_assessed']}"), Text(""))
        return
    yield _table_of(line)
    if said := "; ".join(dict.fromkeys(line["verdict"])):
        yield from (Text(f"  {card['name']}: {said}"), Text(""))


def write_realism(card: Content, folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write ``realism.json``, ``realism.html`` and ``figures/`` (each figure as PNG, its data as CSV) into a folder.

    Args:
        card: as ``Card.to_json`` returns it.
        folder: is made if it is not there.
        facts: how the card was made, by name, for instance the command.

    Returns:
        Path of ``realism.html``.
    """
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawings = {}
    for kind in CARD_FIGURES:
        if not kind.able(card):
            continue
        with drawing.style():
            drawings[kind.name] = write_figure(kind.draw(card), pictures, kind.name, kind.title(card))
        write_figure_data(pictures, kind.name, kind.columns, kind.rows(card))
    content = json.dumps({**card, "made": dict(facts)}, indent=2, ensure_ascii=False, allow_nan=False)
    page = folder / "realism.html"
    write_atomically(page, render_realism(card, drawings, facts).encode())
    # Last: a folder that holds it counts as one with a card, in which nothing is written any more.
    write_atomically(folder / CARD_FILE, content.encode() + b"\n")
    return page


def render_realism(card: Content, drawings: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        card: as ``Card.to_json`` returns it.
        drawings: ``svg`` elements by figure name.
        facts: how the card was made, by name.
    """
    seeds = ", ".join(map(str, card["seeds"]))
    head = (
        f"<h1>Realism card: {escape(card['name'])}</h1>\n"
        f'<p class="facts">{escape(card["data"])} · held out · seeds {escape(seeds)}</p>\n'
        f'<p class="verdict">{escape(headline(card))}</p>'
    )
    parts = [
        "<h2>Two scores</h2>",
        f"<p>{escape(TWO_SCORES)}</p>",
        f'<div class="beside">{"".join(_part(card, part) for part in PARTS if part.score)}</div>',
        f'<p class="aside">{escape(_LEGEND)}</p>',
        *(_beside(card, part) for part in PARTS if part_lines(card, part) and not part.score),
        "<h2>Figures</h2>",
        '<div class="figures uneven">',
        *(
            figure(kind.name, kind.title(card), drawings[kind.name], kind.caption)
            for kind in CARD_FIGURES
            if kind.name in drawings
        ),
        "</div>",
        *(text for part in PARTS for line in part_lines(card, part) for text in _line(line)),
        _configuration(card, facts),
    ]
    return document(f"Realism card: {card['name']} on {card['data']} – recsim_llm", head, parts)


def _table_of(line: Content) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("  ")
    table.add_column("Candidate", justify="right", no_wrap=True)
    for role in ROLES:
        table.add_column(role, justify="right")
    for measure in shown(line):
        (_, own, _), *others = row_cells(measure)
        cells = [Text(f"{own.value}\n{own.interval}".rstrip())]
        for name, cell, words in others:
            second = " ".join(part for part in (cell.interval, standing(words)) if part)
            cells.append(Text(f"{name} {cell.value}\n{second}".strip()))
        note = next(row["note"] for row in measure["rows"] if row["role"] == "candidate")
        label = f"{measure['name']} ({measure['unit']})" + (f"\n  {note}" if note else "")
        table.add_row(Text(label), *cells)
    return table


def _part(card: Content, part: Part) -> str:
    """Return one of the two scores: its question, its verdict and the headlines of its lines."""
    verdict = part_verdict(card, part)
    return (
        f"<section><h3>{escape(part.title)}</h3>\n<p>{escape(part.question)}</p>\n"
        f'<p class="verdict minor">{escape(verdict[0].upper() + verdict[1:])}.</p>\n{_headlines(card, part)}</section>'
    )


def _beside(card: Content, part: Part) -> str:
    return f"<h2>{escape(part.title)}</h2>\n<p>{escape(part.question)}</p>\n{_headlines(card, part)}"


def _headlines(card: Content, part: Part) -> str:
    lines = part_lines(card, part)
    silent = [f"{_heading(line)}: not assessed, {line['not_assessed']}." for line in lines if not line["measures"]]
    told = [
        ("" if place else _heading(line), measure)
        for line in lines
        for place, measure in enumerate(line["measures"][: _HEADLINES.get(line["number"], 1)])
    ]
    notes = "".join(f'<p class="aside">{escape(text)}</p>' for text in silent)
    return (_html_table(told) if told else "") + notes


def _heading(line: Content) -> str:
    return f"{line['number']} {line['name']}"


def _line(line: Content) -> Iterator[str]:
    yield f"<h2>{line['number']} · {escape(line['name'])}</h2>"
    yield f"<p>{escape(line['question'])}</p>"
    if not line["measures"]:
        yield f'<p class="aside">Not assessed: {escape(line["not_assessed"])}.</p>'
        return
    yield _html_table([("", measure) for measure in shown(line)])
    rest = line["measures"]
    yield f"<details><summary>All rows of all {len(rest)} measures</summary>{_all_rows(rest)}</details>"
    yield f'<p class="aside">{escape(line["protocol"])}</p>'


def _html_table(measures: Iterable[tuple[str, Content]]) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in ("", "Candidate", *ROLES))
    lines = [f"{WIDE}<table><thead><tr>{heads}</tr></thead><tbody>"]
    for group, measure in measures:
        label = f"{measure['name']} ({measure['unit']})"
        first = f"<b>{escape(group)}</b><br>" if group else ""
        note = next(row["note"] for row in measure["rows"] if row["role"] == "candidate")
        small = f"<br><small>{escape(note)}</small>" if note else ""
        (_, own, _), *others = row_cells(measure)
        cells = [f"{escape(own.value)}<small>{escape(own.interval)}</small>"]
        for name, cell, words in others:
            above = f"<small>{escape(name)}</small>" if name else ""
            below = f"<small>{escape(cell.interval)}</small><small>{escape(standing(words))}</small>" if name else ""
            cells.append(f"{above}{escape(cell.value)}{below}")
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{first}{escape(label)}{small}</th>{body}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _all_rows(measures: Iterable[Content]) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("", "Value", "Difference", "Verdict", "Users", "Seeds"))
    lines = [f"{WIDE}<table><thead><tr>{heads}</tr></thead><tbody>"]
    for measure in measures:
        title = f"{measure['name']} ({measure['unit']})"
        lines.append(f'<tr class="group"><th scope="rowgroup" colspan="6">{escape(title)}</th></tr>')
        words = rival_words(measure)
        for row in measure["rows"]:
            difference = row["difference"]
            gap = "" if difference is None else numbers.with_interval(numbers.read_estimate(difference), sign=True)
            cells = [
                numbers.with_interval(numbers.read_estimate(row)),
                gap,
                words.get(row["name"], ""),
                numbers.count(row["users"]),
            ]
            body = "".join(f"<td>{escape(cell)}</td>" for cell in [*cells, str(row["seeds"])])
            note = f"<br><small>{escape(row['note'])}</small>" if row["note"] else ""
            lines.append(f'<tr><th scope="row">{escape(row["name"])}{note}</th>{body}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _configuration(card: Content, facts: Mapping[str, Any]) -> str:
    rows = {"Data fingerprint": card["fingerprint"], "Seeds": ", ".join(map(str, card["seeds"]))}
    rows |= {name: str(value) for name, value in facts.items()}
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows.items())
    return (
        f"<h2>Configuration</h2>\n<dl>{items}</dl>\n"
        '<p class="aside">Simulated users are not people: the card says how near they came on this data, no more. '
        "<code>realism.json</code> holds every number, <code>figures/</code> each figure with its data.</p>"
    )
