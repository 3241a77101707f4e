"""The environment of a finished run: its users again, with the run's dice, for data sets that are stepped through once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.envs.observations import Observation, Observer
from recsim_llm.envs.rewards import reward_of
from recsim_llm.errors import ConfigError, ContractError, LogError, SlateError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.providers import Roles
from recsim_llm.numerics.ranking import repeated_slots
from recsim_llm.population.world import World
from recsim_llm.scenarios.building import dataset_of, world_of
from recsim_llm.scenarios.schema import Scenario, scenario_from

__all__ = ["PARTS", "RecordedEnv", "observer_of", "slate_space", "world_of_run"]

Info = dict[str, Any]
IntArray = npt.NDArray[np.int64]

PARTS = ("page", "summary", "history")
"""What is observed, as in ``RecSimLLM/Browse-v0`` without other wishes."""


class RecordedEnv(gymnasium.Env[Observation, IntArray]):
    """The users of a run, each visit with the dice that it had in the run.

    **Action.** ``MultiDiscrete([n] * slate_size)``: the page as catalog positions; a repeated or retired item leaves its slot
    blank. With ``blanks`` the numbers start at -1, which is a blank slot.

    **Observation, reward, end.** As ``RecSimLLM/Browse-v0`` with the run's reward, ``page``, ``summary`` and ``history``.

    **Reset.** ``options={"user_id": id, "visit": v}`` brings a visit of the run; without a seed its dice are the run's, so that
    the run's pages get the run's clicks, ratings and ends. A visit above 0 belongs to a user who came before: it must follow
    the same user's visit ``v - 1`` in this environment, stepped through to its end. Without options someone comes for the
    first time, drawn from the seed.

    Args:
        settings: of the run, as ``manifest.json`` has them under ``settings``.
        fingerprints: of its ``data`` and ``population``; other ones are refused.
        blanks: pages may have blank slots.

    Raises:
        ConfigError: the run's users are played by language models, which would answer, and cost, anew.
        LogError: the data or the users are not those of the run.
    """

    def __init__(self, settings: Mapping[str, Any], fingerprints: Mapping[str, str], blanks: bool = False) -> None:
        scenario = scenario_from(settings, "recorded run")
        if "user" in scenario.models:
            raise ConfigError("recorded run: got users that ask language models, expected users that can be simulated again")
        self.world = world_of_run(scenario, fingerprints, "recorded run")
        if scenario.seed is None:
            raise ConfigError("recorded run: got no seed, expected that of the run's manifest.json")
        self._scenario, self._seed = scenario, scenario.seed
        self._kernel = Kernel(
            users=self.world.users,
            user_id=self.world.population.user_id,
            rows=1,
            slate_size=scenario.slate_size,
            max_pages=scenario.max_pages,
        )
        self._reward = reward_of(scenario.reward)
        self._observer = observer_of(self.world, scenario.slate_size, scenario.max_pages, rows=1)
        self.observation_space = self._observer.space  # type: ignore[assignment] # Dict knows no value type
        self.action_space = slate_space(len(self.world.catalog), scenario.slate_size, blanks=blanks)
        self._lowest = -1 if blanks else 0
        self._place = {int(user): index for index, user in enumerate(self.world.population.user_id)}
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
        self._kernel.begin(ALL_ROWS, index, number, dice, returning=returning)
        self._observer.begin(ALL_ROWS)
        self._current, self._over = (user_id, visit), False
        return self._observe(), self._info(0, 0)

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, Info]:
        """Show one page."""
        if self._over:
            raise ContractError("step: got an action after the visit ended, expected reset() first")
        page = np.asarray(action)[None]
        items = len(self.world.catalog)
        if page.shape != (1, self._scenario.slate_size) or page.dtype.kind not in "iu":
            raise SlateError(
                f"action: got {page.dtype} of shape {page.shape[1:]}, expected {self._scenario.slate_size} integers"
            )
        if page.min() < self._lowest or page.max() >= items:
            raise SlateError(f"action: got {page[0].tolist()}, expected {self._lowest} to {items - 1}")
        page = page.astype(np.int64)
        empty = self._blank(page)
        feedback = self._kernel.step(np.where(empty, -1, page), empty=empty) if empty.any() else self._kernel.step(page)
        self._observer.record(feedback)
        terminated = bool(feedback.left[0])
        truncated = bool(self._kernel.page[0] >= self._scenario.max_pages) and not terminated
        self._over = terminated or truncated
        reward = float(self._reward(feedback, self.world.catalog)[0])
        return self._observe(), reward, terminated, truncated, self._info(feedback.slot.size, int(empty.sum()))

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

    def _blank(self, page: IntArray) -> npt.NDArray[np.bool_]:
        blank = page < 0
        repeated, retired = repeated_slots(page), self.world.catalog.retired
        if repeated is not None:
            blank = blank | repeated
        return blank if retired is None else blank | (retired[page] & (page >= 0))

    def _observe(self) -> Observation:
        return self._observer.observe(self._kernel.page, self._kernel.user_index, None, 0)

    def _info(self, clicks: int, invalid: int) -> Info:
        return {"user_id": self._current[0], "visit": self._current[1], "clicks": clicks, "invalid_slots": invalid}


def observer_of(world: World, slate_size: int, max_pages: int, *, rows: int) -> Observer:
    """Return an observer of ``PARTS`` for a number of rows."""
    return Observer(
        parts=PARTS,
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


def world_of_run(scenario: Scenario, fingerprints: Mapping[str, str], what: str) -> World:
    """Build the items and users of a run again; language models are never asked.

    Args:
        scenario: from the run's manifest.
        fingerprints: of ``data`` and ``population``, from there too.
        what: the run, for the error text.

    Raises:
        LogError: the data or the users have changed.
    """
    dataset = dataset_of(scenario)
    # Nobody decides anything that a language model would be asked for, so a stand-in takes its place.
    with Roles({"user": ModelSettings(name="scripted/uniform")}) as nobody:
        world = world_of(scenario, dataset, nobody)
    now = {"data": dataset.fingerprint, "population": world.population.fingerprint}
    changed = [name for name, fingerprint in now.items() if fingerprints[name] != fingerprint]
    if changed:
        raise LogError(f"{what}: the {changed[0]} changed since the run, expected what its manifest.json says; restore it")
    return world
