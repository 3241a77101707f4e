"""The environment of a training whose rows are in shards: many vector environments feed one learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray
from recsim_llm.core.batches import join_feedback
from recsim_llm.envs.actions import as_array
from recsim_llm.envs.arguments import reset_options, row_seeds
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.errors import ConfigError, ContractError, LogError
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.shard_calls import check_concurrency, divide_concurrency, divide_limits
from recsim_llm.shards.crew import Failed, Job, Lost, Part, cut
from recsim_llm.shards.sharding import Sharding, open_crew
from recsim_llm.training.row_work import Actions, Allowed, Begin, RowsAnswer

__all__ = ["ShardedBrowseEnv", "check_row_shards"]

_MOST_LOSSES = 3
Info = dict[str, Any]
Asked = Begin | Actions | Allowed


def check_row_shards(scenario: Scenario, rows: int, shards: int) -> None:
    """See to it that the rows of a training can be in so many shards.

    Args:
        scenario: of the training.
        rows: users that browse at the same time.
        shards: how many.

    Raises:
        ConfigError: they cannot.
        BudgetExceeded: a limit is too low to give every shard something.
    """
    if shards > rows:
        raise ConfigError(f"shards: got {shards} for train.rows {rows}, expected at most one a row; lower --shards")
    if scenario.models and scenario.limits.calls_a_user is not None:
        raise ConfigError(
            f"limits.calls_a_user: got {scenario.limits.calls_a_user} for a training in shards, where a user may come to any "
            "of them, expected none; limit calls, or leave --shards out"
        )
    check_concurrency(scenario, shards)
    divide_limits(scenario, shards)


class ShardedBrowseEnv(BrowseVectorEnv):
    """``BrowseVectorEnv`` with its rows in shards, neighbours in each, and ``autoreset_mode="same_step"``.

    It answers as the environment without shards does, to the last bit. Nobody browses in its own ``session``, which has the
    world that all of them share, its items, users and spaces.

    A worker that is lost begins again and is told all that it was told since the last ``reset`` with seeds; not where language
    models play the users, whose answers nobody kept.

    Args:
        scenario: of the training.
        sharding: where, and in how many shards.
        rows: users that browse at the same time.
        pages: further arguments of ``BrowseVectorEnv``.

    Raises:
        ConfigError: it cannot be.
    """

    def __init__(self, scenario: Scenario, sharding: Sharding, rows: int, pages: Mapping[str, Any]) -> None:
        check_row_shards(scenario, rows, sharding.shards)
        super().__init__(rows, scenario=scenario, **pages)
        self._sharding, self._shares = sharding, cut(rows, sharding.shards)
        divided = divide_limits(divide_concurrency(scenario, sharding.shards), sharding.shards)
        settings, self._asks_models = divided.model_dump(mode="json"), bool(scenario.models)
        self._jobs = [
            Job(
                "recsim_llm.training.row_work:serve_rows",
                {"settings": settings, "source": f"scenario {scenario.name!r}", "rows": last - first, "pages": dict(pages)},
            )
            for first, last in self._shares
        ]
        self._told: list[list[Asked]] = []
        self._crew = open_crew(sharding)
        try:
            self._crew.start(self._jobs)
            self._call(dict.fromkeys(range(sharding.shards)))
        except BaseException:
            self.close()
            raise

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode in every row; arguments as of ``BrowseVectorEnv.reset``, but for ``reset_mask``."""
        wanted = reset_options(options, ("user_id",)).get("user_id")
        seeds = self._first_seeds(seed, row_seeds(seed, self.num_envs))
        if None not in seeds:
            self._told.clear()
        users = None if wanted is None else np.asarray(wanted)
        answer = self._rows(
            [Begin(seeds[first:last], None if users is None else users[first:last]) for first, last in self._shares]
        )
        self.feedback = None
        return answer.observation, dict(answer.info)

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Observation, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Info]:
        """Show one page to every row."""
        if not self._seeded:
            raise ContractError("step: got actions before the first reset(), expected reset() first")
        array = as_array(actions)
        answer = self._rows([Actions(array[first:last]) for first, last in self._shares])
        self.feedback = answer.feedback
        return answer.observation, answer.reward, answer.terminated, answer.truncated, dict(answer.info)

    def allowed(self) -> BoolArray:
        """Return bool [r, n]: which items may stand on each row's next page."""
        parts: list[BoolArray] = self._ask([Allowed() for _ in self._shares])
        return np.concatenate(parts)

    def close_extras(self, **kwargs: Any) -> None:
        """End all shards."""
        self._crew.stop()
        super().close_extras(**kwargs)

    def _rows(self, asked: Sequence[Begin] | Sequence[Actions]) -> RowsAnswer:
        """Return what comes of an ask of every shard, for all rows."""
        parts: list[RowsAnswer] = self._ask(asked)
        self._told.append(list(asked))
        feedbacks = [part.feedback for part in parts if part.feedback is not None]
        whole = join_feedback(feedbacks)._replace(users=self.session.world.users) if feedbacks else None
        return RowsAnswer(
            observation={name: np.concatenate([part.observation[name] for part in parts]) for name in parts[0].observation},
            reward=np.concatenate([part.reward for part in parts]),
            terminated=np.concatenate([part.terminated for part in parts]),
            truncated=np.concatenate([part.truncated for part in parts]),
            info=_joined_infos([part.info for part in parts], [last - first for first, last in self._shares]),
            feedback=whole,
        )

    def _ask(self, asked: Sequence[Asked]) -> list[Any]:
        """Ask every shard something, and return what each of them says."""
        answers = self._call(dict(enumerate(asked)))
        return [answers[number] for number in range(len(asked))]

    def _call(self, asked: Mapping[int, Asked | None]) -> dict[int, Any]:
        """Call some shards, and return what they say, that of one that was lost on the way by another one in its place.

        Raises:
            LogError: one was lost, and cannot be replaced.
        """
        answers: dict[int, Any] = {}
        for number, step in self._crew.call(asked).items():
            losses = 0
            while isinstance(step, Lost):
                losses += 1
                if self._asks_models or losses >= _MOST_LOSSES:
                    raise LogError(
                        f"shard {number} of {self._sharding.shards}: got a worker that {step.why}, expected it to go on; "
                        "nothing is lost up to the last checkpoint: resume the training, with more memory or without --shards"
                    )
                step = self._begun_again(number, asked[number])
            if isinstance(step, Failed):
                raise step.error
            assert isinstance(step, Part)
            answers[number] = step.value
        return answers

    def _begun_again(self, number: int, asked: Asked | None) -> Any:
        """Return the step of a worker that takes the place of a lost one, and is told all that it was told."""
        self._crew.end(number)
        self._crew.restart(number, self._jobs[number])
        step = self._crew.call({number: None})[number]
        again = [part[number] for part in self._told]
        for one in again if asked is None else [*again, asked]:
            if not isinstance(step, Part):
                return step
            step = self._crew.call({number: one})[number]
        return step


def _joined_infos(infos: Sequence[Mapping[str, Any]], rows: Sequence[int]) -> Info:
    """Return the infos of all rows; a shard in which no episode ended says nothing of such."""
    names = dict.fromkeys(name for info in infos for name in info)
    return {name: _joined([info.get(name) for info in infos], rows) for name in names}


def _joined(parts: Sequence[Any], rows: Sequence[int]) -> Any:
    known = next(part for part in parts if part is not None)
    if isinstance(known, Mapping):
        return _joined_infos([{} if part is None else part for part in parts], rows)
    nothing: Any = None if known.dtype == np.dtype(object) else 0
    filled = [
        np.full((count, *known.shape[1:]), nothing, known.dtype) if part is None else part
        for part, count in zip(parts, rows, strict=True)
    ]
    return np.concatenate(filled)
