"""The command ``recsim-llm``."""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm import __version__
from recsim_llm.errors import ConfigError, RecSimError, RunExistsError

__all__ = ["main"]

Handler = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 with a one-line reason for bad input."""
    options = _parser().parse_args(arguments)
    try:
        if getattr(options, "json", None) is not None and not options.json.parent.is_dir():
            raise ConfigError(f"--json: got {options.json}, expected a file in a folder that exists; make the folder first")
        options.handler(options)
    except RecSimError as error:
        print(f"recsim-llm: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("recsim-llm: stopped; a run that had begun goes on with `recsim-llm resume FOLDER`", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsim-llm", description="A wind tunnel for recommenders: simulated users browse recommendations page by page."
    )
    parser.add_argument("--version", action="version", version=f"recsim-llm {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _run_parser(commands)
    _compare_parser(commands)
    _resume_parser(commands)
    _report_parser(commands)
    _speak_parser(commands)
    _export_parser(commands)
    _probe_parser(commands)
    _fit_parser(commands)
    _calibrate_parser(commands)
    _realism_parser(commands)
    _data_parser(commands)
    _list_parser(commands)
    return parser


def _add(commands: Any, name: str, summary: str, example: str, handler: Handler) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser


def _run_parser(commands: Any) -> None:
    example = "recsim-llm run movielens --data ml-latest-small --pages 20 --seed 7 --out runs/first"
    parser = _add(commands, "run", "run a scenario: users browse what each recommender shows", example, _run)
    parser.add_argument("scenario", help="name of a shipped scenario (see `recsim-llm list`) or path of a .yaml file")
    _scenario_options(parser)


def _compare_parser(commands: Any) -> None:
    example = "recsim-llm compare ab --effect 0.3 --plan --out runs/ab"
    parser = _add(
        commands, "compare", "run recommenders on the same users and say which differences are real", example, _compare
    )
    parser.add_argument("scenario", help="name of a shipped scenario, path of a .yaml file, or a run folder to be judged again")
    _scenario_options(parser)
    parser.add_argument(
        "--metrics", metavar="A,B", help="metrics, the first is the one that decides (default: clicks_per_user, …)"
    )
    parser.add_argument("--effect", metavar="X", type=float, help="smallest difference of the first metric that matters")
    parser.add_argument("--confidence", metavar="C", type=float, help="of all claims together, 0 to 1 (default: 0.95)")
    parser.add_argument("--correction", choices=["holm", "bh"], help="over metrics and pairs (default: holm)")
    parser.add_argument("--groups", metavar="NAME", help="trait or demographic field that groups users (default: activity)")
    parser.add_argument("--until-decided", action="store_true", help="serve users block by block until it is decided")
    parser.add_argument("--block", metavar="N", type=int, help="users a block (default: a tenth of them, at least 50)")
    parser.add_argument("--plan", action="store_true", help="first say, from a pilot, what so many users can show")
    parser.add_argument("--plan-only", action="store_true", help="likewise, and run nothing else")
    parser.add_argument("--pilot", metavar="N", type=int, default=100, help="users of the pilot (default: 100)")
    parser.add_argument("--deviation", metavar="X", type=float, help="deviation of users' differences, in place of a pilot")


def _scenario_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="PATH", help="folder of a data set, name of a downloaded one, or 'fictional'")
    _table_options(parser)
    parser.add_argument("--users", metavar="MODEL", help="user model: choice, language, cascade or replay")
    _model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="number of users; more than the data has are synthetic")
    parser.add_argument("--pages", metavar="N", type=int, help="pages after which a visit is cut off")
    parser.add_argument("--visits", metavar="N", type=int, help="most visits a user makes")
    parser.add_argument("--slate-size", metavar="K", type=int, help="items a page")
    parser.add_argument("--recommenders", metavar="A,B", help="recommenders, the first one is what others are compared with")
    parser.add_argument("--reward", metavar="NAME", help="reward that the log records")
    parser.add_argument("--seed", metavar="S", type=int, help="seed of everything random; drawn and recorded if not given")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other setting, dotted: users.parameters.boredom=0.9",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="run folder, must be new (default: runs/SCENARIO-TIME)")
    _spending_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before a run that may cost much")
    _output_options(parser)


def _resume_parser(commands: Any) -> None:
    parser = _add(commands, "resume", "finish a run that was stopped", "recsim-llm resume runs/first", _resume)
    parser.add_argument("run", type=Path, help="run folder")
    _spending_options(parser)
    _output_options(parser)


def _probe_parser(commands: Any) -> None:
    example = "recsim-llm probe openai-compatible/qwen3-8b --base-url http://127.0.0.1:8000/v1"
    parser = _add(commands, "probe", "find out what a language model's server really does", example, _probe)
    parser.add_argument("name", metavar="MODEL", help="provider/name")
    parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server, up to and with /v1")
    _output_options(parser)


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="language model that plays the users: provider/name")
    parser.add_argument("--base-url", metavar="URL", help="address of its OpenAI-compatible server, up to and with /v1")


def _spending_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", metavar="RUN", type=Path, help="run folder whose answers are used before a model is asked")
    parser.add_argument(
        "--max-calls", metavar="N", type=int, help="stop, to be resumed, after so many calls of language models"
    )
    parser.add_argument("--max-calls-a-user", metavar="N", type=int, help="likewise, calls about one user")
    parser.add_argument("--max-tokens", metavar="N", type=int, help="likewise, tokens read and written")
    parser.add_argument("--max-cost", metavar="USD", type=float, help="likewise, dollars; needs prices")
    parser.add_argument("--max-seconds", metavar="S", type=float, help="likewise, seconds of wall-clock time")


def _report_parser(commands: Any) -> None:
    parser = _add(commands, "report", "write report.html of a run and print its table", "recsim-llm report runs/first", _report)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--realism", metavar="CARD", type=Path, help="folder of a realism card of its users, to be on the page")
    _output_options(parser)


def _speak_parser(commands: Any) -> None:
    example = "recsim-llm speak runs/first --reviews 20 --reasons 20 --interviews 20 --model openai/gpt-4.1-mini"
    summary = "have users of a run write reviews, give reasons and answer a questionnaire"
    parser = _add(commands, "speak", summary, example, _speak)
    parser.add_argument("run", type=Path, help="run folder; its log stays as it is")
    parser.add_argument("--reviews", metavar="N", type=int, default=0, help="reviews for each recommender")
    parser.add_argument("--reasons", metavar="N", type=int, default=0, help="reasons for each recommender")
    parser.add_argument(
        "--interviews", metavar="N", type=int, default=0, help="visits for each recommender that are asked about"
    )
    parser.add_argument("--model", metavar="NAME", help="language model that writes: provider/name (default: the run's)")
    parser.add_argument("--base-url", metavar="URL", help="address of its OpenAI-compatible server, up to and with /v1")
    parser.add_argument("--judge", metavar="NAME", help="language model that judges the reviews (default: the one that writes)")
    parser.add_argument("--seed", metavar="S", type=int, help="seed of the draw of moments (default: the run's)")
    parser.add_argument("--templates", metavar="NAME", help="language of the prompts, or a folder with templates")
    _spending_options(parser)
    _output_options(parser)


def _export_parser(commands: Any) -> None:
    example = "recsim-llm export runs/first obp exports/first"
    parser = _add(commands, "export", "write the log of a run in the form that another library reads", example, _export)
    parser.add_argument("run", type=Path, help="run folder; nothing in it is changed")
    parser.add_argument("format", help="obp, obp-slates, minari, recbole, movielens or dialogues")
    parser.add_argument("out", type=Path, help="folder for the export; must be new")
    parser.add_argument("--arm", metavar="NAME", help="the only recommender to export (default: all that are finished)")
    parser.add_argument(
        "--anonymous", action="store_true", help="replace user ids, and leave out demographics, texts and seeds"
    )
    _output_options(parser)


def _fit_parser(commands: Any) -> None:
    parser = _add(
        commands, "fit", "fit choice users to ratings and save them", "recsim-llm fit ml-latest-small fitted/ml", _fit
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("out", type=Path, help="folder for the fitted model and population; must be new")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="seed of the fit's start values")
    parser.add_argument("--held-out", action="store_true", help="also score the model on the last 20%% of each user's ratings")
    _table_options(parser)
    _output_options(parser)


def _calibrate_parser(commands: Any) -> None:
    example = "recsim-llm calibrate ml-latest-small mistral.json --model openai-compatible/mistral --base-url http://HOST/v1"
    parser = _add(
        commands, "calibrate", "fit a language model's answers to real users' choices and save it", example, _calibrate
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("out", type=Path, help="JSON file to write; a run takes it: --set users.parameters.calibration=FILE")
    _model_options(parser)
    parser.add_argument(
        "--n-users", type=int, default=100, metavar="N", help="users to ask about, one call each (default: 100)"
    )
    parser.add_argument("--click-rate", type=float, metavar="SHARE", help="share of examined items that the users shall take")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="seed of users, items and their order")
    _table_options(parser)
    _output_options(parser)


def _realism_parser(commands: Any) -> None:
    example = "recsim-llm realism --data ml-latest-small --users choice --seed 7 --out cards/choice"
    parser = _add(commands, "realism", "score simulated users against real people, on held-out ratings", example, _realism)
    parser.add_argument(
        "--data", metavar="RATINGS", required=True, help="folder of a data set, name of a downloaded one, or 'fictional'"
    )
    _table_options(parser)
    parser.add_argument("--users", metavar="MODEL", default="choice", help="user model: choice (default), language, cascade")
    _model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="most users (default: all; 20 with a language model)")
    parser.add_argument("--seeds", metavar="N", type=int, help="trials, one seed each (default: 5; 1 with a language model)")
    parser.add_argument("--seed", metavar="S", type=int, help="first seed; drawn and shown if not given")
    parser.add_argument("--split", choices=["time", "random"], default="time", help="what is held out of each user's ratings")
    parser.add_argument(
        "--calibration", metavar="FILE", help="calibration of language users, or 'fit': the card shows before and after"
    )
    parser.add_argument("--families", metavar="A,B", help="families of recommenders that the users were built from")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the card (default: cards/USERS-TIME)")
    _spending_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before a card that may cost much")
    _output_options(parser)


def _data_parser(commands: Any) -> None:
    parser = _add(commands, "data", "download public data sets", "recsim-llm data get ml-latest-small", _data)
    parser.add_argument("verb", choices=["get"])
    parser.add_argument("name", help="ml-latest-small, ml-1m or ml-100k")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _list_parser(commands: Any) -> None:
    parser = _add(commands, "list", "list scenarios, recommenders, user models and rewards", "recsim-llm list", _list)
    _output_options(parser)


def _table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column",
        metavar="NAME=THEIRS",
        action="append",
        default=[],
        help="a column of your own tables under another name: --column user_id=reviewer",
    )
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave unusable rows out and count them")


def _columns(options: argparse.Namespace) -> dict[str, str]:
    wrong = [pair for pair in options.column if not all(pair.partition("=")[::2])]
    if wrong:
        raise ConfigError(f"--column: got {wrong[0]!r}, expected NAME=THEIRS, for instance user_id=reviewer")
    return dict(pair.split("=", 1) for pair in options.column)


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the printed table as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _run(options: argparse.Namespace) -> None:
    from recsim_llm.scenarios.runner import run
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides

    scenario = load_scenario(options.scenario, _flags(options) | parse_overrides(options.set))
    out = options.out or Path("runs") / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
    # What is imported by now stays for good: full collections during the run need not search it.
    gc.freeze()
    try:
        with _progress(options.quiet) as update:
            run(scenario, out, update, cache=options.cache, confirm=partial(_confirm, options=options))
    except RecSimError as error:
        if (out / "manifest.json").is_file() and not isinstance(error, RunExistsError):
            print(f"recsim-llm: what was done is kept; go on with `recsim-llm resume {out}`", file=sys.stderr)  # noqa: T201
        raise
    _finish(out, options)


def _compare(options: argparse.Namespace) -> None:
    from recsim_llm.report import write_report
    from recsim_llm.report.comparison import comparison_table
    from recsim_llm.scenarios.compare import compare, compare_again, is_run
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides

    judging, folder = _judging(options), Path(options.scenario)
    if is_run(folder):
        with _progress(options.quiet) as update:
            comparison = compare_again(folder, judging, update)
    else:
        scenario = load_scenario(options.scenario, _flags(options) | parse_overrides(options.set))
        folder = options.out or Path("runs") / f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
        plan = _plan(options, scenario, folder, judging) if options.plan or options.plan_only else None
        if options.plan_only:
            _write_json(options, plan and plan.to_json())
            return
        confirm = partial(_confirm, options=options)
        with _progress(options.quiet) as update:
            comparison = compare(scenario, folder, judging, update, plan=plan, cache=options.cache, confirm=confirm)
    page, content = write_report(folder), comparison.to_json()
    _write_json(options, content)
    if not options.quiet:
        console = _console()
        for line in comparison.verdict:
            console.print(line, highlight=False)
        console.print(comparison_table(content))
        for note in comparison.notes:
            console.print(note, highlight=False)
        console.print(
            f"log     {folder}\nreport  {page}\nagain   recsim-llm compare {shlex.quote(str(folder))}", highlight=False
        )


def _judging(options: argparse.Namespace) -> Any:
    """Return how to judge, or None where nothing was said about it."""
    from recsim_llm.scenarios.comparison import Judging

    metrics = None if options.metrics is None else tuple(name.strip() for name in options.metrics.split(","))
    given = {name: getattr(options, name) for name in ("effect", "confidence", "correction", "groups", "block")}
    given |= {"metrics": metrics, "until_decided": options.until_decided or None}
    given = {name: value for name, value in given.items() if value is not None}
    return Judging(**given) if given else None


def _plan(options: argparse.Namespace, scenario: Any, folder: Path, judging: Any) -> Any:
    """Say what the users planned can show, from a pilot beside the run folder."""
    from recsim_llm.report.comparison import plan_lines
    from recsim_llm.scenarios.compare import plan_comparison

    pilot, confirm = folder.with_name(f"{folder.name}-pilot"), partial(_confirm, options=options)
    settings: dict[str, Any] = {"users": options.pilot, "deviation": options.deviation, "cache": options.cache}
    with _progress(options.quiet) as update:
        plan = plan_comparison(scenario, pilot, judging, update, confirm=confirm, **settings)
    if not options.quiet:
        for line in plan_lines(plan.to_json()):
            _console().print(line, highlight=False)
    return plan


def _confirm(estimate: Any, *, options: argparse.Namespace) -> None:
    """Say what is about to be asked of language models, and ask before much is spent."""
    from rich.console import Console

    if not options.quiet:
        Console(stderr=True, soft_wrap=True).print(estimate.text(), highlight=False)
    if options.yes or not estimate.large:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"run: got {estimate.text()} without anyone to ask, expected consent; pass --yes or lower --n-users")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError("run: called off before anything was asked")


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    recommenders = None if options.recommenders is None else [name.strip() for name in options.recommenders.split(",")]
    flags = {
        "data": options.data,
        "columns": _columns(options) or None,
        "skip_bad_rows": options.skip_bad_rows or None,
        "users.model": options.users,
        "models.user.name": options.model,
        "models.user.base_url": options.base_url,
        **{f"limits.{name}": value for name, value in _limits(options).items()},
        "users.count": options.n_users,
        "max_pages": options.pages,
        "visits": options.visits,
        "slate_size": options.slate_size,
        "recommenders": recommenders,
        "reward": options.reward,
        "seed": options.seed,
    }
    return {key: value for key, value in flags.items() if value is not None}


def _export(options: argparse.Namespace) -> None:
    from recsim_llm.scenarios.export import export

    content = export(options.run, options.format, options.out, arm=options.arm, anonymous=options.anonymous)
    _write_json(options, content)
    if not options.quiet:
        counts = {
            f"{arm} {name.replace('_', ' ')}": count
            for arm, written in content["arms"].items()
            for name, count in written.items()
            if name != "folder"
        }
        left_out = {f"{arm} left out": reason for arm, reason in content["left_out"].items()}
        _print_pairs(f"{options.format} in {options.out}", counts | left_out)


def _limits(options: argparse.Namespace) -> dict[str, float]:
    names = ("calls", "calls_a_user", "tokens", "cost", "seconds")
    given = {name: getattr(options, f"max_{name}") for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _resume(options: argparse.Namespace) -> None:
    from recsim_llm.scenarios.runner import resume

    with _progress(options.quiet) as update:
        resume(options.run, update, cache=options.cache, limits=_limits(options))
    _finish(options.run, options)


def _speak(options: argparse.Namespace) -> None:
    from recsim_llm.report import agreement_line, example_source, interview_table, speech_of, write_report
    from recsim_llm.scenarios.speech import speak

    if options.base_url is not None and options.model is None:
        raise ConfigError("--base-url: got an address without a model, expected --model openai-compatible/NAME with it")
    writer = {"name": options.model, "base_url": options.base_url}
    models = {"writer": options.model and writer, "judge": options.judge}
    with _status(options.quiet) as update:
        path = speak(
            options.run,
            reviews=options.reviews,
            reasons=options.reasons,
            interviews=options.interviews,
            models={role: model for role, model in models.items() if model},
            seed=options.seed,
            templates=options.templates,
            cache=options.cache,
            limits=_limits(options),
            progress=lambda state: update(f"{state.kind} {state.done:,} of {state.planned:,}  {_spent(state.spent)}"),
        )
    speech, page = speech_of(options.run), write_report(options.run)
    _write_json(options, speech and speech.to_json())
    if not options.quiet and speech is not None:
        console = _console()
        for row in speech.examples:
            console.print(f"{example_source(row)}\n  {row['text']}", highlight=False)
        if speech.interviews:
            console.print(interview_table(speech))
        if line := agreement_line(speech):
            console.print(line, highlight=False)
        console.print(f"texts   {path}\nreport  {page}", highlight=False)


def _probe(options: argparse.Namespace) -> None:
    from recsim_llm.language.opening import probe_model
    from recsim_llm.language.settings import ModelSettings

    report = probe_model(ModelSettings(name=options.name, base_url=options.base_url))
    _write_json(options, report.to_json())
    if not options.quiet:
        _console().print(report.table())


def _report(options: argparse.Namespace) -> None:
    if not (options.run / "manifest.json").is_file():
        raise ConfigError(f"report: got {options.run}, which has no manifest.json, expected a run folder")
    from recsim_llm.segments import Segments

    Segments(options.run)  # sees to it that every finished segment is there and whole
    _finish(options.run, options, card=options.realism)


def _finish(run: Path, options: argparse.Namespace, card: Path | None = None) -> None:
    from recsim_llm.evaluation import summarise
    from recsim_llm.report import calls_line, calls_of, summary_table, verdict, write_report

    summary = summarise(run)
    path = write_report(run, card=card)
    _write_json(options, summary.to_json())
    if not options.quiet:
        console = _console()
        console.print(verdict(summary), highlight=False)
        console.print(summary_table(summary))
        if calls := calls_line(calls_of(run)):
            console.print(calls, highlight=False)
        console.print(f"log     {run}\nreport  {path}\nagain   recsim-llm report {shlex.quote(str(run))}", highlight=False)


def _fit(options: argparse.Namespace) -> None:
    from recsim_llm.agents.fitted import fit_and_save
    from recsim_llm.data import open_dataset

    dataset = open_dataset(options.ratings, columns=_columns(options), skip_bad_rows=options.skip_bad_rows)
    table = fit_and_save(dataset, options.out, seed=options.seed, held_out=options.held_out)
    _write_json(options, table)
    if not options.quiet:
        _print_pairs(f"fitted choice users in {options.out}", table)


def _calibrate(options: argparse.Namespace) -> None:
    from recsim_llm.agents.calibrate import calibrate
    from recsim_llm.data import open_dataset
    from recsim_llm.language.opening import open_model

    if options.model is None:
        raise ConfigError("calibrate: got no model, expected --model provider/name")
    if not options.out.parent.is_dir() or options.out.is_dir():
        raise ConfigError(f"calibrate: got {options.out}, expected a file in a folder that exists; make the folder first")
    dataset = open_dataset(options.ratings, columns=_columns(options), skip_bad_rows=options.skip_bad_rows)
    address = {} if options.base_url is None else {"base_url": options.base_url}
    with open_model(options.model, **address) as model:
        found = calibrate(model, dataset, seed=options.seed, users=options.n_users, click_rate=options.click_rate)
    found.save(options.out)
    table = json.loads(options.out.read_text(encoding="utf-8"))
    _write_json(options, table)
    if not options.quiet:
        _print_pairs(f"calibration of {options.model} in {options.out}", table)


def _realism(options: argparse.Namespace) -> None:
    from recsim_llm.report.realism import realism_table, write_realism
    from recsim_llm.scenarios.card_run import card_facts, make_card

    request = _card_request(options)
    out = options.out or Path("cards") / f"{options.users.replace(':', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    with _status(options.quiet) as update:
        card, dataset = make_card(request, out, progress=update, confirm=partial(_confirm, options=options))
    content = card.to_json()
    page = write_realism(content, out, card_facts(request, dataset))
    _write_json(options, content)
    if not options.quiet:
        console = _console()
        console.print(realism_table(content))
        console.print(f"card    {out}\nreport  {page}", highlight=False)


def _card_request(options: argparse.Namespace) -> Any:
    """Return what a card shall be made of."""
    from secrets import randbelow

    from recsim_llm.language.settings import ModelSettings
    from recsim_llm.scenarios.card_run import CardRequest

    if options.base_url is not None and options.model is None:
        raise ConfigError("--base-url: got an address without a model, expected --model openai-compatible/NAME with it")
    count = (5 if options.model is None else 1) if options.seeds is None else options.seeds
    if count < 1:
        raise ConfigError(f"--seeds: got {count}, expected 1 or more")
    first = randbelow(2**31) if options.seed is None else options.seed
    try:
        model = None if options.model is None else ModelSettings(name=options.model, base_url=options.base_url)
    except ValueError as error:
        raise ConfigError(f"--base-url: got {options.base_url}, expected an address like http://127.0.0.1:8000/v1") from error
    families = None if options.families is None else tuple(name.strip() for name in options.families.split(","))
    return CardRequest(
        data=options.data,
        users=options.users,
        model=model,
        n_users=options.n_users,
        seeds=tuple(range(first, first + count)),
        split=options.split,
        calibration=options.calibration,
        families=families,
        columns=_columns(options),
        skip_bad_rows=options.skip_bad_rows,
        cache=options.cache,
        limits=_limits(options),
    )


def _data(options: argparse.Namespace) -> None:
    from recsim_llm.data import fetch, open_dataset

    folder = fetch(options.name)
    if not options.quiet:
        dataset = open_dataset(folder)
        _console().print(
            f"{folder}\n{len(dataset.ratings):,} ratings of {len(dataset.catalog):,} items\n{dataset.licence}", highlight=False
        )


def _list(options: argparse.Namespace) -> None:
    from recsim_llm.envs.rewards import REWARDS
    from recsim_llm.registry import names, resolve
    from recsim_llm.scenarios.schema import shipped_scenarios

    table: dict[str, dict[str, str]] = {"scenarios": shipped_scenarios()}
    for kind in ("recommenders", "users"):
        table[kind] = {name: _first_line(resolve(kind, name)) for name in names(kind)}
    table["rewards"] = {name: _first_line(reward) for name, reward in REWARDS.items()}
    _write_json(options, table)
    if not options.quiet:
        console = _console()
        for kind, entries in table.items():
            console.print(kind, style="bold")
            for name, description in entries.items():
                console.print(f"  {name:<16}{description}", highlight=False)


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _print_pairs(title: str, table: dict[str, Any]) -> None:
    console = _console()
    console.print(title, style="bold", highlight=False)
    for name, value in table.items():
        console.print(f"  {name:<44}{value:,.4f}" if isinstance(value, float) else f"  {name:<44}{value}", highlight=False)


def _write_json(options: argparse.Namespace, content: Any) -> None:
    from recsim_llm.files import write_atomically

    if options.json is not None:
        write_atomically(options.json, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")


def _console() -> Any:
    from rich.console import Console

    # Without markup: names of arms, files and films may hold brackets.
    return Console(soft_wrap=True, markup=False)


def _spent(meter: Any) -> str:
    """Say what language models have used so far; nothing without them."""
    if meter is None:
        return ""
    failed = sum(meter.failures.values())
    tokens = (meter.prompt_tokens + meter.completion_tokens) / 1e6
    price = "" if meter.cost is None else f"  ${meter.cost:,.2f}"
    trouble = f"  {failed:,} failed" if failed else ""
    return f"{meter.calls:,} calls ({meter.in_flight} of {meter.concurrency})  {tokens:.2f} M tokens{price}{trouble}"


@contextmanager
def _status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show one line that changes."""
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, quiet=quiet).status("preparing") as status:
        yield lambda text: status.update(escape(text))


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar: arm, users still browsing, pages, clicks a page, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[users]:,} users  {task.fields[pages]:,} pages  {task.fields[rate]:.2f} clicks a page"),
        TextColumn("{task.fields[spent]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("preparing", total=None, users=0, pages=0, rate=0.0, spent="")

        def update(state: Any) -> None:
            # The share of users that have left is the best guess of how far an arm is.
            done = state.arm_number + state.share
            rate = state.clicks / max(state.pages, 1)
            shown = {"users": state.users, "pages": state.pages, "rate": rate, "spent": _spent(state.spent)}
            bar.update(task, total=state.arms, completed=done, description=state.arm, **shown)

        yield update
