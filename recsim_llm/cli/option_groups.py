"""Groups of options that several verbs share, and how a verb is added."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "add_verb",
    "arm_options",
    "dry_run_option",
    "exposure_options",
    "exposures_beside_options",
    "model_options",
    "output_options",
    "scenario_options",
    "settings_option",
    "shard_options",
    "spending_options",
    "table_options",
    "world_options",
]


Handler = Callable[[argparse.Namespace], int | None]


def add_verb(commands: Any, name: str, summary: str, *, example: str, handler: Handler) -> argparse.ArgumentParser:
    """Add a verb with its summary, an example and what handles it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler, parser=parser)
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    return parser


def scenario_options(parser: argparse.ArgumentParser) -> None:
    """Add what changes a scenario that is run, and how it is run into a folder."""
    arm_options(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="run folder, must be new (default: runs/SCENARIO-TIME)")
    shard_options(parser)
    spending_options(parser)
    dry_run_option(parser)
    output_options(parser)


def shard_options(parser: argparse.ArgumentParser) -> None:
    """Add where the users of a run are served."""
    parser.add_argument(
        "--backend",
        metavar="NAME",
        help="serve shares of the users at the same time: processes (of this machine), ray (machines of a cluster) or inline",
    )
    parser.add_argument("--shards", metavar="N", type=int, help="how many shares (default: one a core of this machine)")
    parser.add_argument("--address", metavar="ADDR", help="of the Ray cluster, such as auto (default: one on this machine)")


def arm_options(parser: argparse.ArgumentParser) -> None:
    """Add what changes a scenario that is run."""
    world_options(parser, reward="reward that the log records")
    parser.add_argument("--recommenders", metavar="A,B", help="recommenders, the first one is what others are compared with")
    parser.add_argument("--yes", action="store_true", help="do not ask before a run that may cost much")


def world_options(parser: argparse.ArgumentParser, *, reward: str) -> None:
    """Add what changes the world of a scenario; ``reward`` is the help of that option."""
    parser.add_argument("--data", metavar="PATH", help="folder of a data set, name of a downloaded one, or 'fictional'")
    table_options(parser)
    parser.add_argument("--users", metavar="MODEL", help="user model: choice, language, cascade or replay")
    model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="number of users; more than the data has are synthetic")
    parser.add_argument("--pages", metavar="N", type=int, help="pages after which a visit is cut off")
    parser.add_argument("--visits", metavar="N", type=int, help="most visits a user makes")
    parser.add_argument("--slate-size", metavar="K", type=int, help="items a page")
    parser.add_argument("--reward", metavar="NAME", help=reward)
    parser.add_argument("--seed", metavar="S", type=int, help="seed of everything random; drawn and recorded if not given")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other setting, dotted: users.parameters.boredom=0.9",
    )


def model_options(parser: argparse.ArgumentParser) -> None:
    """Add which language model plays the users."""
    parser.add_argument("--model", metavar="NAME", help="language model that plays the users: provider/name")
    parser.add_argument("--base-url", metavar="URL", help="address of its OpenAI-compatible server, up to and with /v1")


def settings_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of the studies that says how a model is asked."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="how the model is asked, as in the run: models.user.realisation=json, users.parameters.templates=en_compact",
    )


def spending_options(parser: argparse.ArgumentParser) -> None:
    """Add limits on what language models may use up."""
    parser.add_argument("--cache", metavar="RUN", type=Path, help="run folder whose answers are used before a model is asked")
    parser.add_argument(
        "--max-calls", metavar="N", type=int, help="stop, to be resumed, after so many calls of language models"
    )
    parser.add_argument("--max-calls-a-user", metavar="N", type=int, help="likewise, calls about one user")
    parser.add_argument("--max-tokens", metavar="N", type=int, help="likewise, tokens read and written")
    parser.add_argument("--max-cost", metavar="USD", type=float, help="likewise, dollars; needs prices")
    parser.add_argument("--max-seconds", metavar="S", type=float, help="likewise, seconds of wall-clock time")


def dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Add that nothing is to be asked yet."""
    parser.add_argument(
        "--dry-run", action="store_true", help="ask nothing and write nothing: print calls, tokens, money and time to expect"
    )


def table_options(parser: argparse.ArgumentParser) -> None:
    """Add how the user's own tables are read."""
    parser.add_argument(
        "--column",
        metavar="NAME=THEIRS",
        action="append",
        default=[],
        help="a column of your own tables under another name: --column user_id=reviewer",
    )
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave unusable rows out and count them")
    parser.add_argument(
        "--feedback", choices=["explicit", "implicit"], help="implicit: rows are clicks or purchases, and no ratings"
    )
    parser.add_argument("--rating-scale", metavar="LOW,HIGH", help="scale of the ratings, if not 0.5 to 5: --rating-scale=1,10")
    parser.add_argument(
        "--not-rated", metavar="N", help="numbers that stand for 'not rated', or none: --not-rated=0, --not-rated=-1,99"
    )
    parser.add_argument("--constant-rating", metavar="STARS", type=float, help="stars for each row of implicit data (5)")
    parser.add_argument("--string-ids", action="store_true", help="take ids for texts though all look like numbers")
    parser.add_argument("--genre-separator", metavar="TEXT", help="what stands between genres in one field")


def exposure_options(parser: argparse.ArgumentParser) -> None:
    """Add how an exposure log is read, beside how tables are."""
    parser.add_argument(
        "--session-gap",
        metavar="SECONDS",
        type=float,
        help="of a log without sessions: time without anything shown that ends one",
    )
    parser.add_argument(
        "--page-by",
        choices=["time", "session"],
        help="of a log without pages: what is shown at one time, or in a session, is one",
    )
    parser.add_argument("--layout", choices=["list", "grid", "carousel"], help="how the positions of a log lie on a page")
    parser.add_argument("--part", metavar="NAME", help="part of a log: a split as train, or an arm of a run")


def exposures_beside_options(parser: argparse.ArgumentParser) -> None:
    """Add which exposure log is taken beside ratings, and how it is read."""
    parser.add_argument(
        "--exposures", metavar="LOG", help="log of what people were shown and did: a file, a folder, or that of a run"
    )
    exposure_options(parser)


def output_options(parser: argparse.ArgumentParser) -> None:
    """Add how much is printed, and where else it goes."""
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the printed table as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
