"""Verbs of the command that make runs, judge them and say what came of them."""

from __future__ import annotations

import argparse
import gc
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.cli.endings import go_on, go_on_by_folder
from recsim_llm.cli.expectations import judge_by_seeds
from recsim_llm.cli.options import ask_first, read_limits, read_model, read_sharding, read_world
from recsim_llm.cli.output import (
    make_console,
    measured_content,
    print_findings,
    print_forecast,
    print_lines,
    print_little_known,
    print_pairs,
    print_problem,
    print_reading,
    read_reading,
    show_progress,
    show_status,
    spent_so_far,
    write_json,
)
from recsim_llm.cli.paired_runs import handle_two_runs, judging_words
from recsim_llm.cli.trainings import finish_training, resume_trained
from recsim_llm.errors import ConfigError

__all__ = [
    "finish_run",
    "handle_compare",
    "handle_export",
    "handle_report",
    "handle_resume",
    "handle_run",
    "handle_speak",
    "scenario_flags",
]


def handle_run(options: argparse.Namespace) -> int:
    """Run a scenario and print what came of it; return the exit status."""
    from recsim_llm.scenarios.runner import run
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides

    scenario = load_scenario(options.scenario, scenario_flags(options) | parse_overrides(options.set))
    sharding = read_sharding(options)
    if options.expect:
        return judge_by_seeds(scenario, options)
    if options.dry_run:
        _print_dry_run(scenario, options)
        return 0
    out = options.out or Path("runs") / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
    # What is imported by now stays for good: full collections during the run need not search it.
    gc.freeze()
    _tell_other_arithmetic(scenario, options)
    with go_on_by_folder(out), show_progress(options.quiet) as update:
        run(
            scenario,
            out,
            update,
            cache=options.cache,
            confirm=partial(ask_first, options=options),
            sharding=sharding,
        )
    finish_run(out, options)
    return 0


def _tell_other_arithmetic(scenario: Any, options: argparse.Namespace) -> None:
    from recsim_llm.scenarios.runner import other_arithmetic

    for note in other_arithmetic(scenario, options.cache):
        print_problem(note)


def _print_dry_run(scenario: Any, options: argparse.Namespace) -> None:
    from recsim_llm.scenarios.dry_run import forecast_run

    print_forecast(options, forecast_run(scenario))


def handle_compare(options: argparse.Namespace) -> None:
    """Serve the same users with every recommender, or judge a run again, and print the verdict."""
    from recsim_llm.log.folders import is_run
    from recsim_llm.scenarios.compare import compare, compare_again
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides, shipped_scenarios

    judging, folder = _judging(options), Path(options.scenario)
    if options.other is not None:
        _refuse_run_options(options, folder, Path(options.other))
        handle_two_runs(options, judging)
        return
    if is_run(folder):
        _refuse_run_options(options, folder)
        with show_progress(options.quiet) as update:
            comparison = compare_again(
                folder, judging, update, cache=options.cache, limits=read_limits(options), sharding=read_sharding(options)
            )
        _finish_comparison(folder, comparison, options, rule=judging_words(options))
        return
    if folder.is_dir() and options.scenario not in shipped_scenarios():
        raise ConfigError(
            f"compare: got {folder}, a folder without a run, expected a scenario or a run folder; "
            f"`recsim-llm compare SCENARIO --out {shlex.quote(str(folder))}`"
        )
    scenario = load_scenario(options.scenario, scenario_flags(options) | parse_overrides(options.set))
    if options.dry_run:
        _print_dry_run(scenario, options)
        return
    folder = options.out or Path("runs") / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
    _tell_other_arithmetic(scenario, options)
    with go_on_by_folder(folder):
        plan = _plan(options, scenario, folder, judging) if options.plan or options.plan_only else None
        if options.plan_only:
            write_json(options, plan and plan.to_json())
            return
        confirm = partial(ask_first, options=options)
        with show_progress(options.quiet) as update:
            comparison = compare(
                scenario,
                folder,
                judging,
                update,
                plan=plan,
                cache=options.cache,
                confirm=confirm,
                sharding=read_sharding(options),
            )
    _finish_comparison(folder, comparison, options)


def _refuse_run_options(options: argparse.Namespace, *folders: Path) -> None:
    """Refuse what makes a run with runs that are made, as if it had been heeded.

    One run may be finished first, under limits; what is judged of two goes to a folder of its own.
    """
    from recsim_llm.scenarios.schema import parse_overrides

    alone = len(folders) == 1
    given = [
        name for name in scenario_flags(options) | parse_overrides(options.set) if not (alone and name.startswith("limits."))
    ]
    others = ("dry_run", "plan", "plan_only", "deviation", "out" if alone else "cache")
    given += [f"--{name.replace('_', '-')}" for name in others if getattr(options, name)]
    if given:
        made = " and ".join(map(str, folders))
        raise ConfigError(
            f"compare: got {given[0]}, which makes a run, with {made}, made before, expected no more than how to judge; leave "
            "it out, or compare a scenario"
        )


def _finish_comparison(folder: Path, comparison: Any, options: argparse.Namespace, *, rule: Sequence[str] = ()) -> None:
    """Write the report of a comparison and print its verdict; ``rule`` are options by which it was judged again."""
    from recsim_llm.report import read_serving, thousand_table, write_report
    from recsim_llm.report.comparison_page import comparison_table

    with _report_again(folder):
        page, content, reading = write_report(folder), comparison.to_json(), read_reading(folder)
        write_json(options, content | {"reading": reading} | measured_content(folder))
    if not options.quiet:
        console = make_console()
        print_reading(reading)
        print_lines(comparison.verdict)
        console.print(comparison_table(content))
        if thousand := thousand_table(read_serving(folder)):
            console.print(thousand)
        print_lines(comparison.notes)
        print_findings(folder)
        print_little_known(folder)
        again = shlex.join(["recsim-llm", "compare", str(folder), *rule])
        console.print(f"log     {folder}\nreport  {page}\nagain   {again}")


def _judging(options: argparse.Namespace) -> Any:
    """Return how to judge, or None where nothing was said about it."""
    from recsim_llm.comparison import Judging

    metrics = None if options.metrics is None else tuple(name.strip() for name in options.metrics.split(","))
    given = {name: getattr(options, name) for name in ("effect", "confidence", "correction", "groups", "block")}
    given |= {"metrics": metrics, "until_decided": options.until_decided or None}
    given = {name: value for name, value in given.items() if value is not None}
    return Judging(**given) if given else None


def _plan(options: argparse.Namespace, scenario: Any, folder: Path, judging: Any) -> Any:
    """Say what the users planned can show, from a pilot beside the run folder."""
    from recsim_llm.report.comparison_words import plan_lines
    from recsim_llm.scenarios.planning import plan_comparison

    pilot, confirm = folder.with_name(f"{folder.name}-pilot"), partial(ask_first, options=options)
    settings: dict[str, Any] = {"users": options.pilot, "deviation": options.deviation, "cache": options.cache}
    with show_progress(options.quiet) as update:
        plan = plan_comparison(scenario, pilot, judging, update, confirm=confirm, **settings)
    if not options.quiet:
        print_lines(plan_lines(plan.to_json()))
    return plan


def scenario_flags(options: argparse.Namespace) -> dict[str, Any]:
    """Return what options of their own say of a scenario, by dotted keys."""
    recommenders = None if options.recommenders is None else [name.strip() for name in options.recommenders.split(",")]
    more = {**{f"limits.{name}": value for name, value in read_limits(options).items()}, "recommenders": recommenders}
    return read_world(options) | {key: value for key, value in more.items() if value is not None}


def handle_resume(options: argparse.Namespace) -> None:
    """Finish a run that was stopped."""
    from recsim_llm.scenarios.compare import compare_again
    from recsim_llm.scenarios.comparison_settings import is_comparison
    from recsim_llm.scenarios.runner import resume
    from recsim_llm.training.training_folder import is_training

    more: dict[str, Any] = {"cache": options.cache, "limits": read_limits(options), "sharding": read_sharding(options)}
    if is_training(options.run):
        resume_trained(options)
        return
    with go_on_by_folder(options.run), show_progress(options.quiet) as update:
        comparison = compare_again(options.run, None, update, **more) if is_comparison(options.run) else None
        if comparison is None:
            resume(options.run, update, **more)
    if comparison is None:
        finish_run(options.run, options)
    else:
        _finish_comparison(options.run, comparison, options)


def handle_speak(options: argparse.Namespace) -> None:
    """Let users of a run review, explain and be interviewed."""
    from recsim_llm.report import agreement_line, example_source, interview_table, read_speech, write_report
    from recsim_llm.scenarios.dry_run import forecast_speech
    from recsim_llm.scenarios.speech import speak

    if options.base_url is not None and options.model is None:
        raise ConfigError("--base-url: got an address without a model, expected --model openai-compatible/NAME with it")
    writer = {"name": options.model, "base_url": options.base_url}
    models = {"writer": options.model and writer, "judge": options.judge}
    given = {role: model for role, model in models.items() if model}
    asked: dict[str, Any] = {name: getattr(options, name) for name in ("reviews", "reasons", "interviews", "seed", "templates")}
    if options.dry_run:
        print_forecast(options, forecast_speech(options.run, given, **asked))
        return
    with go_on("what models answered is kept; give the same command again"), show_status(options.quiet) as update:
        path = speak(
            options.run,
            models=given,
            cache=options.cache,
            limits=read_limits(options),
            progress=lambda state: update(f"{state.kind} {state.done:,} of {state.planned:,}  {spent_so_far(state.spent)}"),
            **asked,
        )
    speech, page = read_speech(options.run), write_report(options.run)
    write_json(options, speech and speech.to_json())
    if not options.quiet and speech is not None:
        console = make_console()
        for row in speech.examples:
            console.print(f"{example_source(row)}\n  {row['text']}")
        if speech.interviews:
            console.print(interview_table(speech))
        if line := agreement_line(speech):
            console.print(line)
        console.print(f"texts   {path}\nreport  {page}")


def handle_report(options: argparse.Namespace) -> None:
    """Write the report of a run again."""
    from recsim_llm.log.folders import is_run
    from recsim_llm.training.training_folder import is_training

    if not is_run(options.run):
        raise ConfigError(f"report: got {options.run}, which has no manifest.json, expected a run folder")
    if is_training(options.run):
        if options.sessions is not None:
            raise ConfigError(
                f"--sessions: got {options.run}, a training, expected a run; name its folder evaluation, which is one"
            )
        finish_training(options.run, options)
        return
    finish_run(options.run, options, card=options.realism, ope=options.ope, audits=options.audit, sessions=options.sessions)


def finish_run(run: Path, options: argparse.Namespace, **given: Any) -> None:
    """Write the report of a run, with what else is ``given`` for it, and print what came of the run."""
    from recsim_llm.comparison import summarise
    from recsim_llm.log.manifest import read_manifest
    from recsim_llm.log.unread_words import unread_line
    from recsim_llm.report import (
        SESSIONS_PAGE,
        calls_line,
        enrichment_line,
        obedience_lines,
        read_calls,
        read_serving,
        serving_line,
        summary_table,
        thousand_table,
        verdict,
        write_report,
    )

    with _report_again(run):
        summary = summarise(run)
        path, reading = write_report(run, summary=summary, **given), read_reading(run)
        write_json(options, summary.to_json() | {"reading": reading} | measured_content(run))
    if not options.quiet:
        console = make_console()
        print_reading(reading)
        if enriched := enrichment_line(read_manifest(run)):
            console.print(f"words about items: {enriched}")
        console.print(verdict(summary))
        console.print(summary_table(summary))
        print_findings(run)
        print_lines(obedience_lines(run))
        if calls := calls_line(read_calls(run)):
            console.print(calls)
        serving = read_serving(run)
        if thousand := thousand_table(serving):
            console.print(thousand)
        if served := serving_line(serving):
            print_lines([served])
        if unread := unread_line(run):
            print_lines([unread])
        print_little_known(run)
        shown = "" if given.get("sessions") is None else f"sessions {run / SESSIONS_PAGE}\n"
        console.print(f"log     {run}\nreport  {path}\n{shown}again   recsim-llm report {shlex.quote(str(run))}")


def _report_again(run: Path) -> AbstractContextManager[None]:
    return go_on(f"the log is as it was; `recsim-llm report {shlex.quote(str(run))}` writes its report")


def handle_export(options: argparse.Namespace) -> None:
    """Write a run in the form of another library."""
    from recsim_llm.scenarios.export import export

    model, privacy = _narrative_model(options), _privacy(options)
    kept = (
        nullcontext() if model is None else go_on("what the model wrote is kept beside the folder; give the same command again")
    )
    with kept:
        content = export(
            options.run,
            options.format,
            options.out,
            arm=options.arm,
            anonymous=options.anonymous,
            privacy=privacy,
            model=model,
        )
    write_json(options, content)
    if not options.quiet:
        counts = {
            f"{arm} {name.replace('_', ' ')}": count
            for arm, written in content["arms"].items()
            for name, count in written.items()
            if name != "folder"
        }
        left_out = {f"{arm} left out": reason for arm, reason in content["left_out"].items()}
        print_pairs(f"{options.format} in {options.out}", counts | left_out)
        print_lines(content["notes"])


def _privacy(options: argparse.Namespace) -> Any:
    """Return what an export of counts may tell of any one user; None where it is exact."""
    if options.epsilon is None:
        if options.most_items is not None:
            raise ConfigError("--most-items: got it without --epsilon, expected both, since exact counts take all; add it")
        return None
    from recsim_llm.exports import Privacy

    given = {} if options.most_items is None else {"most_items": options.most_items}
    return Privacy(epsilon=options.epsilon, **given)


def _narrative_model(options: argparse.Namespace) -> Any:
    """Return the language model that writes an export's queries; None where none is named."""
    if options.model is None:
        if options.base_url is not None or options.cache is not None or read_limits(options):
            raise ConfigError("export: got how a language model is asked without one, expected --model provider/name with it")
        return None
    from recsim_llm.scenarios.narrative_writing import NarrativeModel

    settings = read_model(options.model, options.base_url)
    confirm = partial(ask_first, options=options)
    return NarrativeModel(settings=settings, cache=options.cache, limits=read_limits(options), confirm=confirm)
