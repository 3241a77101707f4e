"""Options of the verbs that ask more of a log or of a language model: off-policy estimates and audits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsim_llm.cli.option_groups import (
    add_verb,
    dry_run_option,
    model_options,
    output_options,
    settings_option,
    spending_options,
    table_options,
)
from recsim_llm.cli.studies import handle_audit, handle_ope, handle_warm, print_audits

__all__ = ["audit_parser", "ope_parser", "warm_parser"]


class _ListAudits(argparse.Action):
    """Print what can be audited, and end, as ``--help`` does; nothing heavy is loaded to show the help."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print the audits, a line each."""
        del namespace, values, option_string
        print_audits()
        parser.exit()


def audit_parser(commands: Any) -> None:
    """Add the verb ``audit``."""
    parser = add_verb(
        commands,
        "audit",
        "find out how a language model behaves as users, or as a recommender, or whether a recommender forgets users",
        example="recsim-llm audit slots --model scripted/slot_bias --data fictional --seed 7 --out audits/slots",
        handler=handle_audit,
    )
    parser.add_argument(
        "name",
        help="slots, sycophancy, injection, memorisation, stability, strength, sweep, remembering, ranking, item-agents, "
        "fairness, forgetting, exploits or poisoning; --list says more",
    )
    parser.add_argument("--list", action=_ListAudits, nargs=0, help="say what each audit asks, and end")
    parser.add_argument(
        "--data", metavar="RATINGS", required=True, help="folder of a data set, name of a downloaded one, or 'fictional'"
    )
    table_options(parser)
    parser.add_argument(
        "--users",
        choices=["language", "choice", "cascade"],
        default="language",
        help="who is audited: users whom a language model plays (default), fitted choice users "
        "(strength, sweep, exploits and poisoning; of item-agents memories that count), or cascade users (exploits)",
    )
    parser.add_argument("--recommender", metavar="NAME", help="recommender that is audited (forgetting, fairness)")
    model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="most users (default: 30 to 60, by audit)")
    parser.add_argument("--seed", metavar="S", type=int, help="seed of users and items; drawn and shown if not given")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the audit (default: audits/NAME-TIME)")
    settings_option(parser)
    spending_options(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before an audit that may cost much")
    dry_run_option(parser)
    output_options(parser)


def ope_parser(commands: Any) -> None:
    """Add the verb ``ope``."""
    parser = add_verb(
        commands,
        "ope",
        "estimate from one recommender's log what another one would have earned",
        example="recsim-llm ope runs/logged --logging broad --target narrow",
        handler=handle_ope,
    )
    parser.add_argument("run", type=Path, help="run folder, for instance of `recsim-llm run exploring --out runs/logged`")
    parser.add_argument("--logging", metavar="ARM", required=True, help="recommender of the run whose log is read")
    parser.add_argument(
        "--target",
        metavar="NAME",
        help="recommender of the run, or any other (see `recsim-llm list`), to be estimated; without one only the position "
        "curve is learned from the log",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting of a target that the run does not have: temperature=0.2",
    )
    parser.add_argument(
        "--pages",
        choices=["first", "all"],
        default="first",
        help="pages of the log: each user's first, where no recommender has changed the user yet (default), or all",
    )
    parser.add_argument("--estimators", metavar="A,B", help="estimators by name (default: all that the log supports)")
    output_options(parser)


def warm_parser(commands: Any) -> None:
    """Add the verb ``warm``."""
    parser = add_verb(
        commands,
        "warm",
        "have simulated users click items that nobody has rated, or measure what that is worth to a recommender",
        example="recsim-llm warm fictional --held-out 0.1 --draws 2 --recommenders mf --seed 7 --out warm/measured",
        handler=handle_warm,
    )
    parser.add_argument("ratings", help="folder of a data set, name of a downloaded one, or 'fictional'")
    parser.add_argument(
        "--held-out",
        metavar="SHARE",
        type=float,
        help="measure: leave out all ratings of this share of the items, and see who finds them (default: simulate clicks on "
        "the items without ratings, and write them)",
    )
    parser.add_argument("--draws", metavar="N", type=int, default=5, help="such shares to measure on (default: 5)")
    parser.add_argument(
        "--recommenders",
        metavar="A,B",
        default="mf,item-knn",
        help="trained with and without the clicks (default: mf,item-knn)",
    )
    parser.add_argument("--page-size", metavar="K", type=int, default=10, help="items of a ranking that count (default: 10)")
    parser.add_argument("--users", choices=["choice", "language"], default="choice", help="who clicks (default: choice)")
    model_options(parser)
    parser.add_argument("--n-users", metavar="N", type=int, help="users who are asked (default: all; of a language model 60)")
    parser.add_argument(
        "--shown", metavar="N", type=int, help="items that each user is asked about (default: all; of a language model 40)"
    )
    parser.add_argument(
        "--clicks", metavar="N", type=float, help="mean clicks an item (default: as many as rated items have ratings)"
    )
    parser.add_argument("--seed", metavar="S", type=int, help="seed of items, fits and dice; drawn and shown if not given")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder to write (default: warm/TIME)")
    table_options(parser)
    settings_option(parser)
    spending_options(parser)
    dry_run_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before what may cost much")
    output_options(parser)
