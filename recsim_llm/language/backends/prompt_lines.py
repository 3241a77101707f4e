"""What scripts read in the lines of a prompt, and how they state what they think."""

from __future__ import annotations

import math
import re

from recsim_llm.language.base.questions import Question

__all__ = ["ITEM_LINE", "STARS_SPREAD", "levels", "names_in", "slot_of", "yes"]

STARS_SPREAD = 0.9
"""Standard deviation of ratings before rounding."""

ITEM_LINE = re.compile(r'^(\d+)\. "(?:.*?" \(\d{4}\)|.*?")(?: \|([^|\n]*))?(?: \|.*)?$', re.MULTILINE)
"""A numbered line about an item: its number and its genres."""
_SLOT = re.compile(r"_(\d+)$")


def names_in(genres: str) -> frozenset[str]:
    """Return the genres of a line, which are separated by commas."""
    return frozenset(name.strip() for name in genres.split(",") if name.strip())


def slot_of(question: Question) -> int | None:
    """Return the number in which a question's key ends; None where it ends in none."""
    found = _SLOT.search(question.key)
    return int(found[1]) if found else None


def yes(chance: float) -> tuple[float, float]:
    """Return the weights of yes and no."""
    return chance, 1 - chance


def levels(stars: float, count: int) -> tuple[float, ...]:
    """Return weights of levels around a mean from 1 to 5; stars are stretched over however many levels there are."""
    step = 4 / (count - 1)
    return tuple(math.exp(-0.5 * ((1 + level * step - stars) / STARS_SPREAD) ** 2) for level in range(count))
