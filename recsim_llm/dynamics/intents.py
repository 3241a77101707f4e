"""What a visit is for: drawn for each visit, it shifts taste, patience and what the policy is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["USUAL_INTENTS", "Intent", "Intents", "Purposes", "draw_genre", "genre_chances"]


class Intent(FrozenSettings):
    """What somebody comes for. All numbers of the usual intents are assumed: no log that is loaded says what visits are for."""

    share: float = Field(gt=0)
    """How often, against the other intents; only ratios matter."""
    genre: float = Field(default=0.0, ge=-5, le=5)
    """Log-odds of a click added to items of the one genre that the visit is about."""
    whose: Literal["own", "other"] = "own"
    """Whether that genre is drawn from the user's own taste, or from another user's, as when looking for a present."""
    click: float = Field(default=0.0, ge=-3, le=3)
    """Log-odds added to every click."""
    leave: float = Field(default=0.0, ge=-3, le=3)
    """Log-odds added to leaving after each page."""
    reward: float = Field(default=1.0, ge=0, le=10)
    """What rewards of such visits are multiplied with."""


USUAL_INTENTS: Mapping[str, Intent] = {
    "browse": Intent(share=0.6),
    "look_for": Intent(share=0.2, genre=1.5, leave=0.3),
    "gift": Intent(share=0.05, genre=1.5, whose="other"),
    "kill_time": Intent(share=0.15, click=0.2, leave=-0.5),
}
"""Intents where a scenario says ``intents: usual``."""


class Purposes(NamedTuple):
    """What some visits are for."""

    intent: IntArray
    """int64 [m]: which intent, by its place."""
    genre: IntArray
    """int64 [m]: which genre the visit is about."""
    wish: FloatArray
    """float32 [m, g]: log-odds of a click on an item that is wholly of each genre."""
    click: FloatArray
    """float32 [m]: log-odds of every click."""
    leave: FloatArray
    """float32 [m]: log-odds of leaving."""
    reward: DoubleArray
    """float64 [m]: weight of the reward."""


class Intents:
    """Draws what visits are for.

    Args:
        intents: by name.
        population: the users; genres are drawn by their tastes.
        seed: of the run.

    Raises:
        ConfigError: there is none.
    """

    def __init__(self, intents: Mapping[str, Intent], population: Population, seed: int) -> None:
        if not intents:
            raise ConfigError("intents: got none, expected at least one; leave the key out for visits without an intent")
        # In the order of their names: who writes the same ones in another order means the same.
        self.names = tuple(sorted(intents))
        self._intents, self._population, self._seed = tuple(intents[name] for name in self.names), population, seed
        share = np.array([intent.share for intent in self._intents])
        self._upto = np.cumsum(share) / share.sum()
        self._genre_upto = genre_chances(population)

    def draw(self, users: IntArray, visit: IntArray) -> Purposes:
        """Return what visits of these users are for; a function of (seed, user, visit) and of nothing else.

        Args:
            users: int64 [m]: user indices.
            visit: int64 [m]: numbers of the visits.
        """
        who = self._population.user_id[users]
        dice = [keyed.uniform(keyed.words(self._seed, purpose, who, visit)) for purpose in ("intent", "its genre", "for whom")]
        intent = np.minimum(np.searchsorted(self._upto, dice[0], side="right"), len(self.names) - 1)
        other = np.array([one.whose == "other" for one in self._intents])[intent]
        whose = np.where(other, (dice[2] * len(self._population)).astype(np.int64), users)
        genres = self._genre_upto.shape[1]
        genre = draw_genre(self._genre_upto[whose], dice[1])
        wish = np.zeros((len(users), genres), np.float32)
        if genres:
            wish[np.arange(len(users)), genre] = self._numbers("genre")[intent]
        return Purposes(
            intent=intent,
            genre=genre,
            wish=wish,
            click=self._numbers("click")[intent],
            leave=self._numbers("leave")[intent],
            reward=self._numbers("reward").astype(np.float64)[intent],
        )

    def _numbers(self, name: str) -> FloatArray:
        return np.array([getattr(intent, name) for intent in self._intents], np.float32)


def genre_chances(population: Population) -> DoubleArray:
    """Return float64 [u, g]: how likely each user is after one of the genres up to each, by the user's own taste."""
    taste = population.taste.astype(np.float64)
    if not taste.shape[1]:
        return taste
    liking = np.exp(taste - taste.max(axis=1, keepdims=True))
    upto: DoubleArray = np.cumsum(liking, axis=1) / liking.sum(axis=1, keepdims=True)
    return upto


def draw_genre(upto: DoubleArray, dice: DoubleArray) -> IntArray:
    """Return int64 [m]: the genre that each of the dice falls to, 0 where there is none.

    Args:
        upto: float64 [m, g], rows of ``genre_chances``.
        dice: float64 [m], uniform.
    """
    genre: IntArray = np.minimum((upto <= dice[:, None]).sum(axis=1), max(upto.shape[1] - 1, 0))
    return genre
