"""Words of memories: the sentences that users remember of what they made of things, from the templates of a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.memory.reflection import Reflection

__all__ = ["MEMORY_FILES", "TellReflection", "english_reflection", "reflection_words"]

MEMORY_FILES: Mapping[str, tuple[str, ...]] = {"remembered": ("reflection", "took")}
"""Templates that memories need beside those of decisions."""

TellReflection = Callable[[Reflection], str]
"""Puts a reflection into words, one line."""


def reflection_words(templates: Templates) -> TellReflection:
    """Return what puts reflections into the words of these templates, which hold ``MEMORY_FILES``."""

    # A function, no bound method: memories are copied with their users, and templates need not be.
    def tell(made: Reflection) -> str:
        return templates.say("remembered.reflection", made=made)

    return tell


@cache
def english_reflection() -> TellReflection:
    """Return what puts reflections into the shipped English words."""
    return reflection_words(Templates("en", MEMORY_FILES))
