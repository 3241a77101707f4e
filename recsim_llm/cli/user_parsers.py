"""Options of the verbs about users, data and language models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsim_llm.cli.data_sets import handle_data
from recsim_llm.cli.option_groups import (
    add_verb,
    dry_run_option,
    exposure_options,
    exposures_beside_options,
    model_options,
    output_options,
    settings_option,
    spending_options,
    table_options,
)
from recsim_llm.cli.studies import handle_personas
from recsim_llm.cli.tool_calling import handle_tools
from recsim_llm.cli.users import (
    handle_calibrate,
    handle_fit,
    handle_probe,
    handle_realism,
)

__all__ = ["calibrate_parser", "data_parser", "fit_parser", "personas_parser", "probe_parser", "realism_parser"]


def probe_parser(commands: Any) -> None:
    """Add the verb ``probe``."""
    example = "recsim-llm probe scripted/genres"
    parser = add_verb(
        commands, "probe", "find out what a language model's server really does", example=example, handler=handle_probe
    )
    parser.add_argument("name", metavar="MODEL", help="provider/name, for instance openai-compatible/qwen3-8b")
    parser.add_argument(
        "--base-url", metavar="URL", help="address of its OpenAI-compatible server, for instance http://127.0.0.1:8000/v1"
    )
    output_options(parser)


def tools_parser(commands: Any) -> None:
    """Add the verb ``tools``."""
    example = (
        'recsim-llm tools fictional\n  recsim-llm tools fictional select \'{"filter": "year >= 2010"}\'\n'
        "  recsim-llm tools fictional --mcp"
    )
    parser = add_verb(
        commands,
        "tools",
        "show the tools that agents look up a catalog with, call one, or serve them",
        example=example,
        handler=handle_tools,
    )
    parser.add_argument("data", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="call this one; without it all are shown")
    parser.add_argument("arguments", nargs="?", metavar="JSON", default="{}", help="its arguments (default: {})")
    parser.add_argument("--user", metavar="ID", help="whom it is for; without it somebody of whom nothing is known")
    parser.add_argument("--base", metavar="NAME", default="popularity", help="recommender that ranks (default: popularity)")
    parser.add_argument("--friends", type=Path, metavar="FILE", help="who is whose friend: columns user_id and friend_id")
    parser.add_argument("--mcp", action="store_true", help="serve them over standard input and output (extra 'mcp')")
    table_options(parser)
    output_options(parser)


def fit_parser(commands: Any) -> None:
    """Add the verb ``fit``."""
    parser = add_verb(
        commands,
        "fit",
        "fit choice users to ratings and save them",
        example="recsim-llm fit fictional fitted/fictional",
        handler=handle_fit,
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("out", type=Path, help="folder for the fitted model and population; must be new")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="seed of the fit's start values")
    parser.add_argument("--held-out", action="store_true", help="also score the model on the last 20%% of each user's ratings")
    parser.add_argument(
        "--propensities",
        metavar="WHICH",
        default="none",
        help="make the stars right for items shown at random, though people chose what they rated: 'estimated' from who rated "
        "what, or an exposure log with the chance of each rating (default: none)",
    )
    parser.add_argument("--propensity-part", metavar="NAME", help="part of that log in which people chose, such as train")
    table_options(parser)
    exposures_beside_options(parser)
    output_options(parser)


def calibrate_parser(commands: Any) -> None:
    """Add the verb ``calibrate``."""
    example = "recsim-llm calibrate fictional calibration.json --model scripted/genres --seed 7"
    parser = add_verb(
        commands,
        "calibrate",
        "fit a language model's answers to real users' choices and save it",
        example=example,
        handler=handle_calibrate,
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("out", type=Path, help="JSON file to write; a run takes it: --set users.parameters.calibration=FILE")
    model_options(parser)
    parser.add_argument(
        "--n-users", type=int, default=100, metavar="N", help="users to fit to, and as many others to measure on (default: 100)"
    )
    parser.add_argument(
        "--click-rate",
        type=float,
        metavar="SHARE",
        help="chance of a click on an examined item drawn at random (default: .02)",
    )
    parser.add_argument(
        "--visit-pages",
        type=float,
        metavar="N",
        help="mean pages of a visit (default: as choice users of the same data)",
    )
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="seed of users, items and their order")
    settings_option(parser)
    spending_options(parser)
    dry_run_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before what may cost much")
    table_options(parser)
    output_options(parser)


def personas_parser(commands: Any) -> None:
    """Add the verb ``personas``."""
    parser = add_verb(
        commands,
        "personas",
        "have a language model write personas from users' ratings, and check them",
        example="recsim-llm personas fictional personas.json --model scripted/genres --n-users 5 --seed 7",
        handler=handle_personas,
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument("out", type=Path, help="JSON file to write; a run takes it: --set users.parameters.personas=FILE")
    model_options(parser)
    parser.add_argument("--n-users", type=int, metavar="N", help="users to write about, one call each (default: all)")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="seed of the draw of users")
    parser.add_argument("--templates", metavar="NAME", default="en", help="language of the prompts, or a folder with templates")
    settings_option(parser)
    spending_options(parser)
    dry_run_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before what may cost much")
    table_options(parser)
    output_options(parser)


def realism_parser(commands: Any) -> None:
    """Add the verb ``realism``."""
    example = (
        "recsim-llm realism --data fictional --n-users 60 --seeds 1 --seed 7 --out cards/choice\n"
        "  recsim-llm realism --exposures impressions.csv --out cards/clicks\n"
        "  recsim-llm realism --dialogues crs_arena_dial_open.json --simulated runs/talks --part asks --out cards/talks"
    )
    parser = add_verb(
        commands,
        "realism",
        "score simulated users against real people, on held-out ratings",
        example=example,
        handler=handle_realism,
    )
    parser.add_argument("--data", metavar="RATINGS", help="folder of a data set, name of a downloaded one, or 'fictional'")
    exposures_beside_options(parser)
    parser.add_argument(
        "--random-exposures",
        metavar="LOG",
        help="ratings of items that were shown at random: a file or folder; Coat's own part",
    )
    parser.add_argument("--dialogues", metavar="FILE", type=Path, help="people's dialogues, beside those of --simulated")
    parser.add_argument(
        "--simulated",
        metavar="RUN",
        type=Path,
        help="run whose users talk, of the recommender --part, or a file of simulated dialogues",
    )
    table_options(parser)
    parser.add_argument(
        "--users",
        metavar="MODEL",
        help="user model: choice (default), language, cascade; of a log alone a click model (default: user-browsing)",
    )
    model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="most users (default: all; 20 with a language model)")
    parser.add_argument("--seeds", metavar="N", type=int, help="trials, one seed each (default: 5; 1 with a language model)")
    parser.add_argument("--seed", metavar="S", type=int, help="first seed; drawn and shown if not given")
    parser.add_argument("--split", choices=["time", "random"], default="time", help="what is held out of each user's ratings")
    parser.add_argument(
        "--calibration", metavar="FILE", help="calibration of language users, or 'fit': the card shows before and after"
    )
    settings_option(parser)
    parser.add_argument("--families", metavar="A,B", help="families of recommenders that the users were built from")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the card (default: cards/USERS-TIME)")
    spending_options(parser)
    dry_run_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before a card that may cost much")
    output_options(parser)


def data_parser(commands: Any) -> None:
    """Add the verb ``data``."""
    parser = add_verb(
        commands,
        "data",
        "download public data sets, make the tables of an invented shop, or show what an exposure log holds",
        example="recsim-llm data get ml-latest-small\n  recsim-llm data make shop my-shop\n"
        "  recsim-llm data show runs/logged --part broad",
        handler=handle_data,
    )
    parser.add_argument("verb", choices=["get", "make", "show"])
    parser.add_argument("name", help="to get: ml-latest-small, ml-1m or ml-100k; to make: shop; to show: path of a log")
    parser.add_argument("folder", nargs="?", type=Path, help="new folder for what is made")
    table_options(parser)
    exposure_options(parser)
    output_options(parser)
