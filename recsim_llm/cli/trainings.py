"""The verb of the command that trains policies."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on, go_on_by_folder
from recsim_llm.cli.options import read_sharding, read_world
from recsim_llm.cli.output import make_console, print_lines, write_json

__all__ = ["finish_training", "handle_train", "resume_trained"]


def handle_train(options: argparse.Namespace) -> None:
    """Train policies and print what came of it."""
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides
    from recsim_llm.training.train import train

    asked = {"train.algorithm": options.algorithm, "train.steps": options.steps, "train.reward": options.reward}
    flags = read_world(options) | {key: value for key, value in asked.items() if value is not None}
    scenario = load_scenario(options.scenario, flags | parse_overrides(options.set))
    out = options.out or Path("trained") / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with go_on_by_folder(out), _show_training(options.quiet) as update:
        train(scenario, out, update, seeds=options.seeds, sharding=read_sharding(options))
    finish_training(out, options)


def resume_trained(options: argparse.Namespace) -> None:
    """Finish a training that was stopped."""
    from recsim_llm.training.train import resume_training

    with go_on_by_folder(options.run), _show_training(options.quiet) as update:
        resume_training(options.run, update, sharding=read_sharding(options))
    finish_training(options.run, options)


def finish_training(run: Path, options: argparse.Namespace) -> None:
    """Write the report of a training and print its verdict."""
    from recsim_llm.report.training_page import training_verdict
    from recsim_llm.training.train import write_training_report
    from recsim_llm.training.training_summary import summarise_training

    folder = shlex.quote(str(run))
    with go_on(f"what was learned is as it was; `recsim-llm report {folder}` writes its report"):
        found, page = summarise_training(run), write_training_report(run)
        write_json(options, found)
    if not options.quiet:
        # On the held-out users alone a comparison is fair.
        use = f"compare SCENARIO --recommenders popularity,trained:{folder} --set users.part=held_out"
        print_lines(training_verdict(found))
        print_lines(
            [
                f"trained {run}",
                f"report  {page}",
                f"use     recsim-llm {use}" if found["done"] else f"go on   recsim-llm resume {folder}",
            ]
        )


@contextmanager
def _show_training(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: seed, steps, speed, returns, time left; nothing stays of what fails before its first step."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
    )
    console = make_console(stderr=True, soft_wrap=False, markup=True)
    bar = Progress(*columns, console=console, disable=quiet, transient=True)
    task = bar.add_task("preparing", total=None, told="")
    if console.is_interactive:
        bar.start()

    def update(state: Any) -> None:
        bar.live.transient = False
        bar.start()
        done, name = state.seed + min(state.steps / state.of, 1.0), f"seed {state.seed + 1} of {state.seeds}"
        bar.update(task, total=state.seeds, completed=done, description=name, told=_told(state))

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


def _told(state: Any) -> str:
    """Say in a line how far a training is."""
    parts = [f"{min(state.steps, state.of):,} of {state.of:,} steps"]
    if state.speed > 0:
        steps = max(state.of - state.steps, 0) + (state.seeds - state.seed - 1) * state.of
        parts.append(f"{state.speed:,.0f}/s, {timedelta(seconds=round(steps / state.speed))} left")
    if state.paid is not None:
        parts.append(f"return {state.paid:.2f}")
    if state.evaluated is not None:
        marks = ", ".join(f"{name} {value:.2f}" for name, value in state.marks.items())
        parts.append(f"evaluated {state.evaluated:.2f} ({marks})")
    return "  ".join(parts)
