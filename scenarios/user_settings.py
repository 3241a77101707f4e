"""Who browses, and how they decide: the section ``users`` of a scenario."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsim_llm.core.plain_values import refuse_flag
from recsim_llm.scenarios.train_settings import UserPart

__all__ = ["Block", "UserSettings"]

_STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Block(BaseModel):
    """Some of the users: one of the blocks into which the seed divides them."""

    model_config = _STRICT

    size: int = Field(ge=1)
    """Users a block; the last block takes what is left."""
    number: int = Field(ge=0)
    """Which block, from 0. The same users whatever other blocks are run, and their dice are those of a run with everyone."""


class UserSettings(BaseModel):
    """Who browses, and how they decide."""

    model_config = _STRICT

    model: str = "choice"
    """Name of a user model: a shipped one, an installed one, or ``module:attribute``."""
    count: int | None = Field(default=None, ge=1)
    """Number of users. None: all users of the data. Up to their number: that many of them, drawn by the seed. Above:
    synthetic users sampled from the distribution fitted to them."""
    part: UserPart = "all"
    """Which of these users browse: ``all``, those that training meets (``training``), or those kept from it (``held_out``)."""
    block: Block | None = None
    """Which of these users browse; None: all. Recommenders that learn know nothing of other blocks' users."""
    fitted: str | None = None
    """Folder written by ``recsim-llm fit``; None fits to the data, or takes the fit kept from last time."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the user model, by name; those not given keep their fitted or assumed value."""
    noise: dict[str, float] = Field(default_factory=dict)
    """Noise on top of any user model: ``random_clicks``, ``missed_clicks``, ``missing_ratings``, each a share."""

    @field_validator("count", mode="before")
    @classmethod
    def _numbers_are_no_flags(cls, value: Any) -> Any:
        return refuse_flag(value)
