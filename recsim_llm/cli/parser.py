"""The verbs of the command ``recsim-llm`` and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recsim_llm import __version__
from recsim_llm.cli.runs import handle_compare, handle_export, handle_report, handle_resume, handle_run, handle_speak
from recsim_llm.cli.users import handle_calibrate, handle_data, handle_fit, handle_list, handle_probe, handle_realism

__all__ = ["make_parser"]

Handler = Callable[[argparse.Namespace], None]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command; each verb's handler is the default of ``handler``."""
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


def _add(commands: Any, name: str, summary: str, *, example: str, handler: Handler) -> argparse.ArgumentParser:
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
    parser = _add(
        commands, "run", "run a scenario: users browse what each recommender shows", example=example, handler=handle_run
    )
    parser.add_argument("scenario", help="name of a shipped scenario (see `recsim-llm list`) or path of a .yaml file")
    _scenario_options(parser)


def _compare_parser(commands: Any) -> None:
    example = "recsim-llm compare ab --effect 0.3 --plan --out runs/ab"
    parser = _add(
        commands,
        "compare",
        "run recommenders on the same users and say which differences are real",
        example=example,
        handler=handle_compare,
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
    parser = _add(
        commands, "resume", "finish a run that was stopped", example="recsim-llm resume runs/first", handler=handle_resume
    )
    parser.add_argument("run", type=Path, help="run folder")
    _spending_options(parser)
    _output_options(parser)


def _probe_parser(commands: Any) -> None:
    example = "recsim-llm probe openai-compatible/qwen3-8b --base-url http://127.0.0.1:8000/v1"
    parser = _add(
        commands, "probe", "find out what a language model's server really does", example=example, handler=handle_probe
    )
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
    parser = _add(
        commands,
        "report",
        "write report.html of a run and print its table",
        example="recsim-llm report runs/first",
        handler=handle_report,
    )
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--realism", metavar="CARD", type=Path, help="folder of a realism card of its users, to be on the page")
    _output_options(parser)


def _speak_parser(commands: Any) -> None:
    example = "recsim-llm speak runs/first --reviews 20 --reasons 20 --interviews 20 --model openai/gpt-4.1-mini"
    summary = "have users of a run write reviews, give reasons and answer a questionnaire"
    parser = _add(commands, "speak", summary, example=example, handler=handle_speak)
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
    parser = _add(
        commands,
        "export",
        "write the log of a run in the form that another library reads",
        example=example,
        handler=handle_export,
    )
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
        commands,
        "fit",
        "fit choice users to ratings and save them",
        example="recsim-llm fit ml-latest-small fitted/ml",
        handler=handle_fit,
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
        commands,
        "calibrate",
        "fit a language model's answers to real users' choices and save it",
        example=example,
        handler=handle_calibrate,
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
    parser = _add(
        commands,
        "realism",
        "score simulated users against real people, on held-out ratings",
        example=example,
        handler=handle_realism,
    )
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
    parser = _add(
        commands, "data", "download public data sets", example="recsim-llm data get ml-latest-small", handler=handle_data
    )
    parser.add_argument("verb", choices=["get"])
    parser.add_argument("name", help="ml-latest-small, ml-1m or ml-100k")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _list_parser(commands: Any) -> None:
    parser = _add(
        commands,
        "list",
        "list scenarios, recommenders, user models and rewards",
        example="recsim-llm list",
        handler=handle_list,
    )
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


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the printed table as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
