"""Kinds of memory by name: the shipped ones, installed ones, and ``module:Class``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from recsim_llm.agents.memory.memory_words import TellReflection
from recsim_llm.agents.memory.texts import Embedder
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.user_memory import UserMemory
from recsim_llm.errors import ConfigError, PlugInError
from recsim_llm.registry import blaming_plug_in, resolve

__all__ = ["MemoryParts", "open_memory"]

_METHODS = ("allocate", "forget", "lines", "remember", "render", "settle", "state_fact", "touch")


@dataclass(frozen=True, kw_only=True)
class MemoryParts:
    """What every kind of memory is made with."""

    words: WordWeights
    """What words weigh, from the catalog."""
    topics: Sequence[str] = ()
    """Names of what evidence is counted by: genres."""
    embedder: Embedder | None = None
    """Texts to vectors, for relevance by meaning; None where there is no model for it."""
    tell: TellReflection | None = None
    """Puts reflections into the words of the users' language; None: English."""


def open_memory(kind: str, settings: Mapping[str, Any], parts: MemoryParts) -> UserMemory:
    """Return memories for no rows yet.

    A kind is a class or function that takes ``MemoryParts`` and, as keyword arguments, its settings; see
    ``recsim_llm.testing.check_memory`` for what it must keep to.

    Args:
        kind: ``stream``, ``window``, ``none``, an installed name, or ``module:Class``.
        settings: by name, as the scenario gives them.
        parts: what it is made with.

    Raises:
        ConfigError: there is no such kind, or it does not take these settings.
        PlugInError: it crashed, or what it made is no memory.
    """
    make = resolve("memories", kind)
    place = f"memory {kind!r}"
    if not callable(make):
        raise ConfigError(f"{place}: got a {type(make).__name__}, expected a class of memories, or a function that makes one")
    if isinstance(make, type):
        # Before anything is made: a scenario of anybody's can name any class.
        _require_methods(make, make.__name__, place)
    try:
        signature(make).bind(parts, **settings)
    except TypeError as error:
        given = ", ".join(settings) or "no settings"
        known = ", ".join(list(signature(make).parameters)[1:]) or "none"
        raise ConfigError(f"{place}: got {given} ({error}), expected its settings: {known}") from error
    with blaming_plug_in("memories", kind, did="", expected="a constructor that works"):
        made: UserMemory = make(parts, **settings)
    _require_methods(made, type(made).__name__, place)
    return made


def _require_methods(made: object, name: str, place: str) -> None:
    missing = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if missing:
        raise PlugInError(f"{place}: got {name} without {missing[0]}, expected the methods of UserMemory")
