"""Options of the verb that trains policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsim_llm.cli.option_groups import add_verb, output_options, world_options
from recsim_llm.cli.trainings import handle_train

__all__ = ["train_parser"]


def train_parser(commands: Any) -> None:
    """Add the verb ``train``."""
    example = "recsim-llm train small --algorithm ppo --steps 100000 --seed 7 --out trained/ppo"
    parser = add_verb(
        commands,
        "train",
        "train a recommender in a scenario's world, and evaluate it on users whom it never met",
        example=example,
        handler=handle_train,
    )
    parser.add_argument("scenario", help="name of a shipped scenario (see `recsim-llm list`) or path of a .yaml file")
    parser.add_argument(
        "--algorithm", metavar="NAME", help="what learns: ppo, a2c, sac, td3, dqn, …, or module:Class (default: the scenario's)"
    )
    parser.add_argument("--steps", metavar="N", type=int, help="pages to learn from (default: 100,000)")
    parser.add_argument(
        "--seeds", metavar="N", type=int, default=1, help="policies to train, with other first weights and dice (default: 1)"
    )
    world_options(parser, reward="reward that is learned from and evaluated by")
    parser.add_argument("--out", metavar="DIR", type=Path, help="training folder, must be new (default: trained/SCENARIO-TIME)")
    output_options(parser)
