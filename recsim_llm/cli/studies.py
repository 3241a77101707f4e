"""Verbs of the command that ask more of a log or of a language model: off-policy estimates, audits, personas."""

from __future__ import annotations

import argparse
import shlex
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on, go_on_by_calls
from recsim_llm.cli.options import ask_first, read_limits, read_model, read_studied, read_table_options
from recsim_llm.cli.output import (
    make_console,
    print_forecast,
    print_lines,
    print_pairs,
    print_reading,
    show_pages,
    show_status,
    write_json,
)
from recsim_llm.errors import ConfigError

__all__ = ["handle_audit", "handle_ope", "handle_personas", "handle_warm", "print_audits"]


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


def handle_personas(options: argparse.Namespace) -> None:
    """Have personas written and checked, and save them."""
    from recsim_llm.data.reading_notes import reading_record
    from recsim_llm.report.numbers import with_interval
    from recsim_llm.scenarios.dry_run import forecast_personas
    from recsim_llm.scenarios.personas_run import make_personas
    from recsim_llm.scenarios.study_requests import calls_beside

    request = _personas_request(options)
    if options.dry_run:
        print_forecast(options, forecast_personas(request))
        return
    calls = calls_beside(options.out)
    with go_on(f"what the model wrote is kept in {calls}; give the same command again"), show_pages(options.quiet) as update:
        found, dataset = make_personas(request, options.out, progress=update, confirm=partial(ask_first, options=options))
    reading = reading_record(dataset)
    write_json(options, found.to_json() | {"reading": reading})
    if options.quiet:
        return
    print_reading(reading)
    table = {
        "users": len(found.personas),
        "passed, 95% by user": with_interval(found.passed, share=True),
        "claims that agree, 95% by user": with_interval(found.agreement, share=True),
    }
    print_pairs(f"personas by {options.model} in {options.out}", table)
    use = f"to use them  --set users.parameters.personas={shlex.quote(str(options.out))}"
    none = "none can be used: no persona passed its checks, see their faults in the file; take another --model"
    print_lines([use if found.passed.value else none])


def _personas_request(options: argparse.Namespace) -> Any:
    """Return of whom personas shall be written."""
    from recsim_llm.data.table_settings import TableSettings
    from recsim_llm.scenarios.personas_run import PersonasRequest
    from recsim_llm.scenarios.schema import parse_overrides
    from recsim_llm.scenarios.study_requests import split_settings

    if options.model is None:
        raise ConfigError("personas: got no model, expected --model provider/name")
    model, parameters = split_settings(parse_overrides(options.set))
    return PersonasRequest(
        data=options.ratings,
        model=read_model(options.model, options.base_url, **model),
        parameters=parameters,
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
        seed=options.seed,
        users=options.n_users,
        templates=options.templates,
    )


def print_audits() -> None:
    """Print what each audit asks, a line each."""
    from recsim_llm.scenarios.audit_run import EVERY_AUDIT

    console = make_console()
    for name, kind in EVERY_AUDIT.items():
        able = "" if kind.choice is None else f" (also of {kind.choice_name})"
        able = able if kind.recommender is None else " (of any recommender)"
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
    settings = parse_overrides(options.set)
    policy = {key.removeprefix("policy."): value for key, value in settings.items() if key.startswith("policy.")}
    asked, parameters = split_settings({key: value for key, value in settings.items() if not key.startswith("policy.")})
    model = read_studied(options, asked)
    return AuditRequest(
        audit=options.name,
        data=options.data,
        seed=randbelow(2**31) if options.seed is None else options.seed,
        users=options.users,
        model=model,
        n_users=options.n_users,
        parameters=parameters,
        policy=policy,
        recommender=options.recommender,
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
    )


def handle_warm(options: argparse.Namespace) -> None:
    """Simulate clicks on items that nobody has rated, or measure what they are worth, and print that."""
    from recsim_llm.data.reading_notes import reading_record
    from recsim_llm.log.locks import lock_folder
    from recsim_llm.report.warming_table import warming_table
    from recsim_llm.scenarios.dry_run import forecast_warming
    from recsim_llm.scenarios.warming_run import make_warming

    request = _warming_request(options)
    if options.dry_run:
        print_forecast(options, forecast_warming(request))
        return
    out = options.out or Path("warm") / f"{datetime.now():%Y%m%d-%H%M%S}"
    with lock_folder(out, "warm"), go_on_by_calls(out, request.seed), show_status(options.quiet) as update:
        content, dataset = make_warming(request, out, progress=update, confirm=partial(ask_first, options=options))
    reading = reading_record(dataset)
    write_json(options, content | {"reading": reading})
    if options.quiet:
        return
    print_reading(reading)
    if request.held_out is not None:
        make_console().print(warming_table(content))
        print_lines([f"kept    {out}"])
        return
    print_pairs(f"simulated clicks in {out}", content["facts"])
    setting = shlex.quote(f"recommenders=[mf, {{name: warmed, settings: {{base: mf, interactions: {out}}}}}]")
    print_lines([f"to use them  --set {setting}"])


def _warming_request(options: argparse.Namespace) -> Any:
    """Return what shall be simulated or measured."""
    from secrets import randbelow

    from recsim_llm.data.table_settings import TableSettings
    from recsim_llm.realism.cold.simulated_clicks import Asked
    from recsim_llm.scenarios.schema import parse_overrides
    from recsim_llm.scenarios.study_requests import split_settings
    from recsim_llm.scenarios.warming_run import WarmingRequest

    asked, parameters = split_settings(parse_overrides(options.set))
    return WarmingRequest(
        data=options.ratings,
        model=read_studied(options, asked),
        parameters=parameters,
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
        seed=randbelow(2**31) if options.seed is None else options.seed,
        users=options.users,
        asked=Asked(clicks=options.clicks, shown=options.shown, users=options.n_users),
        held_out=options.held_out,
        draws=options.draws,
        recommenders=tuple(name.strip() for name in options.recommenders.split(",")),
        page_size=options.page_size,
    )
