"""The verb of the command that trains a language model to be users."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on
from recsim_llm.cli.options import read_table_options
from recsim_llm.cli.output import make_console, print_lines, print_reading, write_json

__all__ = ["handle_tune"]


def handle_tune(options: argparse.Namespace) -> None:
    """Tune a model and print what it knows of users kept apart."""
    from recsim_llm.agents.tuning.tune import WORK, tune
    from recsim_llm.agents.tuning.tuning_settings import TuningSettings
    from recsim_llm.data import open_dataset
    from recsim_llm.data.reading_notes import reading_record

    names = ("examples", "templates", "rating_history", "width", "layers", "learning_rate", "lora", "device")
    asked = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    settings = TuningSettings(model=options.model, seed=options.seed, **asked)
    dataset = open_dataset(options.data, **read_table_options(options))
    work = options.out.with_name(options.out.name + WORK)
    with _note_work(work), _show_tuning(options.quiet) as update:
        card = tune(dataset, settings, options.out, update)
    reading = reading_record(dataset)
    write_json(options, card | {"reading": reading})
    if not options.quiet:
        print_reading(reading)
        print_lines(_told(card, options.out))


@contextmanager
def _note_work(work: Path) -> Iterator[None]:
    """Say how it goes on, where there is something to go on from."""
    with go_on(f"what was learned is kept in {shlex.quote(str(work))}; give the same command again"):
        yield


def _told(card: dict[str, Any], out: Path) -> list[str]:
    from recsim_llm.agents.tuning.tune import PROMPT_TOKENS, tell_estimate

    test, settings = card["test"], card["settings"]
    lines = [f"{card['parameters']:,} parameters, {card['processor_seconds'] / 60:.1f} minutes of a processor"]
    if not test["users"]:
        lines.append("not tested: no user kept apart has 10 ratings in the last fifth of 50 or more")
    for kind, measures in test.items():
        if kind != "users":
            for name, rows in measures.items():
                shown = "  ".join(f"{row} {tell_estimate(found)}" for row, found in rows.items())
                lines.append(f"{name}, {kind}, {test['users']} users kept apart:  {shown}")
    folder = shlex.quote(str(out))
    asked = f"--set users.parameters.templates={settings['templates']}"
    asked += f" --set users.parameters.rating_history={settings['rating_history']}"
    asked += f" --set users.parameters.prompt_tokens={PROMPT_TOKENS}"
    return [*lines, f"tuned   {out}", f"use     recsim-llm run SCENARIO --users language --model transformers/{folder} {asked}"]


@contextmanager
def _show_tuning(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: examples, speed, losses, time left; nothing stays of what fails before its first chunk."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.fields[told]}", markup=False), TimeElapsedColumn())
    console = make_console(stderr=True, soft_wrap=False, markup=True)
    bar = Progress(*columns, console=console, disable=quiet, transient=True)
    task = bar.add_task("tuning", total=None, told="preparing")
    if console.is_interactive:
        bar.start()

    def update(state: Any) -> None:
        bar.live.transient = False
        bar.start()
        left = timedelta(seconds=round((state.of - state.done) / state.speed)) if state.speed else "?"
        watched = "" if state.watched is None else f", {state.watched:.3f} on users kept apart"
        told = f"{state.done:,} of {state.of:,} pages  {state.speed:.0f}/s, {left} left  loss {state.loss:.3f}{watched}"
        bar.update(task, total=state.of, completed=state.done, told=told)

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()
