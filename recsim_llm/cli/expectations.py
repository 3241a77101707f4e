"""Judging what a scenario expects by all seeds that may judge it."""

from __future__ import annotations

import argparse
import json
import shlex
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on
from recsim_llm.cli.options import ask_first, read_sharding
from recsim_llm.cli.output import make_console, print_lines, show_progress, write_json
from recsim_llm.errors import ConfigError

__all__ = ["judge_by_seeds"]

_NOT_ALL_HOLD = 3


def judge_by_seeds(scenario: Any, options: argparse.Namespace) -> int:
    """Run a scenario with each of its judging seeds and print the answers; return the exit status."""
    from recsim_llm.report import seeds_lines
    from recsim_llm.scenarios.expectation_runs import FILE_NAME, judge_expectations, judging_seeds

    seeds = judging_seeds(scenario)
    for option, given in (("--seed", options.seed is not None), ("--dry-run", options.dry_run)):
        if given:
            raise ConfigError(
                f"{option}: got it with --expect, expected one of them; --expect runs the {len(seeds)} seeds of the scenario, "
                "each of which takes as much as a run"
            )
    out = options.out or Path("runs") / f"{scenario.name}-expect-{datetime.now():%Y%m%d-%H%M%S}"
    with go_on(f"what was done is kept; give the same command with --out {shlex.quote(str(out))}"):
        with show_progress(options.quiet) as update:
            confirm = partial(ask_first, options=options)
            judged = judge_expectations(
                scenario, out, update, cache=options.cache, confirm=confirm, sharding=read_sharding(options)
            )
        # By way of the file, so that keys are what its readers find.
        content = json.loads((out / FILE_NAME).read_text(encoding="utf-8"))
        write_json(options, content)
    if not options.quiet:
        print_lines(seeds_lines(content))
        one = shlex.quote(str(out / f"seed-{seeds[0]}"))
        make_console().print(f"runs    {out}\nreport  recsim-llm report {one}, of one seed")
    return 0 if judged.all_hold else _NOT_ALL_HOLD
