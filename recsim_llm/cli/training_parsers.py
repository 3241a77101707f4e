"""Options of the verbs that train: policies, and users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsim_llm.cli.option_groups import add_verb, output_options, shard_options, table_options, world_options
from recsim_llm.cli.trainings import handle_train
from recsim_llm.cli.tunings import handle_tune

__all__ = ["train_parser", "tune_parser"]


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
    shard_options(parser)
    output_options(parser)


def tune_parser(commands: Any) -> None:
    """Add the verb ``tune``."""
    parser = add_verb(
        commands,
        "tune",
        "train a language model to be these users, and test it on users whom it never met",
        example="recsim-llm tune scratch --data fictional --examples 2000 --seed 7 --out tuned/fictional",
        handler=handle_tune,
    )
    parser.add_argument("model", metavar="MODEL", help="scratch, a small model from nothing, or transformers/FOLDER")
    parser.add_argument(
        "--data", metavar="RATINGS", required=True, help="folder of a data set, name of a downloaded one, or 'fictional'"
    )
    table_options(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of the tuned model, must be new")
    parser.add_argument("--seed", metavar="S", type=int, required=True, help="seed of users kept apart, examples and weights")
    parser.add_argument("--examples", metavar="N", type=int, help="pages to learn from (default: 48,000)")
    parser.add_argument("--templates", metavar="NAME", help="words of the prompts (default: en_compact)")
    parser.add_argument("--rating-history", metavar="N", type=int, help="most ratings of a user that are told (default: 50)")
    parser.add_argument("--width", metavar="N", type=int, help="from scratch: dimensions, a multiple of 64 (default: 128)")
    parser.add_argument("--layers", metavar="N", type=int, help="from scratch: layers (default: 3)")
    parser.add_argument("--learning-rate", metavar="R", type=float, help="highest learning rate (default: by kind of model)")
    parser.add_argument("--lora", metavar="RANK", type=int, help="train adapters of this rank, not all weights")
    parser.add_argument("--device", metavar="NAME", help="where to compute: cpu (default) or cuda")
    output_options(parser)
