"""Noise in what users do: clicks at random, clicks that get lost, ratings that are not given.

Noise wraps any user model. The first two mix into the click probabilities, so that what is logged as the probability of a
click stays exact; nothing is drawn here. Users live with what they clicked, whether they meant it or not: the wrapped model
takes in the clicks that were drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from recsim_llm.agents.wrapped_users import WrappedUsers, mixed
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.pages import Decisions, Pages, Rows
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.core.protocols import (
    ChoosesOne,
    CopiesRows,
    RanksItems,
    TellsEngagement,
    UserModel,
    WithholdsRatings,
    declared_bounds,
)
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World

__all__ = ["NoiseParameters", "NoisyCopiedUsers", "NoisyRankingUsers", "NoisyUsers", "with_noise", "without_ratings"]


@dataclass(frozen=True, kw_only=True)
class NoiseParameters:
    """How noisy the feedback is."""

    random_clicks: float = 0.0
    """Share of the examined slots that are clicked whatever they show, 0 to below 1."""
    missed_clicks: float = 0.0
    """Share of the clicks that users mean to make and that get lost, 0 to below 1; random clicks come on top."""
    missing_ratings: float = 0.0
    """Share of the clicked items that users do not rate, 0 to 1; what they think of them they know all the same."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.name == "missing_ratings"
            if not is_number(value) or not 0 <= value <= 1 or (value == 1 and not whole):
                limit = "to 1" if whole else "to below 1"
                raise ConfigError(f"noise parameter {field.name!r}: got {value!r}, expected a number from 0 {limit}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> NoiseParameters:
        """Build parameters from a mapping such as a scenario's ``users.parameters.noise``.

        Raises:
            ConfigError: it is no mapping, a name is not a parameter, or a value is out of range.
        """
        if not isinstance(settings, Mapping):
            raise ConfigError(f"noise: got {settings!r}, expected settings such as {{random_clicks: 0.02}}")
        refuse_unknown_names("noise parameter", settings, field_names(cls))
        return cls(**settings)


class NoisyUsers(WrappedUsers):
    """Users whose clicks are noisy.

    With ``p`` the wrapped model's click probability given examination, a slot is clicked with probability
    ``random + (1 - random) * (1 - missed) * p``.

    Args:
        users: the model underneath.
        user_id: int64 [population]: outside ids by user index; what is left unrated hangs on them.
        parameters: how noisy.
        seed: of what is left unrated.
    """

    def __init__(self, users: UserModel, *, user_id: IntArray, parameters: NoiseParameters, seed: int) -> None:
        super().__init__(users)
        self.parameters = parameters
        self._user_id, self._seed = user_id, seed
        self._purpose = "unrated"

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, noise included, drawing nothing."""
        decisions = self.users.decide(pages)
        return decisions._replace(click_log_odds=self._noisy(decisions.click_log_odds))

    def rated(self, pages: Pages, slot: IntArray, row: IntArray) -> BoolArray:
        """Return bool [c]: which of the clicked slots users give a rating to, keyed by user, visit, page and slot."""
        who = self._user_id.take(pages.user_index.take(row))
        place = slot % pages.item_index.shape[1]
        word = keyed.words(self._seed, self._purpose, who, pages.visit.take(row), pages.page.take(row), place)
        told = keyed.uniform(word) >= self.parameters.missing_ratings
        return told & self.users.rated(pages, slot, row) if isinstance(self.users, WithholdsRatings) else told

    def bounds(self) -> Bounds:
        """Return the bounds of the model underneath, with the noise in its clicks."""
        bounds = declared_bounds(self.users)
        noisy = self._noisy(np.array(bounds.click_log_odds, np.float32))
        return bounds._replace(click_log_odds=Range(*noisy.tolist()))

    def _noisy(self, log_odds: FloatArray) -> FloatArray:
        random, missed = self.parameters.random_clicks, self.parameters.missed_clicks
        return log_odds if random == missed == 0 else mixed(log_odds, random, missed)


class NoisyRankingUsers(NoisyUsers):
    """Noisy users of a model that can tell what its users feel for every item."""

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item at this moment, noise included."""
        if not isinstance(self.users, RanksItems):
            raise ConfigError(f"noisy users: got {type(self.users).__name__}, expected a model with appeal(rows)")
        return self._noisy(self.users.appeal(rows))


class NoisyCopiedUsers(NoisyRankingUsers):
    """Noisy users of a model that ranks items and whose users can be copied."""

    def copy_rows(self, rows: IntArray) -> Self:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own."""
        other = self._copied(rows)
        # What the originals will leave unrated is not to be known from their copies.
        other._purpose = "unrated by copies"
        return other


def with_noise(world: World, settings: Mapping[str, Any], seed: int) -> World:
    """Return the world with noisy users.

    Args:
        world: any.
        settings: ``NoiseParameters`` by name.
        seed: of what is drawn for the noise itself.

    Raises:
        ConfigError: a setting is unknown or out of range, or these are users whose clicks are no matter of one slot alone.
    """
    parameters = NoiseParameters.from_settings(settings)
    if isinstance(world.users, ChoosesOne | TellsEngagement):
        raise ConfigError(
            f"noise: got {type(world.users).__name__}, whose clicks and engagement come from one draw, expected users such as "
            "choice; leave users.noise out"
        )
    ranking = NoisyCopiedUsers if isinstance(world.users, CopiesRows) else NoisyRankingUsers
    kind = ranking if isinstance(world.users, RanksItems) else NoisyUsers
    return world._replace(users=kind(world.users, user_id=world.population.user_id, parameters=parameters, seed=seed))


def without_ratings(world: World, dataset: Dataset, seed: int) -> World:
    """Return the world with users who give no stars where its data hold none.

    Clicks and purchases say what was taken, not how it was liked.

    Args:
        world: built from the data.
        dataset: the data.
        seed: as for ``with_noise``; nothing depends on it.
    """
    return world if dataset.feedback == "explicit" else with_noise(world, {"missing_ratings": 1.0}, seed)
