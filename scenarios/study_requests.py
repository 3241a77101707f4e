"""What studies of users have in common: what they are told, how far they are, the most a model is asked, how they are made."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from recsim_llm import __version__
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.told_facts import check_users
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.settings import LimitSettings, ModelSettings
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.budget import Prices
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.log.locks import lock_file
from recsim_llm.scenarios.estimates import CostEstimate
from recsim_llm.scenarios.schema import override

__all__ = [
    "StudyProgress",
    "StudyRequest",
    "calls_beside",
    "check_new_file",
    "check_told",
    "holding_calls",
    "limits_of",
    "made_facts",
    "most_cost",
    "split_settings",
]


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What every study of users is told."""

    data: str
    """Folder of a data set, name of a downloaded one, or ``fictional``."""
    model: ModelSettings | None = None
    """Language model that plays the users; None where none does."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """How the users are asked, as a scenario's ``users.parameters``."""
    tables: TableSettings = field(default_factory=TableSettings)
    """How the tables of a folder are read."""
    cache: Path | None = None
    """Run folder whose answers are used before the model is asked."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """What the language model may use up, by the names of ``LimitSettings``."""

    def settings(self) -> list[str]:
        """Return how the model and the users are asked, ``KEY=VALUE`` each, as ``--set`` takes them."""
        asked = {} if self.model is None else self.model.model_dump(mode="json", exclude_defaults=True)
        own = {name: value for name, value in asked.items() if name not in ("name", "base_url")}
        named = {"models.user": own, "users.parameters": self.parameters}
        return [f"{place}.{name}={json.dumps(value)}" for place, given in named.items() for name, value in given.items()]


class StudyProgress(NamedTuple):
    """How far a study is whose answers are counted."""

    doing: str
    """What is being done."""
    done: int
    """Things answered; 0 where they are not counted."""
    planned: int
    """Things to be asked about, likewise."""
    things: str
    """What is counted, such as ``pages``."""
    spent: Meter
    """What the model has used so far."""


def calls_beside(out: Path) -> Path:
    """Return where the calls are kept of a study that writes one file: ``NAME.calls.sqlite`` for ``NAME.json``."""
    return out.with_name(f"{out.stem}.calls.sqlite")


@contextmanager
def holding_calls(verb: str, out: Path) -> Iterator[Path]:
    """Lend the file of calls beside what a study writes; nobody else, who would pay for the same answers, may write it.

    Args:
        verb: for the error.
        out: as of ``calls_beside``.

    Raises:
        FolderInUseError: another process is at it.
    """
    with lock_file(out, verb):
        yield calls_beside(out)


def check_new_file(verb: str, out: Path) -> None:
    """See to it that a study can write its file.

    Raises:
        ConfigError: there is no folder for it, or it is one.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise ConfigError(f"{verb}: got {out}, expected a file in a folder that exists; make the folder first")


def check_told(parameters: LanguageParameters, dataset: Dataset) -> None:
    """See to it that whom facts and written personas are about are users of the data.

    Raises:
        ConfigError: somebody is not.
    """
    for what in ("facts", "personas"):
        check_users(what, getattr(parameters, what), dataset)


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return settings of the model and parameters of the users, from dotted keys of a scenario.

    Args:
        settings: by key, such as ``models.user.realisation`` or ``users.parameters.templates``.

    Raises:
        ConfigError: a key is of something else, which no study has a use for.
    """
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        if not key.startswith(("models.user.", "users.parameters.")):
            expected = "models.user.NAME or users.parameters.NAME: how the model is asked"
            raise ConfigError(f"--set {key}: got a setting of something else, expected {expected}; leave it out")
        override(tree, key, value)
    return tree.get("models", {}).get("user", {}), tree.get("users", {}).get("parameters", {})


def limits_of(limits: Mapping[str, float]) -> LimitSettings:
    """Return limits as settings.

    Raises:
        ConfigError: a name is unknown, or a value is no number above 0.
    """
    try:
        return LimitSettings(**limits)  # type: ignore[arg-type]
    except ValueError as error:
        names = ", ".join(LimitSettings.model_fields)
        raise ConfigError(f"limits: got {dict(limits)}, expected numbers above 0 for some of {names}; give others") from error


def made_facts(verb: list[str], options: Mapping[str, object], request: StudyRequest, *, licence: str) -> dict[str, str]:
    """Return how something was made, for its page.

    Args:
        verb: the command's words before its options.
        options: by name; those that are None were not given.
        request: the language model, how it and the users were asked, and how the data were read.
        licence: of the data; empty where none is known.
    """
    model = request.model
    named = {} if model is None else {"--model": model.name, "--base-url": model.base_url}
    command = ["recsim-llm", *verb]
    for name, value in {**named, **options}.items():
        command += [] if value is None else [name, str(value)]
    command += [word for setting in request.settings() for word in ("--set", setting)]
    facts = {
        "Command": shlex.join([*command, *request.tables.command_line()]),
        "Data licence": licence,
        "Version": f"recsim_llm {__version__}",
    }
    return {name: text for name, text in facts.items() if text}


def most_cost(model: LanguageModel, settings: ModelSettings, *, calls: int, tokens: TokenUsage) -> CostEstimate:
    """Return what calls of one model cost at most: on this machine nothing, unless it has prices, as a gateway may."""
    prices, read, written = settings.prices, tokens.prompt or 0, tokens.completion or 0
    cost = None if prices is None else Prices(**prices.model_dump()).cost(tokens)
    local = model.local and prices is None
    return CostEstimate(calls, read, written, 0.0 if local else cost, local)
