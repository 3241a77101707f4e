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

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.visits import Reward
from recsim_llm.envs.arguments import is_same_step, refuse_unknown, row_seeds, wanted_users, whole_number
from recsim_llm.envs.environment_worlds import WorldArguments
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.session import open_session
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
            ``info["final_info"]`` hold the ended visit's last), or their names.
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
        visits: int | None = None,
        reward: str | Reward | None = None,
        action: str = "slate",
        observation: Sequence[str] | None = None,
        history_pages: int = 1,
        candidates: int = 50,
        invalid: str | None = None,
        log: str | PathLike[str] | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, signature(BrowseVectorEnv).parameters)
        if render_mode is not None:
            raise ConfigError(f"render_mode: got {render_mode!r} for a vector environment, expected None; render a single one")
        self.num_envs = whole_number("num_envs", num_envs)
        self.render_mode = None
        self._same_step = is_same_step(autoreset_mode)
        self.metadata = {
            "render_modes": [],
            "autoreset_mode": AutoresetMode.SAME_STEP if self._same_step else AutoresetMode.NEXT_STEP,
        }
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
        }
        world = WorldArguments(catalog=catalog, population=population, users=users, model=model, scenario=scenario)
        self.session = open_session(world, pages, rows=self.num_envs, log=log)
        self.single_action_space = self.session.action.space
        self.single_observation_space = self.session.observer.space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.feedback: Feedback | None = None
        """What was drawn on the last page, with the probabilities; for evaluation, not for policies."""
        self._seeded = False
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start a visit in every row.

        Args:
            seed: one integer (row ``i`` gets ``seed + i``), or one seed a row; None goes on with the seeds in use.
            options: ``{"user_id": ids}`` brings certain users, one a row.
        """
        wanted = wanted_users(self.session.world, options, self.num_envs)
        super().reset(seed=seed if isinstance(seed, int) else None)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**62))
        if seed is not None:
            self.session.seed(ALL_ROWS, row_seeds(seed, self.num_envs))
            self._seeded = True
        self.session.begin(ALL_ROWS, wanted)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self.feedback = None
        nothing = np.zeros(self.num_envs, np.int64)
        return self.session.observe(), self._info(nothing, nothing.copy())

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Observation, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Info]:
        """Show one page to every row."""
        if not self._seeded:
            raise ContractError("step: got actions before the first reset(), expected reset() first")
        restart = np.flatnonzero(self._ended) if self._ended.any() else None
        outcome = self.session.step(np.asarray(actions), restart)
        self.feedback = feedback = outcome.feedback
        # Copies where columns change or are handed out, since the log keeps the outcome's.
        reward, clicks, invalid = outcome.reward, np.bincount(feedback.row, minlength=self.num_envs), outcome.invalid.copy()
        terminated, truncated = feedback.left, outcome.out_of_pages & ~feedback.left
        if restart is not None:
            self.session.begin(restart)
            reward, terminated = reward.copy(), terminated.copy()
            for column in (reward, terminated, truncated):
                column[restart] = 0
        ended = terminated | truncated
        if self._same_step:
            final = self._finish(np.flatnonzero(ended), clicks, invalid)
            return self.session.observe(), reward, terminated, truncated, self._info(clicks, invalid) | final
        self._ended = ended
        return self.session.observe(), reward, terminated, truncated, self._info(clicks, invalid)

    def __copy__(self) -> BrowseVectorEnv:
        # As for the single environment.
        return deepcopy(self)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ARG002 (Gymnasium's signature)
        """Finish the log, if there is one."""
        self.session.close()

    def _finish(self, rows: IntArray, clicks: IntArray, invalid: IntArray) -> Info:
        if not rows.size:
            return {}
        last = self.session.observe(rows)
        mask = np.zeros(self.num_envs, np.bool_)
        mask[rows] = True
        final_obs = np.full(self.num_envs, None, dtype=object)
        for place, row in enumerate(rows):
            final_obs[row] = {name: column[place] for name, column in last.items()}
        final_info = {name: column * mask for name, column in self._info(clicks, invalid).items()}
        self.session.begin(rows)
        clicks[rows] = 0
        invalid[rows] = 0
        return {"final_obs": final_obs, "_final_obs": mask, "final_info": final_info, "_final_info": mask}

    def _info(self, clicks: IntArray, invalid: IntArray) -> Info:
        kernel = self.session.kernel
        columns = {
            "user_id": self.session.world.population.user_id.take(kernel.user_index),
            "visit": kernel.visit.copy(),
            "clicks": clicks,
            "invalid_slots": invalid,
        }
        return columns | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in columns}
