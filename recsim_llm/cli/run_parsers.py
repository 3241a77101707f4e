"""Options of the verbs that make scenarios and runs, judge them and say what came of them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from recsim_llm.cli.listing import handle_list, handle_new
from recsim_llm.cli.option_groups import (
    add_verb,
    arm_options,
    dry_run_option,
    output_options,
    scenario_options,
    shard_options,
    spending_options,
)
from recsim_llm.cli.querying import handle_sql
from recsim_llm.cli.runs import handle_compare, handle_export, handle_report, handle_resume, handle_run, handle_speak
from recsim_llm.cli.watching import handle_watch

__all__ = [
    "compare_parser",
    "export_parser",
    "list_parser",
    "new_parser",
    "report_parser",
    "resume_parser",
    "run_parser",
    "speak_parser",
    "sql_parser",
    "watch_parser",
]


def run_parser(commands: Any) -> None:
    """Add the verb ``run``."""
    example = "recsim-llm run demo --n-users 100 --pages 5 --seed 7 --out runs/first"
    parser = add_verb(
        commands, "run", "run a scenario: users browse what each recommender shows", example=example, handler=handle_run
    )
    parser.add_argument("scenario", help="name of a shipped scenario (see `recsim-llm list`) or path of a .yaml file")
    parser.add_argument(
        "--expect",
        action="store_true",
        help="run it once for each seed that may judge what it expects, and judge by all of them; status 3 unless all holds",
    )
    scenario_options(parser)


def compare_parser(commands: Any) -> None:
    """Add the verb ``compare``."""
    example = "recsim-llm compare ab --n-users 200 --effect 0.3 --plan --out runs/ab"
    parser = add_verb(
        commands,
        "compare",
        "run recommenders on the same users and say which differences are real",
        example=example,
        handler=handle_compare,
    )
    parser.add_argument("scenario", help="name of a shipped scenario, path of a .yaml file, or a run folder to be judged again")
    parser.add_argument("other", nargs="?", help="second run folder: the recommenders of both are compared on their users")
    scenario_options(parser)
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


def resume_parser(commands: Any) -> None:
    """Add the verb ``resume``."""
    parser = add_verb(
        commands, "resume", "finish a run that was stopped", example="recsim-llm resume runs/first", handler=handle_resume
    )
    parser.add_argument("run", type=Path, help="run folder")
    shard_options(parser)
    spending_options(parser)
    output_options(parser)


def report_parser(commands: Any) -> None:
    """Add the verb ``report``."""
    parser = add_verb(
        commands,
        "report",
        "write report.html of a run and print its table",
        example="recsim-llm report runs/first --sessions 100",
        handler=handle_report,
    )
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--realism", metavar="CARD", type=Path, help="folder of a realism card of its users, to be on the page")
    parser.add_argument("--ope", metavar="FILE", type=Path, help="ope.json of an off-policy estimate (default: the run's own)")
    parser.add_argument(
        "--audit",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder of an audit of its users, to be on the page",
    )
    parser.add_argument(
        "--sessions",
        metavar="N",
        type=_users,
        help="also write sessions.html, on which every page of N users can be looked at, or of all users: --sessions all",
    )
    output_options(parser)


def _users(text: str) -> int | str:
    if text != "all" and not text.isdecimal():
        raise ArgumentTypeError(f"got {text!r}, expected a number of users, or all")
    return text if text == "all" else int(text)


def watch_parser(commands: Any) -> None:
    """Add the verb ``watch``."""
    example = "recsim-llm watch demo --n-users 200 --set 'clock={days: 30}' --set models.writer=scripted/genres"
    summary = "show a run in the browser while it goes on: play, pause, step, look at users, change things by hand"
    parser = add_verb(commands, "watch", summary, example=example, handler=handle_watch)
    parser.add_argument("scenario", help="name of a shipped scenario (see `recsim-llm list`) or path of a .yaml file")
    arm_options(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="run folder, must be new (default: nothing is written)")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="of 127.0.0.1 (default: any free one)")
    spending_options(parser)
    output_options(parser)


def speak_parser(commands: Any) -> None:
    """Add the verb ``speak``."""
    example = "recsim-llm speak runs/first --reviews 20 --reasons 20 --interviews 20 --model scripted/genres"
    summary = "have users of a run write reviews, give reasons and answer a questionnaire"
    parser = add_verb(commands, "speak", summary, example=example, handler=handle_speak)
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
    spending_options(parser)
    dry_run_option(parser)
    output_options(parser)


def export_parser(commands: Any) -> None:
    """Add the verb ``export``."""
    example = (
        "recsim-llm export runs/first obp exports/first\n"
        "  recsim-llm export runs/first narratives exports/queries --model scripted/genres"
    )
    parser = add_verb(
        commands,
        "export",
        "write the log of a run in the form that another library reads",
        example=example,
        handler=handle_export,
    )
    parser.add_argument("run", type=Path, help="run folder; nothing in it is changed")
    parser.add_argument(
        "format",
        help="obp, obp-slates, minari, recbole, movielens, simeval, dialogues, narratives, counts; "
        "of talks conversations, redial, inspired",
    )
    parser.add_argument("out", type=Path, help="folder for the export; must be new")
    parser.add_argument("--arm", metavar="NAME", help="the only recommender to export (default: all that are finished)")
    parser.add_argument(
        "--anonymous", action="store_true", help="replace user ids, and leave out demographics, texts and seeds"
    )
    parser.add_argument(
        "--epsilon",
        metavar="E",
        type=float,
        help="counts with noise, by which nobody's part in them can be told (default: exact)",
    )
    parser.add_argument(
        "--most-items", metavar="N", type=int, help="items for which a user counts, at most, with --epsilon (default: 10)"
    )
    parser.add_argument("--model", metavar="NAME", help="language model that words narratives: provider/name (default: none)")
    parser.add_argument("--base-url", metavar="URL", help="address of its OpenAI-compatible server, up to and with /v1")
    spending_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before what may cost much")
    output_options(parser)


def sql_parser(commands: Any) -> None:
    """Add the verb ``sql``."""
    parser = add_verb(
        commands,
        "sql",
        "answer a question in SQL about runs, by DuckDB; without a question list their tables and columns",
        example="recsim-llm sql runs/first\n"
        '  recsim-llm sql runs/first "SELECT arm, page, avg(clicks) FROM pages GROUP BY arm, page ORDER BY page" --rows 10',
        handler=handle_sql,
    )
    parser.add_argument(
        "words",
        metavar="RUN",
        nargs="+",
        help="run folder, nothing in which is changed; of several, a column run says which; last the question, one SELECT",
    )
    parser.add_argument("--rows", metavar="N", type=int, default=40, help="rows that are shown (40); files have all")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write all rows as CSV, formulas of spreadsheets defused")
    output_options(parser)


def list_parser(commands: Any) -> None:
    """Add the verb ``list``."""
    parser = add_verb(
        commands,
        "list",
        "list scenarios with what they expect and cost, recommenders, user models, rewards and small language models",
        example="recsim-llm list",
        handler=handle_list,
    )
    output_options(parser)


def new_parser(commands: Any) -> None:
    """Add the verb ``new``."""
    parser = add_verb(
        commands,
        "new",
        "write a commented scenario file that runs as it stands",
        example="recsim-llm new scenario my-study",
        handler=handle_new,
    )
    parser.add_argument("what", choices=["scenario"])
    parser.add_argument("name", metavar="NAME", type=Path, help="name of the scenario, or path of its file; must be new")
    output_options(parser)
