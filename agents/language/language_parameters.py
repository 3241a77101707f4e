"""The named parameters of language users: meaning, unit and source of every one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.persona_writing import read_personas
from recsim_llm.agents.language.prompt_budget import PromptBudget
from recsim_llm.agents.language.told_facts import read_facts
from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.errors import ConfigError, one_of

__all__ = ["AUTO", "ContrastKind", "LanguageParameters"]

AUTO = "auto"
"""The family of prompts that suits the model."""

ContrastKind = Literal["none", "neutral", "titles"]
"""What a user's answers are set against, see ``recsim_llm.agents.language.contrast``."""

_NUMBERS = ("position_decay", "watch_base", "watch_slope", "return_base", "return_slope")
_MEMORY = MemorySettings(consolidated_share=0.8)


@dataclass(frozen=True, kw_only=True)
class LanguageParameters:
    """How language users are asked, and what their answers turn into.

    What a model says about clicks, stars, satisfaction and leaving is theirs; examination, watching and coming back follow the
    same curves, with the same meaning and defaults, as ``ChoiceParameters``. All are assumed unless said otherwise.
    """

    rotate: bool = True
    """Show the items of a page to the model in an order shifted by a keyed draw, so that its own preference for certain places
    averages out. False: in the order of their positions."""
    prompt_tokens: int | None = None
    """Most tokens of a prompt, questions included, as ``estimate_tokens`` counts; None: 1,200, or 400 and 80 an item where
    that is more, and no more than the model's context holds, where that is known. What gives way first: descriptions, then the
    oldest ratings of the history, then memories, least valuable first, which are counted. Rules, persona, titles and genres
    always stay, and so do facts within ``memory_tokens``; a model whose context cannot hold these is refused before it is
    asked."""
    memory_tokens: int = 120
    """Tokens of a prompt that are kept for memories: items' descriptions and the user's history give way to these."""
    templates: str = AUTO
    """Family of the prompts: ``en``, ``en_compact`` for small models, or a folder with templates of the same names; ``auto``
    takes what ``recsim-llm probe`` measured to suit the model, and without that the compact one where questions are asked alone
    and the full one otherwise."""
    rating_history: int = 20
    """Most of a user's ratings from before the run that a prompt tells, the latest ones, where the templates tell any; fewer
    where the budget leaves no room for them."""
    contrast: ContrastKind = "none"
    """What answers are set against: ``neutral``, those about the same items of a person of whom nothing is told; ``titles``,
    clicks are how much likelier a user's liked titles make a title than popular ones do. Either needs log-probabilities, and
    a calibration for the level of clicks and stars."""
    calibration: Calibration = field(default=Calibration())
    """Measured, by ``fit_calibration``: what turns the model's probabilities into the users'. The default changes nothing."""
    remembered_ratings: int = 0
    """Most of a user's ratings from before the run that its memory begins with, the most telling ones; 0: it begins empty. With
    some, users also begin with what they make of their latest ratings, as they reflect."""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What users are told: user id to subject to a statement, or to statements by the number of the visit at whose beginning
    they are told. What is told later of a subject takes the place of what was told before."""
    personas: Mapping[str, str | None] = field(default_factory=dict)
    """Personas that a model wrote, by user id, see ``write_personas``: they stand in place of the measured persona's sentences,
    or before the measured persona where the templates have none. None: it did not pass its checks; the user, like those
    without one, keeps what is measured."""
    intents: bool = False
    """Tell in each visit's prompts what the user came for: to browse, for a genre, for a present, or to kill time; drawn for
    each user and visit, see ``INTENT_SHARES``."""
    memory_kind: str = "stream"
    """Kind of memory: ``stream``; to compare with, ``window``, the last few things that happened, and ``none``; an installed
    one, or ``module:Class``."""
    memory: MemorySettings | Mapping[str, Any] = field(default=_MEMORY)
    """Settings of that kind by name. Of a stream: how users remember, forget and reflect, see ``MemorySettings``; its defaults
    but one: reflection and facts may take 0.8 of what a prompt has for memories, since half of it seldom holds a reflection.
    Assumed."""
    embeddings: str | None = None
    """Folder of a transformers sentence model by which memories are recalled; None recalls by shared words, without a model."""
    position_decay: float = 0.93
    """Examination probability falls by this factor a position, raised to the user's position bias. Assumed; geometric as
    in the position-based model (Craswell et al. 2008)."""
    watch_base: float = 1.0
    """Log-odds of the share watched of an item rated at the user's mean. Assumed."""
    watch_slope: float = 0.8
    """Log-odds of the share watched, a star above the user's mean. Assumed."""
    return_base: float = 0.5
    """Log-odds of coming back for another visit, at satisfaction 0 on the log-odds scale (level 3 of 5). Assumed."""
    return_slope: float = 1.0
    """Log-odds of coming back, a unit of satisfaction after the visit's last page. Assumed."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_texts()
        kinds = get_args(ContrastKind)
        if self.contrast not in kinds:
            raise ConfigError(f"language parameter 'contrast': got {self.contrast!r}, expected {one_of(self.contrast, kinds)}")
        self._check_memory()
        if not isinstance(self.calibration, Calibration):
            wanted = "Calibration; from_settings takes mappings too"
            raise ConfigError(f"language parameter 'calibration': got {self.calibration!r}, expected {wanted}")

    def _check_numbers(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if not is_number(value):
                raise ConfigError(f"language parameter {name!r}: got {value!r}, expected a finite number")
        if not 0 <= self.position_decay <= 1:
            raise ConfigError(f"language parameter 'position_decay': got {self.position_decay}, expected a number from 0 to 1")
        for name in ("rotate", "intents"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigError(f"language parameter {name!r}: got {value!r}, expected true or false")
        for name in ("prompt_tokens", "memory_tokens", "rating_history", "remembered_ratings"):
            value = getattr(self, name)
            if name == "prompt_tokens" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"language parameter {name!r}: got {value!r}, expected a whole number of 0 or more")

    def _check_memory(self) -> None:
        read_facts(self.facts)
        read_personas(self.personas)
        stream = self.memory_kind == "stream"
        if not stream and self.memory == _MEMORY:
            object.__setattr__(self, "memory", {})  # The default is a stream's.
        if isinstance(self.memory, MemorySettings) is not stream or not isinstance(self.memory, MemorySettings | Mapping):
            wanted = "MemorySettings; from_settings takes mappings too" if stream else "that kind's settings by name"
            raise ConfigError(f"language parameter 'memory': got {self.memory!r}, expected {wanted}")
        if self.facts and self.memory_kind == "none":
            raise ConfigError(
                "language parameter 'facts': got some with memory_kind 'none', expected a memory that keeps them; set "
                "users.parameters.memory_kind=stream"
            )

    def _check_texts(self) -> None:
        texts = {
            "templates": (self.templates, "a language or a folder"),
            "embeddings": (self.embeddings or "-", "a folder"),
            "memory_kind": (self.memory_kind, "a kind of memory such as stream"),
        }
        for name, (value, expected) in texts.items():
            if not isinstance(value, str) or not value:
                raise ConfigError(f"language parameter {name!r}: got {value!r}, expected {expected}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> LanguageParameters:
        """Build parameters from a mapping such as a scenario's ``users.parameters``.

        Memory settings may be a mapping. A calibration may be a ``Calibration``, a mapping of its fields, the path of a file
        written by ``Calibration.save``, or None; facts and personas may be
        mappings or paths of JSON files. Files are read now, so that
        what is saved with a run is their content.

        Raises:
            ConfigError: a name is not a parameter, or a value is not one that the parameter can take.
            DataError: a file is missing or unreadable.
        """
        refuse_unknown_names("language parameter", settings, sorted(field_names(cls)))
        memory = _memory(settings.get("memory"), settings.get("memory_kind", "stream"))
        told = {"facts": read_facts(settings.get("facts") or {}), "personas": read_personas(settings.get("personas") or {})}
        return cls(**{**settings, **told, "memory": memory, "calibration": _calibration(settings.get("calibration"))})

    def budget(self, context: int | None) -> PromptBudget:
        """Return what bounds the prompts of a model.

        Args:
            context: tokens that it reads and writes in one call; None: not known.
        """
        return PromptBudget(tokens=self.prompt_tokens, memory=self.memory_tokens, ratings=self.rating_history, context=context)

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain values for JSON or YAML; ``from_settings`` gives them back."""
        return asdict(self)


def _memory(value: object, kind: object) -> Any:
    if value is None:
        return _MEMORY
    if not isinstance(value, Mapping) or kind != "stream":
        return value
    refuse_unknown_names("language parameter 'memory'", value, field_names(MemorySettings))
    return replace(_MEMORY, **value)


def _calibration(value: object) -> Any:
    if value is None:
        return Calibration()
    if isinstance(value, Mapping):
        return Calibration.from_settings(value)
    if isinstance(value, str | os.PathLike):
        return Calibration.load(os.fspath(value))
    return value
