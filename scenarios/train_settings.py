"""How a policy is trained in a scenario's world: the section ``train`` of a scenario."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, IntArray

__all__ = ["HOLDOUT", "TrainSettings", "UserPart", "held_out"]

HOLDOUT = 0.2
"""Share of the users that no training environment meets, where a scenario does not say."""
UserPart = Literal["all", "training", "held_out"]
"""Which users browse: everyone, those that training environments meet, or all others."""


class TrainSettings(BaseModel):
    """What `recsim-llm train` does. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    algorithm: str = "ppo"
    """Name of a learner: a shipped one, an installed one, or ``module:Class``."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its settings, by name."""
    steps: int = Field(default=100_000, ge=1)
    """Pages to learn from, over all rows together."""
    rows: int = Field(default=64, ge=1)
    """Users that browse at the same time."""
    gamma: float = Field(default=0.99, gt=0, le=1)
    """Discount: what a reward is worth one page later."""
    reward: str | None = None
    """Name of the reward that is learned from and evaluated by; None takes the scenario's."""
    action: Literal["slate", "candidates", "embedding"] | None = None
    """How the policy says what a page shows; None takes what suits the algorithm."""
    observation: list[str] | None = Field(default=None, min_length=1)
    """Parts that the policy observes; None takes what suits the algorithm."""
    history_pages: int = Field(default=1, ge=1)
    """Pages that the part ``history`` shows."""
    candidates: int = Field(default=50, ge=1)
    """Size of the candidate set of ``candidates`` actions."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between two checkpoints, at each of which the policy is evaluated; None means a tenth of the steps."""
    holdout: float = Field(default=HOLDOUT, gt=0, lt=1)
    """Share of the users that training never meets, and evaluation alone does; who is one hangs on the user's id."""
    evaluation_users: int = Field(default=200, ge=1)
    """Most users of an evaluation."""


def held_out(user_id: IntArray, share: float) -> BoolArray:
    """Return bool [u]: who is kept from training, by a keyed hash of the outside id and nothing else.

    Args:
        user_id: int64 [u].
        share: of all users, expected.
    """
    kept: BoolArray = keyed.uniform(keyed.words(0, "held out", user_id)) < np.float64(share)
    return kept
