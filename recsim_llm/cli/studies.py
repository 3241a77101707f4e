"""Verbs of the command that ask more of a log or of a language model: off-policy estimates and audits."""

from __future__ import annotations

import argparse
import shlex
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on_by_calls
from recsim_llm.cli.options import ask_first, read_limits, read_studied, read_table_options
from recsim_llm.cli.output import make_console, print_forecast, print_reading, show_status, write_json
from recsim_llm.errors import ConfigError

__all__ = ["handle_audit", "handle_ope", "print_audits"]


def handle_ope(options: argparse.Namespace) -> None:
    """Estimate from a log what another recommender would have earned, and print it."""
    from recsim_llm.report.ope_page import ope_table
    from recsim_llm.report.ope_rows import OPE_FILE
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
    write_json(options, content)
    if not options.quiet:
        console = make_console()
        console.print(ope_table(content))
        console.print(f"kept    {options.run / OPE_FILE}\nreport  recsim-llm report {shlex.quote(str(options.run))}")


def handle_audit(options: argparse.Namespace) -> None:
    """Audit a language model or fitted users and print what was found."""
    from recsim_llm.log.locks import lock_folder
    from recsim_llm.report.audit_page import audit_table, write_audit
    from recsim_llm.scenarios.audit_run import make_audit
    from recsim_llm.scenarios.dry_run import forecast_audit

    request = _audit_request(options)
    if options.dry_run:
        print_forecast(options, forecast_audit(request))
        return
    out = options.out or Path("audits") / f"{options.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with lock_folder(out, "audit"), go_on_by_calls(out, request.seed), show_status(options.quiet) as update:
        content = make_audit(request, out, progress=update, confirm=partial(ask_first, options=options))
        page = write_audit(content, out)
    write_json(options, content)
    if not options.quiet:
        console = make_console()
        print_reading(content["reading"])
        console.print(audit_table(content))
        shown = f"recsim-llm report RUN --audit {shlex.quote(str(out))}"
        console.print(f"audit   {out}\npage    {page}\nreport  {shown}")


def print_audits() -> None:
    """Print what each audit asks, a line each."""
    from recsim_llm.scenarios.audit_run import EVERY_AUDIT

    console = make_console()
    for name, kind in EVERY_AUDIT.items():
        able = "" if kind.choice is None else " (also of choice users)"
        console.print(f"{name:<14}{kind.question}{able}")


def _audit_request(options: argparse.Namespace) -> Any:
    """Return what shall be audited."""
    from secrets import randbelow

    from recsim_llm.data.table_settings import TableSettings
    from recsim_llm.scenarios.audit_run import AuditRequest
    from recsim_llm.scenarios.schema import parse_overrides
    from recsim_llm.scenarios.study_requests import split_settings

    if options.base_url is not None and options.model is None:
        raise ConfigError("--base-url: got an address without a model, expected --model openai-compatible/NAME with it")
    asked, parameters = split_settings(parse_overrides(options.set))
    model = read_studied(options, asked)
    return AuditRequest(
        audit=options.name,
        data=options.data,
        seed=randbelow(2**31) if options.seed is None else options.seed,
        users=options.users,
        model=model,
        n_users=options.n_users,
        parameters=parameters,
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
    )
