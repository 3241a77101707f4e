"""Verbs about scenarios before they are run: what there is, and a file to begin with."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from recsim_llm.cli.output import make_console, print_lines, write_json
from recsim_llm.errors import RecSimError

__all__ = ["handle_list", "handle_new"]


def handle_new(options: argparse.Namespace) -> None:
    """Write a scenario file to begin with."""
    from recsim_llm.scenarios.new_scenario import write_scenario

    path = write_scenario(options.name)
    write_json(options, {"scenario": str(path)})
    if not options.quiet:
        print_lines([f"scenario {path}", f"run      recsim-llm run {shlex.quote(str(path))}"])


def handle_list(options: argparse.Namespace) -> None:
    """Print all names that scenarios may use."""
    from recsim_llm.agents.language.prompt_templates import shipped_families
    from recsim_llm.envs.rewards import REWARDS
    from recsim_llm.language.backends.packaged_models import PACKAGED
    from recsim_llm.registry import names
    from recsim_llm.scenarios.outline import outline_scenarios

    outlines = outline_scenarios()
    table: dict[str, dict[str, str]] = {"scenarios": {name: outline.description for name, outline in outlines.items()}}
    for kind in ("recommenders", "users", "memories", "learners"):
        table[kind] = {name: _said_of(kind, name) for name in names(kind)}
    table["templates"] = shipped_families()
    table["rewards"] = {name: _first_line(reward) for name, reward in REWARDS.items()}
    table["models"] = {
        name: f"{model.summary}; {model.megabytes} MB, {model.licence}; {model.install}" for name, model in PACKAGED.items()
    }
    write_json(options, {**table, "outlines": {name: asdict(outline) for name, outline in outlines.items()}})
    if not options.quiet:
        console = make_console()
        for kind, entries in table.items():
            console.print(kind, style="bold")
            width = max(16, *(len(name) + 2 for name in entries))
            for name, description in entries.items():
                console.print(f"  {name:<{width}}{description}")
                for line in _more(outlines[name]) if kind == "scenarios" else ():
                    console.print(f"  {'':<{width}}{line}")


def _more(outline: Any) -> Iterator[str]:
    """Yield what a scenario expects and what it costs."""
    for claim in outline.claims:
        yield f"expects: {claim}"
    yield f"costs: {outline.cost}"


def _said_of(kind: str, name: str) -> str:
    """Return what a plug-in says of itself; one that cannot be loaded keeps nobody from seeing the others."""
    from recsim_llm.registry import describe

    try:
        return describe(kind, name)
    except RecSimError as error:
        return f"cannot be loaded: {error}"


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]
