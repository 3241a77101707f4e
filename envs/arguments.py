"""What the arguments of the environments stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.visits import Reward
from recsim_llm.envs.actions import ACTIONS, items_on_sale
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World
from recsim_llm.registry import resolve

__all__ = ["INVALID", "BrowseSettings", "build_world", "is_same_step", "row_seeds", "wanted_users"]

INVALID = ("count", "error")
"""What may happen to a slot whose item cannot be shown."""
_DEFAULT_PARTS = ("page", "summary", "history")
_MASK = (1 << 64) - 1
_POPULATION_SEED = 0
"""Of the choice of users where a number of them is asked for: the same people are in every environment, whatever seeds their
visits are reset with."""


@dataclass(frozen=True, kw_only=True)
class BrowseSettings:
    """How pages are chosen, seen and paid in an environment; checked when made.

    Raises:
        ConfigError: a number is not a whole number of 1 or more, or a name is unknown.
    """

    slate_size: int
    """Slots a page, 1 or more."""
    max_pages: int
    """Page budget of a visit, 1 or more."""
    reward: str | Reward
    """Name of a reward, or a callable."""
    action: str
    """One of ``recsim_llm.envs.actions.ACTIONS``."""
    observation: Sequence[str] | None
    """Parts to observe; None means page, summary and history."""
    history_pages: int
    """Pages that the history shows, 1 or more."""
    candidates: int
    """Size of the candidate set, used by ``candidates`` actions only."""
    invalid: str
    """One of ``INVALID``: blank and count a slot whose item is repeated or retired, or raise."""

    def __post_init__(self) -> None:
        for name in ("slate_size", "max_pages", "history_pages"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigError(f"{name}: got {value!r}, expected 1 or more (a whole number)")
        if self.action not in ACTIONS:
            raise ConfigError(f"action: got {self.action!r}, expected {one_of(self.action, ACTIONS)}")
        if self.invalid not in INVALID:
            raise ConfigError(f"invalid: got {self.invalid!r}, expected 'count' (blank the slot) or 'error'")
        if isinstance(self.observation, str):
            raise ConfigError(f"observation: got {self.observation!r}, expected a list of names such as ['page', 'summary']")

    @property
    def parts(self) -> tuple[str, ...]:
        """What is observed: what was asked for, and the candidates wherever an action chooses among them."""
        parts = _DEFAULT_PARTS if self.observation is None else tuple(self.observation)
        return (*parts, "candidates") if self.action == "candidates" and "candidates" not in parts else parts

    @property
    def offered(self) -> int:
        """Number of candidates that are offered, 0 for none."""
        return self.candidates if self.action == "candidates" else 0

    def check_fits(self, catalog: Catalog) -> None:
        """See to it that pages can be filled from a catalog.

        Raises:
            ConfigError: there are too few items.
        """
        on_sale = len(items_on_sale(catalog))
        if not self.slate_size <= (self.offered if self.action == "candidates" else on_sale) <= on_sale:
            raise ConfigError(
                f"slate_size {self.slate_size}, candidates {self.candidates}, items on sale {on_sale}: "
                "expected slate_size <= candidates <= items on sale"
            )

    def described(self) -> dict[str, Any]:
        """Return the settings by name, with the parts that are observed, for the manifest of a log."""
        return dict(vars(self)) | {"observation": self.parts}


def build_world(
    catalog: str | PathLike[str] | Catalog,
    population: int | str | PathLike[str] | Population | None,
    users: str | UserModel,
) -> World:
    """Build the world that an environment's arguments describe.

    Raises:
        ConfigError: objects and names are mixed in a way that cannot work.
    """
    if isinstance(users, str) and not isinstance(catalog, Catalog):
        world: World = resolve("users", users)(catalog, population, seed=_POPULATION_SEED)
        return world
    if isinstance(catalog, Catalog) and isinstance(population, Population) and not isinstance(users, str):
        return World(catalog, population, users)
    raise ConfigError(
        f"environment: got catalog {type(catalog).__name__}, population {type(population).__name__}, "
        f"users {type(users).__name__}; expected a data set and users by name, or a Catalog, a Population and a user model"
    )


def row_seeds(seed: int | np.integer[Any] | Sequence[int | None], rows: int) -> keyed.Words:
    """Return one seed a row: the given ones, or ``seed + row``; modulo 2**64.

    Raises:
        ConfigError: seeds are missing or not integers.
    """
    seeds: Any = [int(seed) + row for row in range(rows)] if isinstance(seed, int | np.integer) else seed
    if not isinstance(seeds, Sequence | np.ndarray):
        raise ConfigError(f"seed: got {seed!r}, expected one integer or {rows} of them")
    whole = [int(one) & _MASK for one in seeds if isinstance(one, int | np.integer)]
    if len(whole) != rows or len(seeds) != rows:
        raise ConfigError(f"seed: got {seed}, expected one integer or {rows} of them")
    return np.array(whole, np.uint64)


def wanted_users(world: World, options: dict[str, Any] | None, rows: int) -> IntArray | None:
    """Return the user index that ``reset`` options ask for in each row, None where they ask for nothing.

    Raises:
        ConfigError: an option is unknown, or the population does not have such users.
    """
    if not options:
        return None
    if set(options) != {"user_id"}:
        raise ConfigError(f"reset options: got {sorted(options)}, expected 'user_id' or nothing")
    wanted = np.atleast_1d(np.asarray(options["user_id"]))
    if wanted.dtype.kind not in "iu" or wanted.shape != (rows,):
        raise ConfigError(f"reset options: got user_id {options['user_id']!r}, expected {rows} integers, one a row")
    known = world.population.user_id
    order = np.argsort(known, kind="stable")
    found = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
    if not np.array_equal(known[found], wanted):
        raise ConfigError(f"reset options: got user_id {options['user_id']}, expected ids of the population")
    return found


def is_same_step(mode: AutoresetMode | str) -> bool:
    """Return whether a finished row restarts within the same step.

    Raises:
        ConfigError: the mode is neither ``NEXT_STEP`` nor ``SAME_STEP``.
    """
    value = mode.value if isinstance(mode, AutoresetMode) else str(mode)
    for known in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        if value.lower() in (known.value.lower(), known.name.lower()):
            return known is AutoresetMode.SAME_STEP
    raise ConfigError(f"autoreset_mode: got {mode!r}, expected NEXT_STEP or SAME_STEP")
