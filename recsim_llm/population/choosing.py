"""What was known of a run's users before it: their traits, measured from their ratings.

Traits are the pre-period of a simulation: activity, mean rating, mainstreamness and the like say how the user behaved before
any of the recommenders came. Synthetic users' traits are draws from the distribution fitted to the real ones, whose means are
known: a Gaussian copula keeps each column's own distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.saved_fits import fitted_for, load_fitted
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.synthetic import fit_joint_distribution
from recsim_llm.scenarios.schema import Scenario

__all__ = ["COVARIATES", "People", "people_of"]

COVARIATES = ("activity", "conformity", "diversity", "rating_mean", "rating_spread", "mainstreamness", "patience", "pickiness")
"""Traits that differences are adjusted for. Not the position bias, which is assumed, not measured."""
_SKEW = ("activity", "patience")
_THIRDS = (1 / 3, 2 / 3)
_ORDINALS = ("1st", "2nd", "3rd")


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
            raise ConfigError(f"groups: got {name!r}, expected one of {', '.join([*known, *self.users.demographics])}")
        cuts = np.unique(np.quantile(self.source.trait(name), _THIRDS, method="inverted_cdf"))
        labels = _labels(name, cuts.tolist())
        return np.array(labels)[np.searchsorted(cuts, self.users.trait(name), side="left")]


def people_of(manifest: Mapping[str, Any], user_id: npt.NDArray[np.int64]) -> People | None:
    """Return the users of a finished run, or None where they cannot be rebuilt from its manifest.

    Users of other models than the shipped choice, cascade and language ones cannot. What is rebuilt is held against the
    manifest's fingerprint.

    Args:
        manifest: of the run.
        user_id: int64 [u]: users of the log, ascending.
    """
    scenario = Scenario.model_validate(manifest["settings"])
    if scenario.users.model not in ("choice", "cascade", "language") or scenario.seed is None:
        return None
    source, everyone = _populations(scenario)
    order = np.argsort(everyone.user_id)
    place = np.minimum(np.searchsorted(everyone.user_id, user_id, sorter=order), len(everyone) - 1)
    if not np.array_equal(everyone.user_id[order[place]], user_id):
        return None
    users = everyone.take(order[place])
    return People(users, source) if users.fingerprint == manifest["population"]["fingerprint"] else None


def _populations(scenario: Scenario) -> tuple[Population, Population]:
    """Return all users of the data, and those that the run's were chosen from (synthetic ones where it asks for more)."""
    settings = scenario.users
    dataset = open_dataset(scenario.data, columns=scenario.columns, skip_bad_rows=scenario.skip_bad_rows)
    if settings.model == "language" and settings.fitted is None:
        source = population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)
        joint = None
    else:
        fit = fitted_for(dataset) if settings.fitted is None else load_fitted(Path(settings.fitted))
        source, joint = fit.population, fit.joint
    if settings.count is None or settings.count <= len(source):
        return source, source
    joint = fit_joint_distribution(source) if joint is None else joint
    first = int(source.user_id.max()) + 1
    return source, joint.sample(settings.count, seed=int(scenario.seed or 0), first_user_id=first)


def _scaled(people: Population, name: str) -> npt.NDArray[np.float64]:
    column = people.trait(name).astype(np.float64)
    return np.log1p(column) if name in _SKEW else column


def _labels(name: str, cuts: list[float]) -> list[str]:
    ends = [f"{cut:.3g}" for cut in cuts]
    between = [f"{name} above {low} to {high}" for low, high in zip(ends[:-1], ends[1:], strict=True)]
    texts = [f"{name} to {ends[0]}", *between, f"{name} above {ends[-1]}"]
    part = "third" if len(texts) == len(_ORDINALS) else "part"
    return [f"{ordinal} {part} ({text})" for ordinal, text in zip(_ORDINALS, texts, strict=False)]
