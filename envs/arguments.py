"""What the arguments of the environments stand for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.repetition import Repeats
from recsim_llm.core.visits import Reward
from recsim_llm.envs.actions import ACTIONS, items_on_sale
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.world import World

__all__ = [
    "INVALID",
    "LONGEST_LIFE",
    "BrowseSettings",
    "read_autoreset_mode",
    "refuse_unknown",
    "reset_options",
    "row_seeds",
    "rows_to_reset",
    "single_seed",
    "wanted_users",
    "whole_number",
]

INVALID = ("count", "error")
"""What may happen to a slot whose item cannot be shown."""
LONGEST_LIFE = 1_000
"""Visits after which a whole life is cut off, whatever the users say: no episode is endless."""
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
    visits: int | Literal["life"] = 1
    """Most visits of a user in an episode, 1 or more, or ``life``: until the user does not come back."""
    repeats: Repeats = "forbid"
    """``forbid``: a user is shown nothing that the user was shown or rated before; ``allow``: anything."""

    def __post_init__(self) -> None:
        for name in ("slate_size", "max_pages", "history_pages", "candidates"):
            whole_number(name, getattr(self, name))
        if self.visits != "life":
            whole_number("visits", self.visits, more=", or 'life'")
        if self.action not in ACTIONS:
            raise ConfigError(f"action: got {self.action!r}, expected {one_of(self.action, ACTIONS)}")
        if self.invalid not in INVALID:
            raise ConfigError(f"invalid: got {self.invalid!r}, expected 'count' (blank the slot) or 'error'")
        if self.repeats not in get_args(Repeats):
            raise ConfigError(f"repeats: got {self.repeats!r}, expected 'forbid' (nothing that a user knows) or 'allow'")
        if self.observation is not None and not _is_names(self.observation):
            raise ConfigError(f"observation: got {self.observation!r}, expected a list of names such as ['page', 'summary']")

    @property
    def most_visits(self) -> int:
        """Visits after which an episode ends in any case."""
        return LONGEST_LIFE if self.visits == "life" else self.visits

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
        if name == "disable_env_checker" or (value is None and name in _ELSEWHERE):
            continue  # There is nothing to do.
        expected = _ELSEWHERE.get(name) or one_of(name, [one for one in known if one not in ("self", "unknown")])
        raise ConfigError(f"{name}: got {value!r} for the environment, expected {expected}")


def whole_number(name: str, value: object, *, more: str = "") -> int:
    """Return a number of rows, slots or pages.

    Args:
        name: of the argument.
        value: what was given.
        more: what else was possible, for the error text.

    Raises:
        ConfigError: it is not a whole number from 1 to a thousand million.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= _MOST:
        raise ConfigError(f"{name}: got {value!r}, expected 1 or more (a whole number, up to {_MOST:,}){more}")
    return int(value)


def row_seeds(seed: object, rows: int) -> list[int | None]:
    """Return one seed a row: the given ones, or ``seed + row``; None for a row that is not seeded.

    Args:
        seed: one integer, a sequence with an integer or None for each row, or None.
        rows: how many there are.

    Raises:
        ConfigError: seeds are missing or not integers.
    """
    if seed is None:
        return [None] * rows
    if _is_whole(seed):
        return [(int(seed) + row) & _MASK for row in range(rows)]
    if (
        not isinstance(seed, Sequence | np.ndarray)
        or len(seed) != rows
        or not all(one is None or _is_whole(one) for one in seed)
    ):
        raise ConfigError(f"seed: got {seed!r}, expected one integer or {rows} of them, None for a row to leave as it is")
    return [None if one is None else int(one) & _MASK for one in seed]


def single_seed(seed: object) -> int | None:
    """Return a seed as Gymnasium takes it.

    Raises:
        ConfigError: it is no integer, or below 0.
    """
    if seed is None:
        return None
    if not _is_whole(seed) or int(seed) < 0:
        raise ConfigError(f"seed: got {seed!r}, expected an integer of 0 or more, or None")
    return int(seed)


def reset_options(options: object, known: Collection[str]) -> dict[str, Any]:
    """Return what ``reset`` was asked for, by name.

    Raises:
        ConfigError: it is no mapping, or a name is unknown.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"reset options: got {options!r}, expected a mapping such as {{'user_id': 42}}, or None")
    for name in options:
        if name not in known:
            raise ConfigError(f"reset options: got {name!r}, expected nothing or {one_of(name, known)}")
    return {str(name): value for name, value in options.items()}


def wanted_users(world: World, wanted: npt.ArrayLike | None, rows: int) -> IntArray | None:
    """Return the user index that ``reset`` is asked for in each row, None where it is asked for nobody.

    Args:
        world: items and users.
        wanted: outside ids, one a row; or the data's own ids where these are texts.
        rows: how many there are.

    Raises:
        ConfigError: the population does not have such users.
    """
    if wanted is None:
        return None
    known = world.population.user_id
    try:
        ids = np.atleast_1d(np.asarray(wanted))
    except ValueError:
        ids = np.empty(0)
    if ids.dtype.kind == "U" and world.population.user_key is not None:
        pairs = zip(world.population.user_key.tolist(), known.tolist(), strict=True)
        by_key = {key: number for key, number in pairs if key}
        ids = np.array([by_key.get(key, -1) for key in ids.reshape(-1).tolist()]).reshape(ids.shape)
    if ids.dtype.kind not in "iu" or ids.shape != (rows,):
        number = "an integer" if rows == 1 else f"{rows} integers, one a row"
        raise ConfigError(f"reset options: got user_id {wanted!r}, expected {number}")
    order = np.argsort(known, kind="stable")
    found = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(order) - 1)]
    if not np.array_equal(known[found], ids):
        missing = np.reshape(wanted, -1)[known[found] != ids][0]
        raise ConfigError(f"reset options: got user_id {missing}, expected ids of the population, such as {known[0]}")
    return found


def rows_to_reset(mask: object, rows: int) -> IntArray | None:
    """Return int64 [m]: the rows that a ``reset_mask`` names; None where there is none.

    Raises:
        ConfigError: it is not one truth value a row, or all are False.
    """
    if mask is None:
        return None
    if (
        not isinstance(mask, np.ndarray | Sequence)
        or len(mask) != rows
        or not all(isinstance(one, bool | np.bool_) for one in mask)
    ):
        raise ConfigError(f"reset options: got reset_mask {mask!r}, expected bool [{rows}], True for the rows to reset")
    found = np.flatnonzero(mask)
    if not found.size:
        raise ConfigError("reset options: got a reset_mask without a True, expected at least one row to reset")
    return found


def _is_names(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(name, str) for name in value)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def read_autoreset_mode(mode: object) -> AutoresetMode:
    """Return what happens to a row whose visit is over.

    Raises:
        ConfigError: the mode is unknown.
    """
    value = mode.value if isinstance(mode, AutoresetMode) else str(mode)
    for known in AutoresetMode:
        if value.lower() in (known.value.lower(), known.name.lower()):
            return known
    raise ConfigError(f"autoreset_mode: got {mode!r}, expected {', '.join(known.name for known in AutoresetMode)}")
