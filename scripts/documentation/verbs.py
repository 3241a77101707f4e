"""MkDocs hook: the page of the command line gets each verb's help from the command's own parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from mkdocs.structure.pages import Page

from recsim_llm.cli.parser import make_parser

PAGE = "reference/command-line.md"
PLACE = "<!-- every verb's help -->"


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Put the verbs in their place."""
    if page.file.src_uri != PAGE:
        return markdown
    before, place, after = markdown.partition(PLACE)
    if not place:
        raise ValueError(f"{PAGE}: got no line {PLACE!r}, expected one where the verbs shall stand; put it back")
    return before + "\n".join(line for name, verb in verbs(make_parser()).items() for line in help_lines(name, verb)) + after


def verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the verbs by name."""
    (choices,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return choices


def help_lines(name: str, verb: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the Markdown of one verb: what it does, its example, and a table of what can be given."""
    yield from (f"## {name}", "", verb.description or "", "")
    yield from ("```text", (verb.epilog or "").removeprefix("example:\n").strip(), "```", "")
    yield from ("| argument | meaning |", "| --- | --- |")
    for action in verb._actions:
        if not isinstance(action, argparse._HelpAction):
            yield f"| {argument(action)} | {cell((action.help or '') % vars(action))} |"
    yield ""


def argument(action: argparse.Action) -> str:
    """Return how an argument is written: ``--seed S``, ``RUN``."""
    value = action.metavar or (f"{{{','.join(action.choices)}}}" if action.choices else action.dest.upper())
    written = value if not action.option_strings else action.option_strings[-1]
    if action.option_strings and action.nargs != 0:
        written += f" {value}"
    return f"`{written}`" + (" (needed)" if action.required and action.option_strings else "")


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")
