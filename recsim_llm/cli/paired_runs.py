"""The verb ``compare`` on runs that are there."""

from __future__ import annotations

import argparse
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

from recsim_llm.cli.output import make_console, write_json
from recsim_llm.errors import ConfigError

__all__ = ["handle_two_runs", "judging_words"]


def handle_two_runs(options: argparse.Namespace, judging: Any) -> None:
    """Judge the recommenders of two runs that are there, and print the verdict.

    Args:
        options: of the verb.
        judging: how to judge; None where nothing was said about it.
    """
    from recsim_llm.log.folders import is_run
    from recsim_llm.report import read_servings, thousand_table
    from recsim_llm.report.comparison_page import comparison_table
    from recsim_llm.scenarios.compare_runs import compare_runs

    first, second = Path(options.scenario), Path(options.other)
    for folder in (first, second):
        if not is_run(folder):
            raise ConfigError(
                f"compare: got {folder}, which is no run folder, expected two runs; give one scenario, or two runs"
            )
    out = options.out or Path("runs") / f"{first.name}-{second.name}-{datetime.now():%Y%m%d-%H%M%S}"
    comparison = compare_runs(first, second, out, judging)
    content = comparison.to_json()
    write_json(options, content)
    if not options.quiet:
        console = make_console()
        for line in (*comparison.notes, *comparison.verdict):
            console.print(line)
        console.print(comparison_table(content))
        if thousand := thousand_table(read_servings(content["sources"])):
            console.print(thousand)
        again = shlex.join(["recsim-llm", "compare", str(first), str(second), *judging_words(options)])
        page = f"numbers {out / 'comparison.json'}\nreport  {out / 'report.html'}\nagain   {again}"
        console.print(page)


def judging_words(options: argparse.Namespace) -> list[str]:
    """Return the options that were given of how to judge, as they were given."""
    names = ("metrics", "effect", "confidence", "correction", "groups", "block")
    given = [(name, getattr(options, name)) for name in names]
    words = [word for name, value in given if value is not None for word in (f"--{name}", str(value))]
    return [*words, "--until-decided"] if options.until_decided else words
