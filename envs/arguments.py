"""What the arguments of the environments stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.visits import Reward
from recsim_llm.envs.actions import ACTIONS, items_on_sale
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.world import World

__all__ = ["INVALID", "BrowseSettings", "is_same_step", "refuse_unknown", "row_seeds", "wanted_users", "whole_number"]

INVALID = ("count", "error")
"""What may happen to a slot whose item cannot be shown."""
_DEFAULT_PARTS = ("page", "summary", "history")
_MASK = (1 << 64) - 1
_MOST = 1_000_000_000
_ELSEWHERE = {
    "seed": "it in reset(seed=...)",
    "options": "them in reset(options=...)",
    "user_id": "it in reset(options={'user_id': ...})",
    "max_episode_steps": "max_pages, the page budget of a visit",
    "num_envs": "gymnasium.make_vec(..., num_envs=n)",
    "n_envs": "gymnasium.make_vec(..., num_envs=n)",
    "autoreset_mode": "it in gymnasium.make_vec with vectorization_mode='vector_entry_point'",
}
"""Keywords that belong somewhere else: what is expected."""


@dataclass(frozen=True, kw_only=True)
class BrowseSettings:
    """How pages are chosen, seen and paid in an environment; checked when made.

    Raises:
        ConfigError: a number is not a whole number of 1 or more, or a name is unknown.
    """

    slate_size: int = 10
    """Slots a page, 1 or more."""
    max_pages: int = 20
    """Page budget of a visit, 1 or more."""
    reward: str | Reward = "clicks"
    """Name of a reward, or a callable."""
    action: str = "slate"
    """One of ``recsim_llm.envs.actions.ACTIONS``."""
    observation: Sequence[str] | None = None
    """Parts to observe; None means page, summary and history."""
    history_pages: int = 1
    """Pages that the history shows, 1 or more."""
    candidates: int = 50
    """Size of the candidate set, used by ``candidates`` actions only."""
    invalid: str = "count"
    """One of ``INVALID``: blank and count a slot whose item is repeated or retired, or raise."""
    visits: int = 1
    """Most visits of a user in a row, 1 or more; after each one it comes back or not."""

    def __post_init__(self) -> None:
        for name in ("slate_size", "max_pages", "history_pages", "candidates", "visits"):
            whole_number(name, getattr(self, name))
        if self.action not in ACTIONS:
            raise ConfigError(f"action: got {self.action!r}, expected {one_of(self.action, ACTIONS)}")
        if self.invalid not in INVALID:
            raise ConfigError(f"invalid: got {self.invalid!r}, expected 'count' (blank the slot) or 'error'")
        if self.observation is not None and not _is_names(self.observation):
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

    def check_fits(self, catalog: Catalog, rows: int) -> None:
        """See to it that pages can be filled from a catalog, and that there is room for all rows' pages.

        Raises:
            ConfigError: there are too few items, or the rows would take too much memory.
        """
        on_sale = len(items_on_sale(catalog))
        if not self.slate_size <= (self.offered if self.action == "candidates" else on_sale) <= on_sale:
            raise ConfigError(
                f"slate_size {self.slate_size}, candidates {self.candidates}, items on sale {on_sale}: "
                "expected slate_size <= candidates <= items on sale"
            )
        numbers = rows * (self.slate_size * (self.history_pages + 12) + (self.offered + 4) * catalog.features.shape[1])
        if numbers > _MOST:
            raise ConfigError(
                f"num_envs {rows:,}, history_pages {self.history_pages:,}, slate_size {self.slate_size:,}: got {numbers:,} "
                f"numbers to keep, expected at most {_MOST:,}; lower one of them"
            )

    def described(self) -> dict[str, Any]:
        """Return the settings by name, with the parts that are observed, for the manifest of a log."""
        return dict(vars(self)) | {"observation": self.parts}


def refuse_unknown(unknown: Mapping[str, Any], known: Iterable[str]) -> None:
    """Say of a keyword that no environment takes where it belongs, or which one was probably meant.

    Raises:
        ConfigError: there is one.
    """
    for name, value in unknown.items():
        if value is None and name in _ELSEWHERE:
            continue  # Left as it is anyway.
        expected = _ELSEWHERE.get(name) or one_of(name, known)
        raise ConfigError(f"{name}: got {value!r} for the environment, expected {expected}")


def whole_number(name: str, value: object) -> int:
    """Return a number of rows, slots or pages.

    Raises:
        ConfigError: it is not a whole number from 1 to a thousand million.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= _MOST:
        raise ConfigError(f"{name}: got {value!r}, expected 1 or more (a whole number, up to {_MOST:,})")
    return int(value)


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


def _is_names(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(name, str) for name in value)


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
