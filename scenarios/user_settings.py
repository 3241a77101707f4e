"""Who browses, and how they decide: the section ``users`` of a scenario."""

from __future__ import annotations

import operator
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsim_llm.core.plain_values import refuse_flag
from recsim_llm.dynamics.selection import UserSelection
from recsim_llm.dynamics.user_attributes import Attributes, usual_attributes
from recsim_llm.scenarios.train_settings import UserPart

__all__ = ["Block", "UserSettings"]

_FIELD = re.compile(r"[A-Za-z]\w*")
_OF_THE_LOG = re.compile(r"^(?:user|history|trait)_|_tercile$")
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
    attributes: dict[str, dict[str, UserSelection]] = Field(default_factory=dict, exclude_if=operator.not_)
    """What more is known of users than the data say, as part of their observable profile: field to its values, and who has
    each. Of several values a user has the first one of which all conditions hold; ``{}`` takes whoever is left. ``usual`` gives
    everybody each of the eight sensitive attributes, drawn independently."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the user model, by name; those not given keep their fitted or assumed value."""
    noise: dict[str, float] = Field(default_factory=dict)
    """Noise on top of any user model: ``random_clicks``, ``missed_clicks``, ``missing_ratings``, each a share."""

    @field_validator("attributes", mode="before")
    @classmethod
    def _attributes_may_be_usual(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "usual":
            raise ValueError("expected usual, or fields with their values")
        return usual_attributes() if value == "usual" else value

    @field_validator("attributes")
    @classmethod
    def _attributes_have_names(cls, attributes: Attributes) -> Attributes:
        for field, values in attributes.items():
            if not _FIELD.fullmatch(field) or _OF_THE_LOG.search(field):
                raise ValueError(f"got the field {field!r}, expected letters, digits and _, and no column of the log's users")
            if not values or "" in values:
                raise ValueError(f"got {field} without a value, expected one or more, each with who has it")
        return attributes

    @field_validator("count", mode="before")
    @classmethod
    def _numbers_are_no_flags(cls, value: Any) -> Any:
        return refuse_flag(value)
