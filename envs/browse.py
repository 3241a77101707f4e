"""``RecSimLLM/Browse-v0``: browsing users as a Gymnasium environment, single and vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Feedback
from recsim_llm.core.protocols import UserModel
from recsim_llm.envs.arguments import is_same_step, seeds_of, wanted_users, world_of
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.rendering import page_image, page_text
from recsim_llm.envs.rewards import Reward
from recsim_llm.envs.session import Session
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.population.personas import Population

__all__ = ["BrowseEnv", "BrowseVectorEnv"]

Info = dict[str, Any]


class BrowseEnv(gymnasium.Env[Observation, npt.NDArray[Any]]):
    """One user at a time browses pages of recommendations.

    **Action.** What to show on the next page:

    * ``action="slate"``: ``MultiDiscrete([n] * slate_size)``, the page as catalog positions (``catalog.item_id[position]``
      is the outside id), first slot first;
    * ``action="candidates"``: ``MultiDiscrete([candidates] * slate_size)``, positions in the candidate set that the last
      observation offered;
    * ``action="embedding"``: ``Box(-1, 1, [f])``, a point; the page is the exact top ``slate_size`` of all items on sale by
      the product with ``catalog.features``.

    A repeated or retired item leaves its slot blank and is counted (``invalid="count"``) or raises (``invalid="error"``).

    **Observation.** A ``Dict`` of the parts named in ``observation`` (default ``page``, ``summary``, ``history``):

    | key | shape, type | meaning |
    | --- | --- | --- |
    | ``page`` | [1] float32 | share of the page budget used |
    | ``summary`` | [f] float32 | mean features of the items clicked in this visit, 0 before the first click |
    | ``history_item`` | [h * k] int64 | catalog positions shown on the last ``history_pages`` pages, oldest first; -1 none |
    | ``history_clicked`` | [h * k] int8 | 1 where clicked |
    | ``history_rating`` | [h * k] float32 | stars, 0 where not rated |
    | ``profile`` | [p] float32 | one-hot demographics |
    | ``candidate_item`` | [c] int64 | the offered candidates (``action="candidates"``) |
    | ``candidate_features`` | [c, f] float32 | their features |

    **Reward.** ``reward`` names one of ``recsim_llm.envs.rewards`` or is a callable ``(feedback, catalog) -> float64 [u]``.

    **End.** ``terminated`` when the user leaves, ``truncated`` when ``max_pages`` pages were shown and the user would stay.

    **Hidden state.** What shapes the next page and is not observed: the user's persona and tastes, how far these have drifted,
    boredom by genre, satisfaction, what was consumed, and the dice of the visit. The environment is partially observed.

    **Info.** ``user_id`` (outside id), ``visit`` (episode number since the seed), ``clicks`` and ``invalid_slots`` of the page.

    **Versions.** ``v0``: the first. The number rises when the same seed and settings could give other results.

    Examples:
        >>> env = gymnasium.make("RecSimLLM/Browse-v0", slate_size=5)
        >>> observation, info = env.reset(seed=7)
        >>> observation, reward, terminated, truncated, info = env.step(np.array([3, 1, 4, 15, 9]))

    Args:
        catalog: ``"fictional"``, the name or folder of a data set, or a ``Catalog`` (then pass ``population`` and ``users``).
        population: None for the users of the data, a number of synthetic users, a file, or a ``Population``.
        users: name of a user model, or a ``UserModel``, of which the environment takes its own copy.
        slate_size: slots a page.
        max_pages: page budget of a visit.
        reward: name or callable.
        action: ``"slate"``, ``"candidates"`` or ``"embedding"``.
        observation: parts to observe.
        history_pages: pages that ``history`` holds.
        candidates: size of the candidate set, drawn uniformly for each page.
        invalid: ``"count"`` or ``"error"``.
        log: run folder to write every page to; ``close`` finishes it. None writes nothing.
        render_mode: ``"ansi"``, ``"rgb_array"`` or None.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        catalog: str | PathLike[str] | Catalog = "fictional",
        population: int | str | PathLike[str] | Population | None = None,
        users: str | UserModel = "choice",
        *,
        slate_size: int = 10,
        max_pages: int = 20,
        reward: str | Reward = "clicks",
        action: str = "slate",
        observation: Sequence[str] | None = None,
        history_pages: int = 1,
        candidates: int = 50,
        invalid: str = "count",
        log: str | PathLike[str] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode: got {render_mode!r}, expected 'ansi', 'rgb_array' or None")
        self.render_mode = render_mode
        self.session = Session(
            world_of(catalog, population, users),
            rows=1,
            slate_size=slate_size,
            max_pages=max_pages,
            reward=reward,
            action=action,
            observation=observation,
            history_pages=history_pages,
            candidates=candidates,
            invalid=invalid,
            log=log,
        )
        self.action_space = self.session.action_space()
        self.observation_space = self.session.observer.space  # type: ignore[assignment] # Dict knows no value type
        self.feedback: Feedback | None = None
        """What was drawn on the last page, with the probabilities; for evaluation, not for policies."""
        self._seeded = False
        self._over = True
        self._who = (-1, -1)

    @property
    def catalog(self) -> Catalog:
        """The items on offer."""
        return self.session.world.catalog

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start the next visit; with a seed, the first one of that seed.

        Args:
            seed: seed of all that is random from here on.
            options: ``{"user_id": id}`` brings a certain user.

        Raises:
            ConfigError: an option is unknown, or the population does not have that user.
        """
        wanted = wanted_users(self.session.world, options, 1)
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            chosen = seed if seed is not None else int(self.np_random.integers(2**62))
            self.session.seed(ALL_ROWS, seeds_of(chosen, 1))
            self._seeded = True
        self.session.begin(ALL_ROWS, wanted)
        self.feedback = None
        self._over = False
        kernel = self.session.kernel
        self._who = int(self.session.world.population.user_id[kernel.user_index[0]]), int(kernel.visit[0])
        return self.session.observe(0), self._info(0, 0)

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, Info]:
        """Show one page."""
        if self._over:
            raise ContractError("step: got an action after the visit ended, expected reset() first")
        feedback, reward, left, out, invalid = self.session.step(np.asarray(action)[None])
        self.feedback = feedback
        terminated = bool(left[0])
        truncated = bool(out[0]) and not terminated
        self._over = terminated or truncated
        return self.session.observe(0), float(reward[0]), terminated, truncated, self._info(feedback.slot.size, int(invalid[0]))

    def render(self) -> Any:
        """Return the last page: text (``ansi``) or an image uint8 [height, width, 3] (``rgb_array``)."""
        if self.render_mode is None:
            raise ConfigError("render: got render_mode None, expected 'ansi' or 'rgb_array' in gymnasium.make")
        draw = page_text if self.render_mode == "ansi" else page_image
        return draw(self.session.world, self.session.kernel, self.feedback)

    def close(self) -> None:
        """Finish the log, if there is one."""
        self.session.close()

    def _info(self, clicks: int, invalid: int) -> Info:
        return {"user_id": self._who[0], "visit": self._who[1], "clicks": clicks, "invalid_slots": invalid}


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
        catalog: str | PathLike[str] | Catalog = "fictional",
        population: int | str | PathLike[str] | Population | None = None,
        users: str | UserModel = "choice",
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        slate_size: int = 10,
        max_pages: int = 20,
        reward: str | Reward = "clicks",
        action: str = "slate",
        observation: Sequence[str] | None = None,
        history_pages: int = 1,
        candidates: int = 50,
        invalid: str = "count",
        log: str | PathLike[str] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None:
            raise ConfigError(f"render_mode: got {render_mode!r} for a vector environment, expected None; render a single one")
        self.num_envs = num_envs
        self.render_mode = None
        self._same_step = is_same_step(autoreset_mode)
        self.metadata = {
            "render_modes": [],
            "autoreset_mode": AutoresetMode.SAME_STEP if self._same_step else AutoresetMode.NEXT_STEP,
        }
        self.session = Session(
            world_of(catalog, population, users),
            rows=num_envs,
            slate_size=slate_size,
            max_pages=max_pages,
            reward=reward,
            action=action,
            observation=observation,
            history_pages=history_pages,
            candidates=candidates,
            invalid=invalid,
            log=log,
        )
        self.single_action_space = self.session.action_space()
        self.single_observation_space = self.session.observer.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.feedback: Feedback | None = None
        """What was drawn on the last page, with the probabilities; for evaluation, not for policies."""
        self._seeded = False
        self._ended = np.zeros(num_envs, np.bool_)

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
            self.session.seed(ALL_ROWS, seeds_of(seed, self.num_envs))
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
        feedback, reward, left, out, invalid = self.session.step(actions, restart)
        self.feedback = feedback
        clicks = np.bincount(feedback.row, minlength=self.num_envs)
        terminated, truncated = left, out & ~left
        if restart is not None:
            self.session.begin(restart)
            reward, terminated = reward.copy(), terminated.copy()
            for column in (reward, terminated, truncated):
                column[restart] = 0
        ended = terminated | truncated
        if not self._same_step:
            self._ended = ended
            return self.session.observe(), reward, terminated, truncated, self._info(clicks, invalid)
        invalid = invalid.copy()
        final = self._finish(np.flatnonzero(ended), clicks, invalid)
        return self.session.observe(), reward, terminated, truncated, self._info(clicks, invalid) | final

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ARG002 (Gymnasium's signature)
        """Finish the log, if there is one."""
        self.session.close()

    def _finish(self, rows: npt.NDArray[np.int64], clicks: npt.NDArray[np.int64], invalid: npt.NDArray[np.int64]) -> Info:
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

    def _info(self, clicks: npt.NDArray[np.int64], invalid: npt.NDArray[np.int64]) -> Info:
        kernel = self.session.kernel
        columns = {
            "user_id": self.session.world.population.user_id.take(kernel.user_index),
            "visit": kernel.visit.copy(),
            "clicks": clicks,
            "invalid_slots": invalid,
        }
        return columns | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in columns}
