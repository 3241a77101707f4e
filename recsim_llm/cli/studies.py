"""Verbs of the command that ask more of a log or of a language model: off-policy estimates and audits."""

from __future__ import annotations

import argparse

from recsim_llm.cli.output import make_console, show_status, write_json

__all__ = ["handle_ope"]


def handle_ope(options: argparse.Namespace) -> None:
    """Estimate from a log what another recommender would have earned, and print it."""
    from recsim_llm.report import write_report
    from recsim_llm.report.ope_page import ope_table
    from recsim_llm.scenarios.ope_run import OpeRequest, estimate_from_log
    from recsim_llm.scenarios.schema import parse_overrides

    named = None if options.estimators is None else tuple(name.strip() for name in options.estimators.split(","))
    request = OpeRequest(
        run=options.run,
        logging=options.logging,
        target=options.target,
        settings=parse_overrides(options.set),
        pages=options.pages,
        estimators=named,
    )
    with show_status(options.quiet) as update:
        content = estimate_from_log(request, update)
        page = write_report(options.run)
    write_json(options, content)
    if not options.quiet:
        console = make_console()
        console.print(ope_table(content))
        console.print(f"report  {page}", highlight=False)
