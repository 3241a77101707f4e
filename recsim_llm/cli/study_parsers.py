"""Options of the verbs that ask more of a log or of a language model: off-policy estimates and audits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsim_llm.cli.option_groups import add_verb, output_options
from recsim_llm.cli.studies import handle_ope

__all__ = ["ope_parser"]


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
