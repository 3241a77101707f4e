"""Users who visit again with given dice, so that the pages of a finished run get its clicks, ratings and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.visits import Visits, blank_slots
from recsim_llm.envs.observations import Observation, Observer
from recsim_llm.envs.rewards import resolve_reward
from recsim_llm.errors import ConfigError, ContractError, SlateError
from recsim_llm.population.world import World

__all__ = ["RecordedVisitsEnv", "make_observer", "slate_space"]

Info = dict[str, Any]

_PARTS = ("page", "summary", "history")


class RecordedVisitsEnv(gymnasium.Env[Observation, IntArray]):
    """The users of a world, each visit with the dice that a run with that seed gave it.

    **Action.** ``MultiDiscrete([n] * slate_size)``: the page as catalog positions; a repeated or retired item leaves its slot
    blank. With ``blanks`` the numbers start at -1, which is a blank slot.

    **Observation, reward, end.** As ``RecSimLLM/Browse-v0``, with ``page``, ``summary`` and ``history``.

    **Reset.** ``options={"user_id": id, "visit": v}`` brings a visit of the run; without a seed its dice are the run's, so that
    the run's pages get the run's clicks, ratings and ends. A visit above 0 belongs to a user who came before: it must follow
    the same user's visit ``v - 1`` in this environment, stepped through to its end. Without options someone comes for the
    first time, drawn from the seed.

    Args:
        world: items and users.
        seed: of the run.
        slate_size: slots a page.
        max_pages: page budget of a visit.
        reward: name of the reward.
        blanks: pages may have blank slots.
    """

    def __init__(self, world: World, *, seed: int, slate_size: int, max_pages: int, reward: str, blanks: bool) -> None:
        self.world = world
        self._seed = seed
        self._visits = Visits(
            users=world.users,
            user_id=world.population.user_id,
            catalog=world.catalog,
            reward=resolve_reward(reward, users=world.users),
            rows=1,
            slate_size=slate_size,
            max_pages=max_pages,
            # What a run showed was admitted then.
            repeats="allow",
            rated=world.rated,
        )
        self._kernel = self._visits.kernel
        self._observer = make_observer(world, slate_size, max_pages, rows=1)
        self.observation_space = self._observer.space  # type: ignore[assignment] # Dict knows no value type
        self.action_space = slate_space(len(world.catalog), slate_size, blanks=blanks)
        self._lowest = -1 if blanks else 0
        self._place = {int(user): index for index, user in enumerate(world.population.user_id)}
        self._current, self._over = (-1, -1), True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start a visit.

        Args:
            seed: of the dice; None takes the run's.
            options: ``user_id``, and ``visit`` (default 0).

        Raises:
            ConfigError: an option is unknown, the user is not in the run, or the visit does not follow the one before.
        """
        super().reset(seed=seed)
        user_id, visit = self._asked(options or {})
        returning = visit > 0
        if returning and not (self._over and self._current == (user_id, visit - 1)):
            raise ConfigError(
                f"reset: got visit {visit} of user {user_id}, expected it after that user's visit {visit - 1} was stepped "
                "through; take a user's visits in order"
            )
        index, number = np.array([self._place[user_id]]), np.array([visit])
        dice = self._kernel.dice(index, number, seed_words([self._seed if seed is None else seed]))
        self._visits.begin(ALL_ROWS, index, number, dice, returning=returning)
        self._observer.begin(ALL_ROWS)
        self._current, self._over = (user_id, visit), False
        return self._observe(), self._info(0, 0)

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, Info]:
        """Show one page.

        Raises:
            ContractError: the visit is over.
            SlateError: the action is outside the space.
        """
        if self._over:
            raise ContractError("step: got an action after the visit ended, expected reset() first")
        page = self._checked(np.asarray(action)[None])
        outcome = self._visits.show(page, blank=blank_slots(page, self.world.catalog.retired))
        self._observer.record(outcome.feedback)
        terminated = bool(outcome.feedback.left[0])
        truncated = bool(outcome.out_of_pages[0]) and not terminated
        self._over = terminated or truncated
        info = self._info(outcome.feedback.slot.size, int(outcome.invalid[0]))
        return self._observe(), float(outcome.reward[0]), terminated, truncated, info

    def _asked(self, options: Mapping[str, Any]) -> tuple[int, int]:
        if set(options) - {"user_id", "visit"}:
            raise ConfigError(f"reset options: got {sorted(options)}, expected 'user_id' and 'visit'")
        if "user_id" not in options:
            place = int(self.np_random.integers(len(self.world.population)))
            return int(self.world.population.user_id[place]), 0
        user_id, visit = int(options["user_id"]), int(options.get("visit", 0))
        if user_id not in self._place or visit < 0:
            raise ConfigError(f"reset options: got {dict(options)}, expected a user of the run, and a visit from 0")
        return user_id, visit

    def _checked(self, page: npt.NDArray[Any]) -> IntArray:
        items, slots = len(self.world.catalog), self._kernel.slate_size
        if page.shape != (1, slots) or page.dtype.kind not in "iu":
            raise SlateError(f"action: got {page.dtype} of shape {page.shape[1:]}, expected {slots} integers")
        if page.min() < self._lowest or page.max() >= items:
            raise SlateError(f"action: got {page[0].tolist()}, expected {self._lowest} to {items - 1}")
        return page.astype(np.int64)

    def _observe(self) -> Observation:
        return self._observer.observe(self._kernel.page, self._kernel.user_index, None, 0)

    def _info(self, clicks: int, invalid: int) -> Info:
        return {"user_id": self._current[0], "visit": self._current[1], "clicks": clicks, "invalid_slots": invalid}


def make_observer(world: World, slate_size: int, max_pages: int, *, rows: int) -> Observer:
    """Return an observer of what ``RecSimLLM/Browse-v0`` shows without other wishes, for a number of rows."""
    return Observer(
        parts=_PARTS,
        catalog=world.catalog,
        population=world.population,
        rows=rows,
        slate_size=slate_size,
        max_pages=max_pages,
        history_pages=1,
        candidates=0,
    )


def slate_space(items: int, slate_size: int, *, blanks: bool) -> spaces.MultiDiscrete:
    """Return the space of pages as catalog positions; with blank slots it starts at -1."""
    first = -1 if blanks else 0
    return spaces.MultiDiscrete(np.full(slate_size, items - first, np.int64), start=np.full(slate_size, first, np.int64))
