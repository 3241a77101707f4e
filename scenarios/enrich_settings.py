"""The section ``enrich`` of a scenario: what is written about items before anybody comes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from recsim_llm.core.configuration import FrozenSettings

__all__ = ["TEMPLATE", "WRITER", "EnrichSettings"]

TEMPLATE, WRITER = "template", "writer"
"""Enrichers that the package has: fixed sentences, and the language model of the role ``writer``."""


class EnrichSettings(FrozenSettings):
    """Who writes what about the items of a catalog."""

    by: str = TEMPLATE
    """``template``, which says in words what the columns hold and asks no model; ``writer``, the language model of the role
    ``writer``; or ``module:function``, see ``recsim_llm.scenarios.enriching.Enricher``."""
    fields: tuple[Literal["description", "caption", "tags"], ...] = Field(default=("description",), min_length=1)
    """What is written: ``description``, prose; ``caption``, what a picture of the item shows; ``tags``, some words by which it
    can be found, which stand at the end of the description."""
    replace: bool = False
    """Whether items get words that have such words already; False writes only where there are none."""

    @field_validator("by")
    @classmethod
    def _is_known(cls, by: str) -> str:
        if by not in (TEMPLATE, WRITER) and ":" not in by:
            raise ValueError(f"expected {TEMPLATE}, {WRITER} or module:function")
        return by

    @field_validator("fields", mode="before")
    @classmethod
    def _listed(cls, fields: object) -> object:
        return tuple(dict.fromkeys(fields)) if isinstance(fields, list) else fields
