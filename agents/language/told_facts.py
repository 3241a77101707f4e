"""Facts: statements that users are told by whoever runs them, by user, subject and visit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recsim_llm.core.files import read_json
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.population.personas import Population

__all__ = ["FACT_LENGTH", "Fact", "FactBook", "check_fact", "check_users", "read_facts", "user_names"]

FACT_LENGTH = 200
"""Most characters of a statement."""
_SHAPE = '{"12": {"spiders": "You cannot stand films with spiders."}}, or by visit {"12": {"town": {"0": "...", "3": "..."}}}'


class Fact(NamedTuple):
    """A statement that a user is told."""

    visit: int
    """At the beginning of which visit, from 0."""
    key: str
    """What it is about: it takes the place of an earlier one of the same key."""
    text: str
    """One line in the second person, safe to show to a model."""


def read_facts(given: object) -> dict[str, dict[str, Any]]:
    """Return facts as a scenario may give them: user id, then subject, then the statement or statements by visit.

    Args:
        given: a mapping, or the path of a JSON file that holds one.

    Raises:
        ConfigError: it has another shape, or a statement is empty or longer than ``FACT_LENGTH``.
        DataError: the file cannot be read.
    """
    source, told = "facts", given
    if isinstance(given, str):
        source = f"facts {given}"
        try:
            told = read_json(Path(given))
        except (OSError, ValueError) as error:
            got = f"{type(error).__name__}: {error}".splitlines()[0]
            raise DataError(f"{source}: got {got}, expected a JSON file such as {_SHAPE}") from error
    if not isinstance(told, Mapping):
        raise ConfigError(f"{source}: got {json.dumps(told, default=repr)[:60]}, expected {_SHAPE}")
    for user, subjects in told.items():
        if not isinstance(subjects, Mapping):
            raise ConfigError(f"{source}, user {user!r}: got {str(subjects)[:60]!r}, expected statements by subject: {_SHAPE}")
        for key, value in subjects.items():
            _facts(f"{source}, user {user!r}, {key!r}", str(key), value)
    return {str(user): dict(subjects) for user, subjects in told.items()}


def check_fact(what: str, text: object) -> str:
    """Return a statement as one safe line.

    Raises:
        ConfigError: it is no text, empty, or longer than ``FACT_LENGTH``.
    """
    if not isinstance(text, str) or not safe_text(text, FACT_LENGTH):
        raise ConfigError(f"{what}: got {text!r}, expected a statement in the second person, such as 'You hate spiders.'")
    if len(text) > FACT_LENGTH:
        raise ConfigError(f"{what}: got {len(text)} characters, expected at most {FACT_LENGTH}; state it in several facts")
    return safe_text(text, FACT_LENGTH)


def _facts(what: str, key: str, value: object) -> list[Fact]:
    if not isinstance(value, Mapping):
        return [Fact(0, key, check_fact(what, value))]
    wrong = [visit for visit in value if not str(visit).isdecimal()]
    if wrong:
        raise ConfigError(f"{what}: got visit {wrong[0]!r}, expected the number of a visit, from 0")
    visits = [int(visit) for visit in value]
    if len(set(visits)) < len(visits):
        twice = next(visit for visit in visits if visits.count(visit) > 1)
        raise ConfigError(f"{what}: got visit {twice} twice, expected one statement a visit; leave one out")
    return sorted(Fact(int(visit), key, check_fact(f"{what}, visit {visit}", text)) for visit, text in value.items())


class FactBook:
    """What each user of a population is told.

    Args:
        told: as ``read_facts`` returns it; users that the population lacks are passed over.
        population: the users; ids are the data's own.
    """

    def __init__(self, told: Mapping[str, Mapping[str, Any]], population: Population) -> None:
        self._facts: dict[int, list[Fact]] = {}
        if not told:
            return
        place = {name: index for index, name in enumerate(user_names(population))}
        for user, subjects in told.items():
            if user in place:
                self._facts[place[user]] = [
                    fact for key, value in subjects.items() for fact in _facts("facts", str(key), value)
                ]

    def at(self, user_index: int, visit: int) -> list[Fact]:
        """Return what a user is told at the beginning of a visit, in the order given."""
        return [fact for fact in self._facts.get(user_index, ()) if fact.visit == visit]

    def knows(self, user_index: int) -> bool:
        """Return whether a user is told anything at all."""
        return bool(self._facts.get(user_index))

    def add(self, user_index: int, fact: Fact) -> None:
        """Note another fact."""
        self._facts.setdefault(user_index, []).append(fact)


def check_users(what: str, named: Iterable[str], dataset: Dataset, population: Population | None = None) -> None:
    """See to it that everybody of whom something is said is a user of the data, or one of the population; a run may have fewer.

    Args:
        what: is said of them, such as ``facts``.
        named: ids as the data has them.
        dataset: the data.
        population: of the run, which may have people beside the data's.

    Raises:
        ConfigError: somebody is neither.
    """
    keys = dataset.user_keys
    known = {keys.get(user, str(user)) for user in dataset.ratings.users.tolist()}
    known.update(() if population is None else user_names(population))
    for user in named:
        if user not in known:
            expected = f"the id of a user of {dataset.name}, such as {min(known)!r}; leave it out"
            raise ConfigError(f"{what}: got user {user!r}, expected {expected}")


def user_names(population: Population) -> list[str]:
    """Return each user's id as the data has it."""
    own = [""] * len(population) if population.user_key is None else population.user_key.tolist()
    return [key or str(number) for key, number in zip(own, population.user_id.tolist(), strict=True)]
