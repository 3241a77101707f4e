"""How a page is laid out: the document, headings to link to, contents, and tables of which the long ones are folded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from recsim_llm.report.summary_tables import Cell
from recsim_llm.terminal_text import printable

__all__ = ["WIDE", "Group", "document", "figure", "fold", "line_with_code", "table", "whole_table"]

Group = tuple[str, list[tuple[str, list[Cell]]]]
"""Title, empty for none, and rows: a label and its cells."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{head}
{contents}
{body}
</main>
</body>
</html>
"""
WIDE = '<div class="wide" tabindex="0" role="group" aria-label="Table, may scroll sideways">'
"""Start of what holds a table: on a narrow screen it scrolls, by the keyboard too."""
_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"<h2>(.*?)</h2>")
_MOST_WITHOUT_CONTENTS = 6
_MOST_ROWS = 8
_MOST_NAMED = 4
_LONGEST_NAME = 60


def line_with_code(text: str) -> str:
    """Return a line of the terminal as HTML: what stands between two backticks as code, and no markup of anybody's making."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def document(title: str, head: str, parts: Iterable[str]) -> str:
    """Return the page; every ``h2`` of the parts gets an id, and a line of contents leads to them if they are many.

    Args:
        title: of the window, as text.
        head: HTML above the contents.
        parts: HTML of the sections; empty ones are left out.
    """
    found: dict[str, str] = {}

    def link(match: re.Match[str]) -> str:
        text = match.group(1)
        stem = place = "section-" + (re.sub(r"[^a-z0-9]+", "-", re.sub(r"<.*?>|&\w+;", "", text).lower()).strip("-") or "part")
        while place in found:
            place = f"{stem}-{len(found)}"
        found[place] = text
        return f'<h2 id="{place}"><a href="#{place}">{text}</a></h2>'

    body = _HEADING.sub(link, "\n".join(part for part in parts if part))
    links = "\n".join(f'<a href="#{place}">{text}</a>' for place, text in found.items())
    contents = f'<nav aria-label="Contents">\n{links}\n</nav>' if len(found) > _MOST_WITHOUT_CONTENTS else ""
    style = files("recsim_llm.report").joinpath("style.css").read_text(encoding="utf-8")
    # Titles and words were written by strangers, and may hold what turns or hides the text that follows.
    return printable(_PAGE.format(title=escape(title), style=style, head=head, contents=contents, body=body))


def table(heads: Iterable[str], groups: Iterable[Group]) -> str:
    """Lay out a table; heads are HTML, all else is text. Of a long one the first groups are seen and the rest is folded."""
    heads, groups = list(heads), [group for group in groups if group[1]]
    seen: list[Group] = []
    folded: list[Group] = []
    room = _MOST_ROWS
    for title, rows in groups:
        if not seen:
            seen.append((title, rows[:room]))
            folded += [(title, rows[room:])] if rows[room:] else []
        elif len(rows) <= room and not folded:
            seen.append((title, rows))
        else:
            folded.append((title, rows))
        room -= len(rows)
    return whole_table(heads, seen) + (fold(_names(folded), whole_table(heads, folded)) if folded else "")


def whole_table(heads: Iterable[str], groups: Iterable[Group]) -> str:
    """Lay out a table with all its rows; heads are HTML, all else is text."""
    head = "".join(f'<th scope="col">{text}</th>' for text in ["", *heads])
    lines = [f"{WIDE}<table><thead><tr>{head}</tr></thead><tbody>"]
    for title, rows in groups:
        if title:
            span = len(rows[0][1]) + 1
            lines.append(f'<tr class="group"><th scope="rowgroup" colspan="{span}">{escape(title)}</th></tr>')
        for label, cells in rows:
            numbers_of_row = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
            lines.append(f'<tr><th scope="row">{escape(label)}</th>{numbers_of_row}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def figure(name: str, title: str, svg: str, caption: str) -> str:
    """Return a figure with its title above and its caption below; plain text but for the ``svg`` element."""
    heading = f'<h3 id="{name}-title">{escape(title)}</h3>'
    return f"<figure>{heading}\n{svg}\n<figcaption>{escape(caption)}</figcaption></figure>"


def fold(summary: str, content: str) -> str:
    """Return content that is seen when its summary, a text, is clicked."""
    return f"\n<details><summary>{escape(summary)}</summary>\n{content}\n</details>"


def _names(groups: Iterable[Group]) -> str:
    """Say what is folded."""
    names = [name for title, rows in groups for name in ([title] if title else [label for label, _ in rows])]
    if max(map(len, names)) > _LONGEST_NAME:
        return f"{len(names)} more rows"
    rest = len(names) - _MOST_NAMED
    said = ", ".join(names[:_MOST_NAMED] if rest > 1 else names)
    return f"{said}, and {rest} more" if rest > 1 else said


def _cell(cell: Cell) -> str:
    small = f"<small>{escape(cell.interval)}</small>" if cell.interval else ""
    return escape(cell.value) + small + cell.link
