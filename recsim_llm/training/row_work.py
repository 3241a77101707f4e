"""What a shard of a training does: it has some rows of the environment, and lets them do what the learner says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.numerics.threads import one_thread
from recsim_llm.scenarios.schema import scenario_from
from recsim_llm.shards.crew import Port

__all__ = ["Actions", "Allowed", "Begin", "RowsAnswer", "serve_rows"]


class Begin(NamedTuple):
    """Asks for an episode in every row."""

    seeds: Sequence[int | None]
    """One a row; None goes on with the one in use."""
    user_id: npt.NDArray[Any] | None
    """[r]: who is wanted in each row; None for whoever comes."""


class Actions(NamedTuple):
    """Asks for a page in every row."""

    actions: npt.NDArray[Any]
    """[r, ...]."""


class Allowed(NamedTuple):
    """Asks which items may stand on each row's next page."""


class RowsAnswer(NamedTuple):
    """What came of ``Begin`` or ``Actions``."""

    observation: Observation
    """Of the next page."""
    reward: DoubleArray
    """float64 [r]; 0 where episodes begin, as below."""
    terminated: BoolArray
    """bool [r]."""
    truncated: BoolArray
    """bool [r]."""
    info: Mapping[str, Any]
    """As of the vector environment."""
    feedback: Feedback | None
    """What was drawn, without the user model; None where episodes begin."""


@one_thread
def serve_rows(port: Port, *, settings: Mapping[str, Any], source: str, rows: int, pages: Mapping[str, Any]) -> None:
    """Serve some rows of the environment of a scenario, until nobody asks any more; the ``Work`` of a shard.

    Args:
        port: to whoever called, who asks with ``Begin``, ``Actions`` or ``Allowed``.
        settings: of the scenario.
        source: where they stand, for error texts.
        rows: how many.
        pages: further arguments of ``BrowseVectorEnv``.
    """
    env = BrowseVectorEnv(rows, scenario=scenario_from(dict(settings), source), **pages)
    try:
        asked = port.ask(None)
        while True:
            asked = port.ask(_answer(env, asked))
    finally:
        env.close()


def _answer(env: BrowseVectorEnv, asked: Begin | Actions | Allowed) -> RowsAnswer | BoolArray:
    if isinstance(asked, Allowed):
        return env.allowed()
    if isinstance(asked, Actions):
        observation, reward, terminated, truncated, info = env.step(asked.actions)
        assert env.feedback is not None
        # Sent to another process, which has the same users.
        pages = env.feedback.pages._replace(rows=slice(None))
        feedback = env.feedback._replace(pages=pages, users=None)  # type: ignore[arg-type]
        return RowsAnswer(observation, reward, terminated, truncated, info, feedback)
    options = None if asked.user_id is None else {"user_id": asked.user_id}
    observation, info = env.reset(seed=asked.seeds, options=options)
    nothing = np.zeros(env.num_envs, np.bool_)
    return RowsAnswer(observation, np.zeros(env.num_envs), nothing, nothing, info, None)
