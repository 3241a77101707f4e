"""Blocks of users: who is in which, and many small runs read as one.

The users of a scenario are put into an order that depends on the seed and their ids alone, and cut into blocks of one size. A
block is a run of its own with the users' own dice, so what its users do is what they would have done among everyone (unless a
recommender learns from its users' clicks: it then knows those of the block alone).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.core.keyed import words
from recsim_llm.errors import ConfigError
from recsim_llm.log.joining import join_logs
from recsim_llm.log.manifest import read_scenario_manifest, write_manifest
from recsim_llm.log.own_ids import join_lookups
from recsim_llm.log.tables import join_counts, join_serving
from recsim_llm.population.personas import Population
from recsim_llm.scenarios.schema import Block

__all__ = ["join_blocks", "take_block"]


def take_block(population: Population, block: Block, seed: int) -> Population:
    """Return the users of a block, in the population's order.

    Args:
        population: everyone.
        block: size and number.
        seed: of the run.

    Raises:
        ConfigError: there are not so many users.
    """
    order = np.argsort(words(seed, "block", population.user_id), kind="stable")
    chosen = order[block.number * block.size : (block.number + 1) * block.size]
    if not len(chosen):
        most = (len(population) - 1) // block.size
        raise ConfigError(
            f"users.block.number: got {block.number}, expected 0 to {most}, since there are {len(population)} users"
        )
    return population.apart(np.sort(chosen))


def join_blocks(out: Path, folders: Sequence[Path], more: Mapping[str, Any]) -> None:
    """Make a folder the run of all its blocks' users; the log is linked, not copied, and calls stay with the blocks.

    Doing it again after more blocks, or after being killed halfway, gives the same folder.

    Args:
        out: the folder.
        folders: finished runs of one scenario's blocks, in order.
        more: further entries for its manifest.
    """
    manifests = [read_scenario_manifest(folder) for folder in folders]
    digest = hashlib.sha256("".join(manifest["population"]["fingerprint"] for manifest in manifests).encode()).hexdigest()
    settings = manifests[0]["settings"]
    settings = settings | {"users": settings["users"] | {"block": None}}
    joined = manifests[0] | {
        "users": sum(manifest["users"] for manifest in manifests),
        "population": {"fingerprint": digest},
        "users_warnings": list(dict.fromkeys(line for manifest in manifests for line in manifest["users_warnings"])),
        "settings": settings,
        **more,
    }
    join_lookups(out, folders)
    join_logs(out, folders, manifests[0]["arms"])
    join_serving(out, folders)
    join_counts(out, folders)
    write_manifest(out, joined)
