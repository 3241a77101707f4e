"""What the command shows: tables, progress, spending, problems, and the same as JSON.

Whatever reaches the terminal passes ``make_console`` or ``print_problem``, where nothing that a terminal obeys is left of it;
no other module of the command prints.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsim_llm.terminal_text import printable

__all__ = [
    "make_console",
    "measured_content",
    "print_findings",
    "print_forecast",
    "print_lines",
    "print_little_known",
    "print_pairs",
    "print_parameters",
    "print_problem",
    "print_reading",
    "read_reading",
    "show_pages",
    "show_progress",
    "show_status",
    "spent_so_far",
    "write_json",
]


_MANY_TOKENS = 100_000
"""From so many on they are told in millions."""


def make_console(**settings: Any) -> Any:
    """Return a console for the standard output, which shows text from outside without control characters.

    Args:
        settings: of ``rich.console.Console``, for instance ``stderr=True``.
    """
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    class PlainConsole(Console):
        def render_str(self, text: str, **settings: Any) -> Text:
            # Before lines are laid out: what takes no room must not be counted.
            return super().render_str(printable(text), **settings)

        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                # Segments of control are the console's own.
                yield segment if segment.control else segment._replace(text=printable(segment.text))

    # Without markup: names of arms, files and films may hold brackets.
    return PlainConsole(**({"soft_wrap": True, "markup": False, "highlight": False} | settings))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines to the standard output."""
    console = make_console()
    for line in lines:
        console.print(line)


def print_problem(text: str) -> None:
    """Print one line to the standard error."""
    print("recsim-llm:", " ".join(printable(text).split("\n")), file=sys.stderr)  # noqa: T201


def print_pairs(title: str, table: dict[str, Any]) -> None:
    """Print names and values under a title."""
    console = make_console()
    console.print(title, style="bold")
    width = max([42, *map(len, table)]) + 2
    for name, value in table.items():
        shown = f"{value:,.4f}" if isinstance(value, float) else "unknown" if value is None else value
        console.print(f"  {name:<{width}}{shown}")


def print_parameters(parameters: Mapping[str, Any]) -> None:
    """Print where the parameters of choice users come from: those that a log told, those that it did not, and the rest."""
    from recsim_llm.report.parameter_table import parameter_lines

    print_lines(parameter_lines(parameters))


def print_little_known(run: Path) -> None:
    """Print what a run's users cannot know, where the data were too few."""
    from recsim_llm.log.manifest import read_manifest

    print_lines(f"little known: {note}" for note in (read_manifest(run).get("population") or {}).get("little_known", ()))


def print_findings(run: Path) -> None:
    """Print whether a run shows what its scenario expects; nothing where the scenario measures nothing."""
    from recsim_llm.log.manifest import read_manifest
    from recsim_llm.report import finding_lines, read_measured

    measured = read_measured(run)
    if measured is None and (read_manifest(run).get("settings") or {}).get("measure"):
        print_lines(["not measured: users came block by block; run the scenario to judge what it expects"])
    print_lines(finding_lines(measured))


def measured_content(run: Path) -> dict[str, Any]:
    """Return the same for ``--json``, under ``measured``."""
    from recsim_llm.report import read_measured

    measured = read_measured(run)
    return {} if measured is None else {"measured": measured}


def read_reading(run: Path) -> dict[str, Any]:
    """Return what a run's manifest says of how its data were read."""
    from recsim_llm.log.manifest import read_manifest

    data = read_manifest(run).get("data") or {}
    return {key: data[key] for key in ("skipped", "unread", "repeats", "notes") if key in data}


def print_reading(reading: dict[str, Any]) -> None:
    """Print a line for each thing that was left out, lost or decided in reading the data; nothing where there is none."""
    from recsim_llm.data.reading_notes import reading_lines

    print_lines(reading_lines(reading))


def write_json(options: argparse.Namespace, content: Any) -> None:
    """Write what was printed where ``--json`` says."""
    from recsim_llm.core.files import write_atomically

    if options.json is not None:
        write_atomically(options.json, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")


def print_forecast(options: argparse.Namespace, forecast: Any) -> None:
    """Print what a verb would ask of language models, and write it where ``--json`` says."""
    write_json(options, forecast.to_json())
    if not options.quiet:
        print_lines(forecast.lines())


def spent_so_far(meter: Any) -> str:
    """Say what language models have used so far; nothing without them."""
    if meter is None:
        return ""
    failed = sum(meter.failures.values())
    count = meter.prompt_tokens + meter.completion_tokens
    tokens = f"{count / 1e6:.2f} M tokens" if count >= _MANY_TOKENS else f"{count:,} tokens"
    price = "" if meter.cost is None else f"  ${meter.cost:,.2f}"
    trouble = f"  {failed:,} failed" if failed else ""
    return f"{meter.calls:,} calls ({meter.in_flight} of {meter.concurrency})  {tokens}{price}{trouble}"


@contextmanager
def show_status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show one line that changes."""
    from rich.markup import escape

    with make_console(stderr=True, quiet=quiet, soft_wrap=False, markup=True).status("preparing") as status:
        yield lambda text: status.update(escape(text))


@contextmanager
def show_pages(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: what is being done, pages or texts answered of those planned, what was spent, time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[spent]}", markup=False),
        TimeRemainingColumn(),
    )
    console = make_console(stderr=True, soft_wrap=False, markup=True)
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("preparing", total=None, spent="")

        def update(state: Any) -> None:
            known = f"  {state.done:,} of {state.planned:,} {state.things} answered" if state.planned else ""
            shown: dict[str, Any] = {"description": state.doing + known, "spent": spent_so_far(state.spent)}
            bar.update(task, completed=state.done, total=state.planned or None, **shown)

        yield update


@contextmanager
def show_progress(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: arm, users done, pages, clicks a page, time left; nothing stays of what fails before its first page."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[served]}", markup=False),
        TextColumn("{task.fields[spent]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = make_console(stderr=True, soft_wrap=False, markup=True)
    bar = Progress(*columns, console=console, disable=quiet, transient=True)
    task = bar.add_task("preparing", total=None, served="", spent="")
    if console.is_interactive:
        bar.start()

    def update(state: Any) -> None:
        bar.live.transient = False
        bar.start()
        # The share of users that have left is the best guess of how far an arm is.
        done = state.arm_number + state.share
        served = (
            f"{state.everyone - state.users:,} of {state.everyone:,} users done  {state.pages:,} pages  "
            f"{state.clicks / max(state.pages, 1):.2f} clicks a page"
        )
        shown: dict[str, Any] = {"served": served, "spent": spent_so_far(state.spent)}
        bar.update(task, total=state.arms, completed=done, description=state.arm, **shown)

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()
