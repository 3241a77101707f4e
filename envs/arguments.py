"""What the arguments of the environments stand for."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import IntArray
from recsim_llm.core.protocols import UserModel
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World
from recsim_llm.registry import resolve

__all__ = ["is_same_step", "seeds_of", "wanted_users", "world_of"]

_MASK = (1 << 64) - 1


def world_of(
    catalog: str | PathLike[str] | Catalog,
    population: int | str | PathLike[str] | Population | None,
    users: str | UserModel,
) -> World:
    """Build the world that an environment's arguments describe.

    Raises:
        ConfigError: objects and names are mixed in a way that cannot work.
    """
    if isinstance(users, str) and not isinstance(catalog, Catalog):
        world: World = resolve("users", users)(catalog, population)
        return world
    if isinstance(catalog, Catalog) and isinstance(population, Population) and not isinstance(users, str):
        return World(catalog, population, users)
    raise ConfigError(
        f"environment: got catalog {type(catalog).__name__}, population {type(population).__name__}, "
        f"users {type(users).__name__}; expected a data set and users by name, or a Catalog, a Population and a user model"
    )


def seeds_of(seed: int | np.integer[Any] | Sequence[int | None], rows: int) -> keyed.Words:
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
