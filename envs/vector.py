"""``RecSimLLM/Browse-v0``, vectorised: many browsing users as one Gymnasium environment."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from inspect import signature
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Rows
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.repetition import RatedItems
from recsim_llm.core.visits import Reward
from recsim_llm.envs.actions import as_array
from recsim_llm.envs.arguments import (
    read_autoreset_mode,
    refuse_unknown,
    reset_options,
    row_seeds,
    rows_to_reset,
    single_seed,
    wanted_users,
    whole_number,
)
from recsim_llm.envs.environment_worlds import WorldArguments
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.session_opening import open_session
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.population.personas import Population

__all__ = ["BrowseVectorEnv"]

Info = dict[str, Any]


class BrowseVectorEnv(VectorEnv[Observation, npt.NDArray[Any], npt.NDArray[Any]]):
    """Many users browse at once, computed in numpy columns; row ``i`` equals a ``BrowseEnv`` reset with the same seed.

    Arguments as ``BrowseEnv``, plus:

    Args:
        num_envs: users that browse at the same time.
        autoreset_mode: ``AutoresetMode.NEXT_STEP`` (Gymnasium's default: the step after an end resets the row, and its action
            is not used), ``AutoresetMode.SAME_STEP`` (the row restarts at once; ``info["final_obs"]`` and
            ``info["final_info"]`` hold the ended episode's last), ``AutoresetMode.DISABLED`` (rows restart by ``reset`` with a
            ``reset_mask``), or their names.
    """

    def __init__(
        self,
        num_envs: int = 1,
        catalog: str | PathLike[str] | Catalog | None = None,
        population: int | str | PathLike[str] | Population | None = None,
        users: str | UserModel | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        scenario: object = None,
        model: str | None = None,
        slate_size: int | None = None,
        max_pages: int | None = None,
        visits: int | str | None = None,
        reward: str | Reward | None = None,
        action: str = "slate",
        observation: Sequence[str] | None = None,
        history_pages: int = 1,
        candidates: int = 50,
        invalid: str | None = None,
        repeats: str | None = None,
        rated: RatedItems | None = None,
        log: str | PathLike[str] | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, signature(BrowseVectorEnv).parameters)
        if render_mode is not None:
            raise ConfigError(f"render_mode: got {render_mode!r} for a vector environment, expected None; render a single one")
        self.num_envs = whole_number("num_envs", num_envs)
        self.render_mode = None
        self._mode = read_autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self._mode}
        pages = {
            "slate_size": slate_size,
            "max_pages": max_pages,
            "visits": visits,
            "reward": reward,
            "action": action,
            "observation": observation,
            "history_pages": history_pages,
            "candidates": candidates,
            "invalid": invalid,
            "repeats": repeats,
        }
        world = WorldArguments(catalog=catalog, population=population, users=users, rated=rated, model=model, scenario=scenario)
        self.session = open_session(world, pages, rows=self.num_envs, log=log)
        self.single_action_space = self.session.action.space
        self.single_observation_space = self.session.observer.space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.feedback: Feedback | None = None
        """What was drawn on the last page, with the probabilities; for evaluation, not for policies."""
        self._seeded = False
        self._ended = np.zeros(self.num_envs, np.bool_)

    @property
    def item_vectors(self) -> npt.NDArray[np.float32]:
        """float32 [n, d]: vectors of the items that the part ``taste`` is made of, for policies that score items.

        Raises:
            ConfigError: ``taste`` is not observed.
        """
        return self.session.observer.item_vectors

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode in every row, or in some.

        Args:
            seed: one integer (row ``i`` gets ``seed + i``), or one seed a row; None goes on with the seeds in use, also for a
                single row.
            options: ``{"user_id": ids}`` brings certain users, one a row; ``{"reset_mask": mask}``, bool [n], leaves the
                episodes of all other rows as they are (their infos are zero and masked).

        Raises:
            ConfigError: an option is unknown or does not fit, or seeds are no integers.
            ContractError: some rows are to be reset before all were.
        """
        asked = reset_options(options, ("user_id", "reset_mask"))
        some = rows_to_reset(asked.get("reset_mask"), self.num_envs)
        wanted = wanted_users(self.session.world, asked.get("user_id"), self.num_envs)
        seeds = row_seeds(seed, self.num_envs)
        if some is not None and not self._seeded:
            raise ContractError("reset: got a reset_mask before the first reset(), expected a reset() of all rows first")
        self._give_seeds(ALL_ROWS if some is None else some, self._first_seeds(seed, seeds))
        if some is None:
            self.session.begin(ALL_ROWS, wanted)
            self._ended = np.zeros(self.num_envs, np.bool_)
            self.feedback = None
        else:
            self.session.observer.part_from_observations()
            self.session.begin(some, None if wanted is None else wanted[some])
            self._ended[some] = False
        return self.session.observe(), self._info(self._nothing(), some)

    def _first_seeds(self, seed: int | Sequence[int | None] | None, seeds: Sequence[int | None]) -> Sequence[int | None]:
        """Return one seed a row, as ``reset`` was given it: None leaves a row as it is; the first time every row has one."""
        super().reset(seed=single_seed(seed) if isinstance(seed, int | np.integer) else None)
        if self._seeded:
            return seeds
        first = int(self.np_random.integers(2**62))
        self._seeded = True
        return [first + row if one is None else one for row, one in enumerate(seeds)]

    def _give_seeds(self, rows: Rows, seeds: Sequence[int | None]) -> None:
        """Seed those of the rows that have a seed."""
        seeded = [row for row in np.arange(self.num_envs)[rows].tolist() if seeds[row] is not None]
        if seeded:
            at = ALL_ROWS if len(seeded) == self.num_envs else np.array(seeded)
            self.session.seed(at, np.array([seeds[row] for row in seeded], np.uint64))

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Observation, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Info]:
        """Show one page to every row."""
        if not self._seeded:
            raise ContractError("step: got actions before the first reset(), expected reset() first")
        restart = np.flatnonzero(self._ended) if self._ended.any() else None
        if restart is not None and self._mode is AutoresetMode.DISABLED:
            raise ContractError(
                f"step: got an action for row {restart[0]}, whose episode is over, expected "
                "reset(options={'reset_mask': ended}) first, since autoreset is disabled"
            )
        outcome = self.session.step(as_array(actions), restart)
        page, terminated, truncated, returned = outcome
        self.feedback, reward = page.feedback, page.reward
        if restart is not None:
            self.session.begin(restart)
            # Copies where columns change or are handed out, since the log keeps the outcome's.
            reward, terminated, truncated = reward.copy(), terminated.copy(), truncated.copy()
            for column in (reward, terminated, truncated):
                column[restart] = 0
        ended = terminated | truncated
        said = {
            "clicks": np.bincount(page.feedback.row, minlength=self.num_envs),
            "invalid_slots": page.invalid.copy(),
            "visit_ended": ended | returned,
            "returned": returned.copy(),
        }
        if self._mode is AutoresetMode.SAME_STEP:
            final = self._finish(np.flatnonzero(ended), said)
            return self.session.observe(), reward, terminated, truncated, self._info(said) | final
        self._ended = ended
        return self.session.observe(), reward, terminated, truncated, self._info(said)

    def allowed(self) -> BoolArray:
        """Return bool [r, n]: which items may stand on each row's next page; see ``BrowseEnv.allowed``."""
        return self.session.allowed()

    def __copy__(self) -> BrowseVectorEnv:
        # As for the single environment.
        return deepcopy(self)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ARG002 (Gymnasium's signature)
        """Finish the log, if there is one."""
        self.session.close()

    def _finish(self, rows: IntArray, said: Info) -> Info:
        if not rows.size:
            return {}
        last = self.session.observe(rows)
        mask = np.zeros(self.num_envs, np.bool_)
        mask[rows] = True
        final_obs = np.full(self.num_envs, None, dtype=object)
        for place, row in enumerate(rows):
            final_obs[row] = {name: column[place] for name, column in last.items()}
        final_info = {name: column * mask for name, column in self._info(said).items()}
        self.session.begin(rows)
        for column in said.values():
            column[rows] = 0
        return {"final_obs": final_obs, "_final_obs": mask, "final_info": final_info, "_final_info": mask}

    def _nothing(self) -> Info:
        """Return what is said of pages that were not shown."""
        numbers, flags = (np.int64, np.int64), (np.bool_, np.bool_)
        names = ("clicks", "invalid_slots", "visit_ended", "returned")
        return {name: np.zeros(self.num_envs, kind) for name, kind in zip(names, numbers + flags, strict=True)}

    def _info(self, said: Info, some: IntArray | None = None) -> Info:
        kernel = self.session.kernel
        columns = {
            "user_id": self.session.world.population.user_id.take(kernel.user_index),
            "visit": kernel.visit.copy(),
        } | said
        told = np.ones(self.num_envs, np.bool_)
        if some is not None:
            told = np.isin(np.arange(self.num_envs), some)
            columns = {name: column * told for name, column in columns.items()}
        return columns | {f"_{name}": told.copy() for name in columns}
