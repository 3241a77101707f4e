"""What the command shows: tables, progress, spending, and the same as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "make_console",
    "print_little_known",
    "print_pairs",
    "print_reading",
    "read_reading",
    "show_progress",
    "show_status",
    "spent_so_far",
    "write_json",
]


def make_console() -> Any:
    """Return a console for the standard output."""
    from rich.console import Console

    # Without markup: names of arms, files and films may hold brackets.
    return Console(soft_wrap=True, markup=False)


def print_pairs(title: str, table: dict[str, Any]) -> None:
    """Print names and values under a title."""
    console = make_console()
    console.print(title, style="bold", highlight=False)
    for name, value in table.items():
        shown = f"{value:,.4f}" if isinstance(value, float) else "unknown" if value is None else value
        console.print(f"  {name:<44}{shown}", highlight=False)


def print_little_known(run: Path) -> None:
    """Print what a run's users cannot know, where the data were too few."""
    from recsim_llm.log.manifest import read_manifest

    for note in read_manifest(run).get("population", {}).get("little_known", ()):
        make_console().print(f"little known: {note}", highlight=False)


def read_reading(run: Path) -> dict[str, Any]:
    """Return what a run's manifest says of how its data were read."""
    data = json.loads((run / "manifest.json").read_text(encoding="utf-8")).get("data", {})
    return {key: data[key] for key in ("skipped", "unread", "repeats", "notes") if key in data}


def print_reading(reading: dict[str, Any]) -> None:
    """Print a line for each thing that was left out, lost or decided in reading the data; nothing where there is none."""
    from recsim_llm.data.reading_notes import reading_lines

    for line in reading_lines(reading):
        make_console().print(line, highlight=False)


def write_json(options: argparse.Namespace, content: Any) -> None:
    """Write what was printed where ``--json`` says."""
    from recsim_llm.core.files import write_atomically

    if options.json is not None:
        write_atomically(options.json, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")


def spent_so_far(meter: Any) -> str:
    """Say what language models have used so far; nothing without them."""
    if meter is None:
        return ""
    failed = sum(meter.failures.values())
    tokens = (meter.prompt_tokens + meter.completion_tokens) / 1e6
    price = "" if meter.cost is None else f"  ${meter.cost:,.2f}"
    trouble = f"  {failed:,} failed" if failed else ""
    return f"{meter.calls:,} calls ({meter.in_flight} of {meter.concurrency})  {tokens:.2f} M tokens{price}{trouble}"


@contextmanager
def show_status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show one line that changes."""
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, quiet=quiet).status("preparing") as status:
        yield lambda text: status.update(escape(text))


@contextmanager
def show_progress(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: arm, users still browsing, pages, clicks a page, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[users]:,} users  {task.fields[pages]:,} pages  {task.fields[rate]:.2f} clicks a page"),
        TextColumn("{task.fields[spent]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("preparing", total=None, users=0, pages=0, rate=0.0, spent="")

        def update(state: Any) -> None:
            # The share of users that have left is the best guess of how far an arm is.
            done = state.arm_number + state.share
            rate = state.clicks / max(state.pages, 1)
            shown = {"users": state.users, "pages": state.pages, "rate": rate, "spent": spent_so_far(state.spent)}
            bar.update(task, total=state.arms, completed=done, description=state.arm, **shown)

        yield update
