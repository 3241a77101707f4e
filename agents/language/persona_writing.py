"""Personas written by a language model: who a user is, in the second person, from what the user rated.

What is measured stays measured: traits and tastes keep their numbers, and a text that does not fit them is marked and not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim_llm.agents.language.persona_checks import CueWords, PersonaCheck, check_persona
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import Item, PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory, known_people
from recsim_llm.agents.language.told_facts import user_names
from recsim_llm.agents.language.voice import each_or_none
from recsim_llm.agents.memory.topic_words import split_words
from recsim_llm.core import keyed
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.calls.writing import Writing
from recsim_llm.population.personas import Population
from recsim_llm.statistics.intervals import Estimate, share_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = [
    "BIOGRAPHY_FILES",
    "PERSONA_LENGTH",
    "PERSONA_TOKENS",
    "RATINGS_TOLD",
    "WrittenPersona",
    "WrittenPersonas",
    "read_personas",
    "write_personas",
    "written_by_index",
]

BIOGRAPHY_FILES: Mapping[str, tuple[str, ...]] = {
    "biography": ("addresses", "avoids", "loves", "ratings", "request", "rules", "turns"),
}
"""Templates by which personas are written and checked."""
PERSONA_LENGTH = 800
"""Most characters of a written persona; longer ones are cut."""
PERSONA_TOKENS = 90
"""Most tokens that are written of a persona."""
RATINGS_TOLD = 24
"""Latest ratings of a user that the writer is told."""
_CHUNK = 256  # asked at a time, so that progress can be told


@dataclass(frozen=True, kw_only=True)
class WrittenPersona:
    """What a model wrote about one user."""

    user: str
    """Id, as the data has it."""
    text: str | None
    """Its words on one line, safe to show to a model; None: the model refused."""
    check: PersonaCheck
    """What was found in it."""

    @property
    def passed(self) -> bool:
        """Whether it may be used."""
        return self.text is not None and not self.check.faults


@dataclass(frozen=True, kw_only=True)
class WrittenPersonas:
    """What a model wrote about some users of a data set."""

    model: str
    """Who wrote."""
    data: str
    """Name of the data set."""
    templates: str
    """32 hexadecimal digits over the words by which it was asked and checked."""
    seed: int
    """Of the draw of users."""
    personas: tuple[WrittenPersona, ...]
    """One a user."""

    @property
    def passed(self) -> Estimate:
        """Share of users whose persona passed, with its interval."""
        return share_estimate(np.array([float(one.passed) for one in self.personas]))

    @property
    def agreement(self) -> Estimate:
        """Share of claims about genres that agree in direction with the measured taste, with its interval by user."""
        agreeing = np.array([float(one.check.agreeing) for one in self.personas])
        claims = np.array([float(one.check.claims) for one in self.personas])
        return share_estimate(agreeing, claims)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        every = {
            one.user: {
                "text": one.text,
                "passed": one.passed,
                **{name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one.check).items()},
            }
            for one in self.personas
        }
        own = {name: getattr(self, name) for name in ("model", "data", "templates", "seed")}
        measured = {name: asdict(getattr(self, name)) for name in ("passed", "agreement")}
        return {**own, "users": len(self.personas), **measured, "personas": every}

    def save(self, path: str | Path) -> None:
        """Write it as JSON; ``users.parameters.personas`` takes the file."""
        write_atomically(Path(path), json.dumps(self.to_json(), indent=1, ensure_ascii=False).encode() + b"\n")


def write_personas(
    writer: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int | None = None,
    templates: str = "en",
    progress: Callable[[int, int], None] = lambda done, planned: None,  # noqa: ARG005 (names for the reader)
) -> WrittenPersonas:
    """Have personas written from the training part of users' ratings, and check each against the same part.

    Args:
        writer: one text a user.
        dataset: catalog and ratings.
        seed: of the draw of users.
        users: how many; None: all.
        templates: language of the prompts: a shipped one, or a folder with ``BIOGRAPHY_FILES`` and the templates of decisions.
        progress: told how many of how many texts are written.

    Raises:
        ConfigError: a number is out of range, or templates are missing.
        RecSimError: the model could not be asked, see ``LanguageModel.write``.
    """
    population, history = known_people(dataset.training_part(TRAIN_SHARE)[0])
    if users is not None:
        check_whole_number("personas, users", users, least=1)
    order = keyed.words(seed, "personas", population.user_id).argsort(kind="stable")
    chosen = np.sort(order[:users])
    words = Templates(templates, BIOGRAPHY_FILES)
    prompts = PromptWriter(dataset.catalog, population, Templates(templates), writer.elicitation)
    told = [_told(history, user, prompts) for user in chosen.tolist()]
    names = user_names(population)
    rules, request = (Part(name, words.say(f"biography.{name}")) for name in ("rules", "request"))
    cues = _cues(words)
    writings = [
        Writing(
            Prompt((rules, Part("titles", words.say("biography.ratings", history=own)), request)),
            PERSONA_TOKENS,
            subject=names[user],
        )
        for user, own in zip(chosen.tolist(), told, strict=True)
    ]
    texts = _written(writer, writings, progress)
    personas = []
    for user, own, text in zip(chosen.tolist(), told, texts, strict=True):
        titles = [item.title for item, _ in own]
        check = check_persona(text or "", population.persona(user).taste, titles, cues)
        personas.append(WrittenPersona(user=names[user], text=safe_text(text, PERSONA_LENGTH) if text else None, check=check))
    fingerprint = words.fingerprint
    return WrittenPersonas(model=writer.name, data=dataset.name, templates=fingerprint, seed=seed, personas=tuple(personas))


def _written(writer: LanguageModel, writings: Sequence[Writing], progress: Callable[[int, int], None]) -> list[str | None]:
    texts: list[str | None] = []
    for start in range(0, len(writings), _CHUNK):
        progress(start, len(writings))
        found = each_or_none(writer.write, writings[start : start + _CHUNK])
        texts += found
    progress(len(writings), len(writings))
    return texts


def read_personas(given: object) -> dict[str, str | None]:
    """Return texts by user id, None for those that did not pass.

    Args:
        given: such a mapping, or the path of a file written by ``WrittenPersonas.save``.

    Raises:
        ConfigError: it is neither, or no persona passed.
        DataError: the file cannot be read.
    """
    source, texts = "personas", given
    if isinstance(given, str):
        source = f"personas {given}"
        try:
            every = read_json(Path(given))["personas"]
            texts = {user: one["text"] if one["passed"] else None for user, one in every.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{source}: got other JSON, expected a file that `recsim-llm personas` wrote") from error
        except (OSError, ValueError) as error:
            got = f"{type(error).__name__}: {error}".splitlines()[0]
            raise DataError(f"{source}: got {got}, expected a file that `recsim-llm personas` wrote") from error
    if not isinstance(texts, Mapping) or not all(isinstance(text, str | None) for text in texts.values()):
        raise ConfigError(f"{source}: got {str(texts)[:60]}, expected user ids with their texts, or the path of a file")
    if texts and not any(texts.values()):
        raise ConfigError(
            f"{source}: got {len(texts)} personas none of which passed its checks, expected some; take another model"
        )
    return {str(user): text and safe_text(text, PERSONA_LENGTH) for user, text in texts.items()}


def written_by_index(personas: Mapping[str, str | None], population: Population) -> dict[int, str]:
    """Return texts by user index, of the users of a population who have one."""
    place = {name: index for index, name in enumerate(user_names(population))} if personas else {}
    return {place[user]: text for user, text in personas.items() if text and user in place}


def _told(history: RatingHistory, user: int, prompts: PromptWriter) -> Sequence[tuple[Item, float | None]]:
    items, stars = history.of(user)
    latest = zip(items[-RATINGS_TOLD:].tolist(), stars[-RATINGS_TOLD:].tolist(), strict=True)
    return [(prompts.item(item), None if np.isnan(given) else given) for item, given in latest]


def _cues(words: Templates) -> CueWords:
    every = {name: words.say(f"biography.{name}") for name in CueWords._fields}
    return CueWords(**{name: frozenset(split_words(text)) for name, text in every.items()})
