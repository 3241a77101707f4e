"""The verb ``suite``: scenarios and recommenders that everybody can put through the same worlds."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on
from recsim_llm.cli.option_groups import add_verb, output_options
from recsim_llm.cli.output import make_console, print_lines, show_status, write_json
from recsim_llm.errors import ConfigError

__all__ = ["handle_suite", "suite_parser"]

_NOT_ALL_HOLD = 3
_WAYS = ("recommenders", "compare", "check")


def suite_parser(commands: Any) -> None:
    """Add the verb ``suite``."""
    parser = add_verb(
        commands,
        "suite",
        "judge the shipped scenarios by all of their seeds, or say what recommenders do to people in the same worlds",
        example="recsim-llm suite --scenarios word-of-mouth --out runs/suite\n"
        "  recsim-llm suite --recommenders mf --scenarios pages --out runs/profiles",
        handler=handle_suite,
    )
    parser.add_argument("--subset", metavar="NAME", help="quick (default; no model, minutes) or full")
    several: dict[str, Any] = {"nargs": "+", "default": [], "metavar": "NAME"}
    parser.add_argument("--scenarios", **several, help="only these scenarios of the suite, or of the profile of recommenders")
    parser.add_argument(
        "--recommenders",
        **several,
        help="instead, hold each of these against popularity: a name, module:attribute, an address, or settings in braces",
    )
    parser.add_argument(
        "--compare", nargs=2, default=[], metavar=("A", "B"), help="instead, say on which measures B differs from A"
    )
    parser.add_argument(
        "--check", metavar="FILE", type=Path, help="instead, check a suite.json of recommenders that is handed in"
    )
    parser.add_argument("--processes", metavar="N", type=int, help="runs at the same time (default: one a core)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder; goes on where the same command was stopped")
    output_options(parser)


def handle_suite(options: argparse.Namespace) -> int:
    """Do what was asked for, print what came of it, and return the exit status."""
    from recsim_llm.report.suite_page import suite_lines

    play = _choose(options)
    out = options.out or Path("runs") / f"suite-{datetime.now():%Y%m%d-%H%M%S}"
    processes = os.cpu_count() or 1 if options.processes is None else options.processes
    with go_on(f"what was done is kept; give the same command with --out {shlex.quote(str(out))}"):
        with show_status(options.quiet) as update:
            content = play(
                out, processes=processes, tell=lambda done: update(f"{done.runs} of {done.planned} runs done: {done.latest}")
            )
        write_json(options, content)
    if not options.quiet:
        print_lines(suite_lines(content))
        if options.check is None:
            make_console().print(f"table   {out / 'suite.csv'}\npage    {out / 'suite.html'}\nagain   {_again(options, out)}")
    answers = [finding["answer"] == "holds" for scenario in content.get("scenarios", ()) for finding in scenario["findings"]]
    return 0 if all([*answers, *(one["agrees"] for one in content.get("checked", ()))]) else _NOT_ALL_HOLD


def _choose(options: argparse.Namespace) -> Callable[..., dict[str, Any]]:
    """Return what does what was asked for, with everything but the folder and how it goes on.

    Raises:
        ConfigError: options do not go together, or a name is unknown.
    """
    from recsim_llm.scenarios.suite import run_suite
    from recsim_llm.scenarios.suite_check import check_submission
    from recsim_llm.scenarios.suite_probes import choose_probes
    from recsim_llm.scenarios.suite_profiles import compare_profiles, profile_recommenders, read_arms
    from recsim_llm.scenarios.suite_table import choose_scenarios

    _refuse_together(options)
    if options.check is not None:
        return lambda out, **more: check_submission(options.check, out, **more)
    if options.recommenders:
        arms, probes = read_arms(options.recommenders), choose_probes(options.scenarios)
        return lambda out, **more: profile_recommenders(out, arms, probes, **more)
    if options.compare:
        (first, second), probes = read_arms(options.compare), choose_probes(options.scenarios)
        return lambda out, **more: compare_profiles(out, first, second, probes, **more)
    chosen = choose_scenarios(options.subset, options.scenarios)
    subset = None if options.scenarios else options.subset or "quick"
    return lambda out, **more: run_suite(out, chosen, subset=subset, **more)


def _refuse_together(options: argparse.Namespace) -> None:
    given = [f"--{name}" for name in _WAYS if getattr(options, name)]
    given += ["--subset"] if options.subset is not None and given else []
    given += ["--scenarios"] if options.scenarios and options.check is not None else []
    if len(given) > 1:
        raise ConfigError(f"{given[1]}: got it with {given[0]}, expected one of them; leave one out")


def _again(options: argparse.Namespace, out: Path) -> str:
    words: list[str] = []
    for name in ("subset", "scenarios", *_WAYS):
        value: Any = getattr(options, name)
        if value:
            words += [
                f"--{name}",
                *(map(str, value) if isinstance(value, Sequence) and not isinstance(value, str) else [str(value)]),
            ]
    return shlex.join(["recsim-llm", "suite", *words, "--out", str(out)])
