"""Verbs of the command about users, models and data."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsim_llm.cli.dialogue_cards import score_dialogues
from recsim_llm.cli.endings import go_on, go_on_by_calls
from recsim_llm.cli.options import ask_first, read_exposure_options, read_limits, read_model, read_studied, read_table_options
from recsim_llm.cli.output import (
    make_console,
    print_forecast,
    print_pairs,
    print_parameters,
    print_reading,
    show_pages,
    show_status,
    write_json,
)
from recsim_llm.errors import ConfigError, RecSimError

if TYPE_CHECKING:
    from recsim_llm.language.probing.probe_report import ProbeReport

__all__ = ["handle_calibrate", "handle_fit", "handle_probe", "handle_realism"]

_PROBE_SECONDS = 55.0  # for all of a probe, starting left out: nobody waits longer than a minute
_FAMILY_SEED = 11  # of the users and items by which families of prompts are told apart


def handle_fit(options: argparse.Namespace) -> None:
    """Fit choice users and save them."""
    from recsim_llm.agents.choice.saved_fits import fit_and_save
    from recsim_llm.data import open_dataset
    from recsim_llm.data.reading_notes import reading_record
    from recsim_llm.log import open_exposures

    dataset = open_dataset(options.ratings, **read_table_options(options))
    how = read_exposure_options(options, alone=False)
    if how and options.exposures is None:
        raise ConfigError(f"fit: got {next(iter(how))} without a log that it could be of, expected --exposures LOG with it")
    exposures = None if options.exposures is None else open_exposures(options.exposures, **how)
    selection = _rating_selection(options, dataset)
    with show_status(options.quiet or exposures is None) as update:
        table = fit_and_save(
            dataset,
            options.out,
            seed=options.seed,
            held_out=options.held_out,
            exposures=exposures,
            selection=selection,
            progress=update,
        )
    reading = reading_record(dataset)
    write_json(options, table | {"reading": reading})
    if not options.quiet:
        parameters = table.pop("parameters")
        print_reading(reading)
        print_pairs(f"fitted choice users in {options.out}", table)
        if exposures is not None:
            print_parameters(parameters)


def _rating_selection(options: argparse.Namespace, dataset: Any) -> Any:
    """Return what a fit does about people's having chosen what they rated; None for nothing."""
    from recsim_llm.agents.choice.rating_selection import RatingSelection, match_propensities
    from recsim_llm.log import open_exposures

    which, part = options.propensities, options.propensity_part
    if which in ("none", "estimated"):
        if part is not None:
            raise ConfigError(
                f"--propensity-part: got {part!r} without a log, expected --propensities LOG with it; leave it out"
            )
        return None if which == "none" else RatingSelection(method="doubly robust")
    exposures = open_exposures(which, part=part)
    return RatingSelection(method="doubly robust", propensity=match_propensities(dataset, exposures))


def handle_calibrate(options: argparse.Namespace) -> None:
    """Fit a language model's answers to real people's feedback and save that."""
    from recsim_llm.data.reading_notes import reading_record
    from recsim_llm.report.calibration_page import calibration_table, taste_table
    from recsim_llm.scenarios.calibration_run import make_calibration
    from recsim_llm.scenarios.dry_run import forecast_calibration
    from recsim_llm.scenarios.study_requests import calls_beside

    request = _calibration_request(options)
    if options.dry_run:
        print_forecast(options, forecast_calibration(request))
        return
    calls = calls_beside(options.out)
    with go_on(f"what the model answered is kept in {calls}; give the same command again"), show_pages(options.quiet) as update:
        found, dataset = make_calibration(
            request,
            options.out,
            progress=update,
            confirm=partial(ask_first, options=options),
        )
    reading, record = reading_record(dataset), found.record or {}
    write_json(options, json.loads(options.out.read_text(encoding="utf-8")) | {"reading": reading})
    if not options.quiet:
        console = make_console()
        print_reading(reading)
        console.print(calibration_table(record))
        console.print(taste_table(record["taste"]))
        numbers = {name: value for name, value in vars(found).items() if name != "record"}
        console.print(", ".join(f"{name} {_rounded(value)}" for name, value in numbers.items()))
        console.print(f"calibration  {options.out}\ncalls        {calls}")
        console.print(f"to use it    --set users.parameters.calibration={shlex.quote(str(options.out))}")


def _rounded(value: Any) -> str:
    return " ".join(f"{number:.3f}" for number in value) if isinstance(value, tuple) else f"{value:.3f}"


def _calibration_request(options: argparse.Namespace) -> Any:
    """Return what a calibration shall be made of."""
    from recsim_llm.data.table_settings import TableSettings
    from recsim_llm.scenarios.calibration_run import CalibrationRequest
    from recsim_llm.scenarios.schema import parse_overrides
    from recsim_llm.scenarios.study_requests import split_settings

    if options.model is None:
        raise ConfigError("calibrate: got no model, expected --model provider/name")
    model, parameters = split_settings(parse_overrides(options.set))
    given = {"click_rate": options.click_rate, "visit_pages": options.visit_pages}
    return CalibrationRequest(
        data=options.ratings,
        model=read_model(options.model, options.base_url, **model),
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
        seed=options.seed,
        users=options.n_users,
        parameters=parameters,
        **{name: value for name, value in given.items() if value is not None},
    )


def handle_realism(options: argparse.Namespace) -> None:
    """Score users against real people and print the card."""
    from recsim_llm.data.reading_notes import reading_record
    from recsim_llm.log.locks import lock_folder
    from recsim_llm.report.realism_page import realism_table, write_realism
    from recsim_llm.scenarios.dry_run import forecast_card
    from recsim_llm.scenarios.realism_run import card_facts, make_card

    if options.dialogues is not None or options.simulated is not None:
        score_dialogues(options)
        return
    request = _card_request(options)
    if options.dry_run:
        print_forecast(options, forecast_card(request))
        return
    out = options.out or Path("cards") / f"{request.users.replace(':', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    with lock_folder(out, "card"):
        with go_on_by_calls(out, request.seeds[0]), show_status(options.quiet) as update:
            card, dataset = make_card(request, out, progress=update, confirm=partial(ask_first, options=options))
        content = card.to_json()
        page = write_realism(content, out, card_facts(request, dataset))
    reading = reading_record(dataset)
    write_json(options, content | {"reading": reading})
    if not options.quiet:
        console = make_console()
        print_reading(reading)
        console.print(realism_table(content))
        console.print(f"card    {out}\nreport  {page}")


def _card_request(options: argparse.Namespace) -> Any:
    """Return what a card shall be made of."""
    from secrets import randbelow

    from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
    from recsim_llm.data.table_settings import TableSettings
    from recsim_llm.scenarios.card_browsers import LOG_USERS
    from recsim_llm.scenarios.realism_run import CardRequest
    from recsim_llm.scenarios.schema import parse_overrides
    from recsim_llm.scenarios.study_requests import split_settings

    if options.base_url is not None and options.model is None:
        raise ConfigError("--base-url: got an address without a model, expected --model openai-compatible/NAME with it")
    count = (5 if options.model is None else 1) if options.seeds is None else options.seeds
    if count < 1:
        raise ConfigError(f"--seeds: got {count}, expected 1 or more")
    first = randbelow(2**31) if options.seed is None else options.seed
    asked, parameters = split_settings(parse_overrides(options.set))
    model = read_studied(options, asked)
    families = None if options.families is None else tuple(name.strip() for name in options.families.split(","))
    alone = options.data is None and options.exposures is not None
    return CardRequest(
        data=options.data or "",
        exposures=options.exposures,
        random_exposures=options.random_exposures,
        log=ExposureSettings.of(read_exposure_options(options, alone=alone)),
        users=options.users or (LOG_USERS if alone else "choice"),
        model=model,
        n_users=options.n_users,
        seeds=tuple(range(first, first + count)),
        split=options.split,
        calibration=options.calibration,
        families=families,
        parameters=parameters,
        tables=TableSettings.of(read_table_options(options)),
        cache=options.cache,
        limits=read_limits(options),
    )


def handle_probe(options: argparse.Namespace) -> None:
    """Find out what a model really does and print it."""
    from recsim_llm.language.providers import probe_model

    begun = time.perf_counter()
    settings = read_model(options.name, options.base_url)
    report = probe_model(settings)
    families, more = _measure_families(settings, report, _PROBE_SECONDS - (time.perf_counter() - begun))
    write_json(options, report.to_json() | {"families": families})
    if not options.quiet:
        make_console().print(report.table(more))


def _measure_families(
    settings: Any, report: ProbeReport, seconds: float
) -> tuple[dict[str, Any] | None, list[tuple[str, str, str]]]:
    """Measure which family of prompts suits a model, if the seconds suffice; return it for JSON, or None, and as rows."""
    from recsim_llm.agents.language.family_measure import measure_families, seconds_of_families
    from recsim_llm.data import open_dataset
    from recsim_llm.language.providers import Roles

    needed = seconds_of_families(report)
    if needed is not None and needed > seconds:
        slow = f"would take {needed:.0f} s, {max(seconds, 0):.0f} s were left; recsim-llm realism tells how much taste there is"
        return None, [("templates", "not measured", slow)]
    try:
        with Roles({"user": settings}) as roles:
            found = measure_families(roles.role("user"), open_dataset("fictional"), seed=_FAMILY_SEED, seconds=seconds)
    except RecSimError as error:
        return None, [("templates", "unknown", str(error))]
    return found.to_json(), found.rows()
