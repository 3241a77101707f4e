"""A recommender under test, as a scenario names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsim_llm.core.plain_values import refuse_flag
from recsim_llm.dynamics.fake_profiles import ProfileAttack
from recsim_llm.dynamics.poisoned_text import TextPoison

__all__ = ["Arm", "read_arm"]

_HTTP = re.compile(r"https?://(.*)", re.IGNORECASE)


class Arm(BaseModel):
    """A recommender under test."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=1)
    """What the log and the report call it; where not given the recommender's name, of an address host and path."""
    recommender: str
    """Name of a recommender: a shipped one, an installed one, ``module:attribute``, or an address; the arm's name where not
    given."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What it takes, by name; see ``open_recommender``."""
    retrain: Literal["visit", "day"] | Annotated[int, Field(ge=1)] | None = None
    """When it is fitted anew on the training ratings and the clicks of the run: ``visit``, before each visit but the first;
    ``day``, when a day of the clock begins; or whenever so many pages have been taken in; None: never. See ``Retrained``."""

    attack: ProfileAttack | None = Field(default=None, exclude_if=lambda attack: attack is None)
    """Fake users among those that it learns from before the first page; None: nobody attacks it."""
    poison: TextPoison | None = Field(default=None, exclude_if=lambda poison: poison is None)
    """Words that it, and nobody else, reads of some items in the place of theirs; None: it reads the items' own."""

    @field_validator("retrain", mode="before")
    @classmethod
    def _numbers_are_no_flags(cls, value: Any) -> Any:
        return refuse_flag(value)


def read_arm(arm: Any) -> Any:
    """Return an arm's settings; of its name and its recommender's, one stands for the other where it is not given."""
    if isinstance(arm, str):
        return {"name": _arm_name(arm), "recommender": arm}
    if not isinstance(arm, Mapping):
        return arm
    if "name" not in arm and isinstance(arm.get("recommender"), str):
        return {"name": _arm_name(arm["recommender"])} | dict(arm)
    known = {key: arm[key] for key in ("name", "recommender") if key in arm}
    return {key: name for name in list(known.values())[:1] for key in ("name", "recommender")} | dict(arm)


def _arm_name(recommender: str) -> str:
    """Return what an arm without a name is called: of an address host and path, and nothing that could be a secret."""
    address = _HTTP.match(recommender)
    if address is None:
        return recommender
    return re.split(r"[?#]", address[1].rpartition("@")[2])[0].rstrip("/") or recommender
