"""Blocks of users: who is in which, and many small runs read as one.

The users of a scenario are put into an order that depends on the seed and their ids alone, and cut into blocks of one size. A
block is a run of its own with the users' own dice, so what its users do is what they would have done among everyone (unless a
recommender learns from its users' clicks: it then knows those of the block alone).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.core.files import write_atomically
from recsim_llm.core.keyed import words
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population
from recsim_llm.scenarios.schema import Block

__all__ = ["block_of", "join_blocks"]

_TABLES = ("impressions", "pages", "visits")


def block_of(population: Population, block: Block, seed: int) -> Population:
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
    return population.take(np.sort(chosen))


def join_blocks(out: Path, folders: Sequence[Path], more: Mapping[str, Any]) -> None:
    """Make a folder the run of all its blocks' users; the log is linked, not copied, and calls stay with the blocks.

    Doing it again after more blocks, or after being killed halfway, gives the same folder.

    Args:
        out: the folder.
        folders: finished runs of one scenario's blocks, in order.
        more: further entries for its manifest.
    """
    manifests = [json.loads((folder / "manifest.json").read_text(encoding="utf-8")) for folder in folders]
    digest = hashlib.sha256("".join(manifest["population"]["fingerprint"] for manifest in manifests).encode()).hexdigest()
    settings = json.loads(json.dumps(manifests[0]["settings"]))
    settings["users"]["block"] = None
    joined = manifests[0] | {
        "users": sum(manifest["users"] for manifest in manifests),
        "population": {"fingerprint": digest},
        "settings": settings,
        **more,
    }
    lines = _link(out, folders, manifests[0]["arms"])
    write_atomically(out / "segments.jsonl", b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in lines))
    write_atomically(out / "manifest.json", json.dumps(joined, indent=2, sort_keys=True).encode() + b"\n")


def _link(out: Path, folders: Sequence[Path], arms: Sequence[str]) -> list[dict[str, Any]]:
    """Link every segment under a number of its own, and return the lines of the index."""
    for table in _TABLES:
        (out / table).mkdir(exist_ok=True)
    counts, lines = dict.fromkeys(arms, 0), []
    for folder in folders:
        for text in (folder / "segments.jsonl").read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            number = counts[line["arm"]]
            counts[line["arm"]] += 1
            stem = f"{arms.index(line['arm']):02d}-{number:05d}"
            digests = {}
            for path, digest in line["sha256"].items():
                digests[f"{Path(path).parent}/{stem}.parquet"] = digest
                _link_file(folder / path, out / Path(path).parent / f"{stem}.parquet")
            last = line["last"] and folder == folders[-1]
            lines.append(line | {"segment": number, "sha256": digests, "last": last})
    return lines


def _link_file(source: Path, target: Path) -> None:
    if target.exists():
        if target.samefile(source):
            return
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)
