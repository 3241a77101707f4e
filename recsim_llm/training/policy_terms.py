"""What a trained policy sees and says: enough to ask it about users of any run on the same items."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.population.personas import Population
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.training.learners import open_learner

__all__ = ["TERMS", "PolicyTerms", "digest_items", "make_terms", "profile_names"]

TERMS = "terms.json"
"""Name of the file beside a policy's weights."""


class PolicyTerms(FrozenSettings):
    """What a policy was trained to see and to say."""

    algorithm: str
    """Name of the learner, for ``open_learner``."""
    action: str
    """One of ``recsim_llm.envs.actions.ACTIONS``."""
    parts: list[str]
    """Parts of the observation."""
    slate_size: int
    """Slots a page."""
    max_pages: int
    """Page budget of a visit, of which ``page`` is a share."""
    history_pages: int
    """Pages that ``history`` shows."""
    candidates: int
    """Size of the candidate set; 0 for none."""
    profile: list[str]
    """Names of the columns of ``profile``; empty where it is not observed."""
    items: str
    """Digest of the catalog's ids and features; empty where nobody noted it."""
    holdout: float | None
    """Share of the users that training never met, by ``recsim_llm.scenarios.train_settings.held_out``; None where nobody
    noted it."""

    def check(self, catalog: Catalog, source: str) -> None:
        """See to it that a policy meets the items that it knows.

        Raises:
            ConfigError: it does not.
        """
        if self.items and digest_items(catalog) != self.items:
            raise ConfigError(
                f"{source}: got a catalog of {len(catalog)} items, expected the one that it was trained on, with the same ids "
                "and features; run it on the same data, or train on these"
            )

    def save(self, folder: Path) -> None:
        """Write ``terms.json``."""
        write_atomically(folder / TERMS, json.dumps(self.model_dump(), indent=2, sort_keys=True).encode() + b"\n")

    @classmethod
    def load(cls, folder: Path) -> PolicyTerms:
        """Read what ``save`` wrote.

        Raises:
            LogError: it cannot be used.
        """
        path, remedy = folder / TERMS, "expected what `recsim-llm train` wrote; restore the file or train again"
        try:
            content: Any = read_json(path)
        except OSError as error:
            raise LogError(f"{path}: got no such file, {remedy}") from error
        except ValueError as error:
            raise LogError(f"{path}: got something else than JSON, {remedy}") from error
        if not isinstance(content, dict):
            raise LogError(f"{path}: got no settings by name, {remedy}")
        try:
            return cls.read(content, str(path))
        except ConfigError as error:
            raise LogError(f"{error}; restore the file or train again") from error


def make_terms(scenario: Scenario, train: TrainSettings, *, profile: list[str], items: str) -> PolicyTerms:
    """Return what a policy will see and say that is trained as a scenario says.

    Args:
        scenario: whose pages it fills.
        train: how.
        profile: names of the columns of ``profile``; of no use where that is not observed.
        items: digest of the catalog.

    Raises:
        ConfigError: there is no such algorithm, or it does not learn such actions.
    """
    kind = open_learner(train.algorithm)
    action = train.action or kind.actions[0]
    if action not in kind.actions:
        raise ConfigError(
            f"train.action: got {action!r} with algorithm {train.algorithm!r}, expected {one_of(action, kind.actions)}"
        )
    parts = list(train.observation or kind.observation)
    if action == "candidates" and "candidates" not in parts:
        parts.append("candidates")
    return PolicyTerms(
        algorithm=train.algorithm,
        action=action,
        parts=parts,
        slate_size=scenario.slate_size,
        max_pages=scenario.max_pages,
        history_pages=train.history_pages,
        candidates=train.candidates if action == "candidates" else 0,
        profile=profile if "profile" in parts else [],
        items=items,
        holdout=train.holdout,
    )


def digest_items(catalog: Catalog) -> str:
    """Return a digest of what a policy knows items by: their ids, in order, and their features."""
    digest = hashlib.sha256(catalog.item_id.tobytes())
    digest.update(catalog.features.tobytes())
    return digest.hexdigest()[:16]


def profile_names(population: Population) -> list[str]:
    """Return the names of the columns of ``profile`` as an environment of these users shows it."""
    return list(make_profile(population.demographics, len(population)).names)
