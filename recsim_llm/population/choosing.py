"""Which users a run has, and what was known of them before it.

Users are those of the data, some of them, or synthetic ones; whoever builds a world or asks later who was in a run comes here.

Traits are the pre-period of a simulation: activity, mean rating, mainstreamness and the like say how the user behaved before
any of the recommenders came. Synthetic users' traits are draws from the distribution fitted to the real ones, whose means are
known: a Gaussian copula keeps each column's own distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.population_files import read_population
from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution

__all__ = ["COVARIATES", "People", "UserSource", "choose_users", "measured_users"]

COVARIATES = ("activity", "conformity", "diversity", "rating_mean", "rating_spread", "mainstreamness", "patience", "pickiness")
"""Traits that differences are adjusted for. Not the position bias, which is assumed, not measured."""
_SKEW = ("activity", "patience")
_THIRDS = (1 / 3, 2 / 3)
_ORDINALS = ("1st", "2nd", "3rd")

_MOST_USERS = 100_000_000


class UserSource(NamedTuple):
    """Where users come from; nothing is measured or fitted before it is needed."""

    everyone: Callable[[], Population]
    """Returns all users of the data."""
    joint: Callable[[], JointDistribution]
    """Returns the distribution that synthetic users are drawn from."""


def measured_users(dataset: Dataset) -> UserSource:
    """Return users whose personas are measured on the ratings, without fitted vectors."""

    @cache
    def everyone() -> Population:
        return population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)

    return UserSource(everyone, lambda: fit_joint_distribution(everyone()))


def choose_users(asked: int | str | PathLike[str] | Population | None, source: UserSource, *, seed: int) -> Population:
    """Return the users that are asked for.

    Args:
        asked: None for all users of the source; a number up to theirs for that many of them, a smaller draw being part of a
            larger one; a larger number for synthetic users, whose ids follow the highest real one; a file; or a population.
        source: where they come from.
        seed: of the draw, or of the synthetic users.

    Raises:
        ConfigError: the number is below 1.
        DataError: the file cannot be read.
    """
    if isinstance(asked, Population):
        return asked
    if asked is None:
        return source.everyone()
    if not isinstance(asked, int | np.integer):
        return read_population(Path(asked))
    if isinstance(asked, bool) or not 1 <= asked <= _MOST_USERS:
        raise ConfigError(f"number of users: got {asked}, expected 1 or more, up to {_MOST_USERS:,}")
    users = source.everyone()
    if asked > len(users):
        return source.joint().sample(int(asked), seed=seed, first_user_id=int(users.user_id.max()) + 1)
    order = np.argsort(keyed.words(seed, "population", users.user_id), kind="stable")
    return users.take(np.sort(order[:asked]))


class People(NamedTuple):
    """A run's users, and the population that they come from."""

    users: Population
    """Those of the log, by ascending id."""
    source: Population
    """All users of the data: they, or what they are a sample of."""

    @property
    def everyone(self) -> bool:
        """Whether the run served all of the source: it is then a sample of nothing that is known."""
        return np.array_equal(np.sort(self.users.user_id), np.sort(self.source.user_id))

    def before(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return float64 [u, covariates], the users' traits (activity and patience as log(1 + x)), and their known means."""
        tables = [np.column_stack([_scaled(people, name) for name in COVARIATES]) for people in self]
        return tables[0], tables[1].mean(axis=0)

    def groups(self, name: str) -> npt.NDArray[np.str_]:
        """Return str [u]: each user's group by a trait, cut into thirds of the source, or by a demographic field.

        Raises:
            ConfigError: there is no such trait or field.
        """
        if name in self.users.demographics:
            return np.array([str(value) or "unknown" for value in self.users.demographics[name]])
        known = [trait.name for trait in TRAITS]
        if name not in known:
            raise ConfigError(f"groups: got {name!r}, expected {one_of(name, [*known, *self.users.demographics])}")
        cuts = np.unique(np.quantile(self.source.trait(name), _THIRDS, method="inverted_cdf"))
        labels = _labels(name, cuts.tolist())
        return np.array(labels)[np.searchsorted(cuts, self.users.trait(name), side="left")]


def _scaled(people: Population, name: str) -> npt.NDArray[np.float64]:
    column = people.trait(name).astype(np.float64)
    return np.log1p(column) if name in _SKEW else column


def _labels(name: str, cuts: list[float]) -> list[str]:
    ends = [f"{cut:.3g}" for cut in cuts]
    between = [f"{name} above {low} to {high}" for low, high in zip(ends[:-1], ends[1:], strict=True)]
    texts = [f"{name} to {ends[0]}", *between, f"{name} above {ends[-1]}"]
    part = "third" if len(texts) == len(_ORDINALS) else "part"
    return [f"{ordinal} {part} ({text})" for ordinal, text in zip(_ORDINALS, texts, strict=False)]
