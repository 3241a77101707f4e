"""A trained slate policy: NumPy alone, and the same slates for a user whoever else is in the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.keyed import Words
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.recommenders.scoring import on_grid, products
from recsim_llm.training.learners import Choice, PolicyWorld
from recsim_llm.training.network_files import read_weights, write_weights
from recsim_llm.training.slate_choice import Competition, Optimisation, best_slates

__all__ = ["PARTS", "SlatePolicy", "Towers", "as_input"]

PARTS = ("page", "taste", "fresh")
"""Parts of the observation that slate policies see."""

_FILE, _SIDES = "slate_policy.json", ("clicks", "worths")

Observation = Mapping[str, npt.NDArray[Any]]


class Towers(NamedTuple):
    """A perceptron for users, and a vector an item: scores are their products."""

    weights: tuple[FloatArray, ...]
    """float32 [in, out] of each layer; all but the last are followed by a rectifier."""
    biases: tuple[FloatArray, ...]
    """float32 [out] of each layer."""
    items: FloatArray
    """float32 [n, out of the last layer]."""
    level: FloatArray
    """float32 [n]: added to every score of an item."""

    def scores(self, inputs: FloatArray) -> FloatArray:
        """Return float32 [r, n]; a row depends on nothing but its input, to the last bit."""
        values = inputs
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            values = products(values, on_grid(weight, len(weight))) + bias
            if number < len(self.weights):
                values = np.maximum(values, 0)
        return products(values, on_grid(self.items.T, self.items.shape[1])) + self.level

    def columns(self, name: str) -> dict[str, FloatArray]:
        """Return the arrays by name, to be written to a file."""
        layers = {
            f"{name}.{kind}{number}": array
            for kind in ("weights", "biases")
            for number, array in enumerate(getattr(self, kind))
        }
        return layers | {f"{name}.items": self.items, f"{name}.level": self.level}

    @classmethod
    def read(cls, name: str, columns: Mapping[str, Any]) -> Towers:
        """Return what ``columns`` wrote."""
        depth = sum(key.startswith(f"{name}.weights") for key in columns)
        layers = {kind: tuple(columns[f"{name}.{kind}{number}"] for number in range(depth)) for kind in ("weights", "biases")}
        return cls(**layers, items=columns[f"{name}.items"], level=columns[f"{name}.level"])


class SlatePolicy:
    """Shows the slate of the highest value, by what it holds of clicks and of their worth.

    Args:
        clicks: towers whose scores sum up to the log-odds of a click on each item.
        worths: to what a click adds to the return; empty where every click is worth the same.
        slots: slots a page.
        competition: how the items of a page compete for clicks.
        optimisation: how the best slate is looked for.
    """

    def __init__(
        self,
        clicks: Sequence[Towers],
        worths: Sequence[Towers],
        *,
        slots: int,
        competition: Competition,
        optimisation: Optimisation,
    ) -> None:
        self.clicks, self.worths = tuple(clicks), tuple(worths)
        self.slots, self.competition, self.optimisation = slots, competition, optimisation

    def act(self, observation: Observation, word: Words | None = None) -> Choice:  # noqa: ARG002 (it has no chance in it)
        """Return the slates of a batch of users, as catalog positions, best first; it is certain of them.

        Args:
            observation: the parts ``PARTS``, each with the users' axis first.
            word: not used.
        """
        inputs, fresh = as_input(observation)
        log_odds = _sum(self.clicks, inputs)
        worth = _sum(self.worths, inputs) if self.worths else np.ones_like(log_odds)
        slates = best_slates(log_odds, worth, fresh, self.slots, competition=self.competition, optimisation=self.optimisation)
        return Choice(slates)

    def save(self, folder: Path) -> None:
        """Write the policy into a folder, which exists; ``load`` restores it exactly."""
        header = {"slots": self.slots, "competition": self.competition, "optimisation": self.optimisation}
        columns: dict[str, FloatArray] = {}
        for name in _SIDES:
            for number, towers in enumerate(getattr(self, name)):
                columns |= towers.columns(f"{name}{number}")
        write_weights(folder, columns)
        write_atomically(folder / _FILE, json.dumps(header, sort_keys=True).encode() + b"\n")

    @classmethod
    def load(cls, folder: Path, world: PolicyWorld) -> SlatePolicy:
        """Read a policy that ``save`` wrote.

        Args:
            folder: where it was written.
            world: where it is to act.

        Raises:
            ConfigError: it belongs to other items, or to pages of another length.
            LogError: the file is missing, or no such policy.
        """
        path, columns = folder / _FILE, read_weights(folder)
        try:
            header: Any = read_json(path)
            counts = {name: sum(key.startswith(name) and key.endswith(".items") for key in columns) for name in _SIDES}
            clicks, worths = ([Towers.read(f"{name}{number}", columns) for number in range(counts[name])] for name in _SIDES)
            policy = cls(clicks, worths, **header)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise LogError(f"{path}: got {error!r}, expected a slate policy; train it again") from error
        if (len(policy.clicks[0].level), policy.slots) != (len(world.catalog), world.slate_size):
            raise ConfigError(
                f"{path}: got a policy for {len(policy.clicks[0].level)} items and pages of {policy.slots}, expected one for "
                f"{len(world.catalog)} items and pages of {world.slate_size}; train it in this world"
            )
        return policy


def _sum(towers: Sequence[Towers], inputs: FloatArray) -> FloatArray:
    total = towers[0].scores(inputs)
    for more in towers[1:]:
        total += more.scores(inputs)
    return total


def as_input(observation: Observation) -> tuple[FloatArray, BoolArray]:
    """Return what networks see of an observation, float32 [r, t + 1], and the items that may be shown, bool [r, n].

    Raises:
        ConfigError: a part is missing.
    """
    missing = [part for part in PARTS if part not in observation]
    if missing:
        raise ConfigError(
            f"slate policy: got an observation without {', '.join(missing)}, expected the parts {', '.join(PARTS)}; name them "
            "in observation=[...] of the environment"
        )
    inputs = np.concatenate([observation["taste"], observation["page"]], axis=1, dtype=np.float32)
    return inputs, observation["fresh"].astype(np.bool_)
