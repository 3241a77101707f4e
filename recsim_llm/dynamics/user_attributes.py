"""Attributes that a scenario gives its users, beside what the data say of them: part of their observable profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.dynamics.selection import UserSelection
from recsim_llm.population.personas import Population
from recsim_llm.population.sensitive_attributes import SENSITIVE_ATTRIBUTES

__all__ = ["Attributes", "usual_attributes", "with_attributes"]

Attributes = Mapping[str, Mapping[str, UserSelection]]
"""Field to its values in order, and who has each: the first one of which a user meets all conditions."""


def usual_attributes() -> dict[str, dict[str, UserSelection]]:
    """Return the eight sensitive attributes, each value as probable as any other of its field, and independent of all else."""
    return {
        field: {
            value: UserSelection(share=1 / (len(values) - place)) if place + 1 < len(values) else UserSelection()
            for place, value in enumerate(values)
        }
        for field, values in SENSITIVE_ATTRIBUTES.items()
    }


def with_attributes(population: Population, attributes: Attributes, seed: int) -> Population:
    """Return the population with attributes among its demographics; who fits no value has none.

    Shares are drawn by the seed, the field, the value and the user's id, so that nobody's attributes hang on who else is there;
    quantiles of traits and tastes are those of this population. A field may ask for the values of earlier ones, and takes the
    place of what the data say under its name.

    Args:
        population: the users.
        attributes: what to give them.
        seed: of the draws.

    Raises:
        ConfigError: a condition names a genre, field or quantile that is not there.
    """
    for field, values in attributes.items():
        column = np.full(len(population), "", object)
        for value, who in values.items():
            word = keyed.words(seed, f"attribute {field} {value}", np.zeros(1, np.int64))
            column[(column == "") & who.matching(population, word)] = value
        population = replace(population, demographics={**population.demographics, field: column})
    return population
