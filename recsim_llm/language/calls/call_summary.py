"""What a run's language-model calls came to: counts, tokens, cost and latencies, by role, model and how they ended."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from recsim_llm.errors import LogError
from recsim_llm.language.calls.calls_file import open_calls

__all__ = ["CallSummary", "summary"]

# Asks about nobody, and those for the likelihood of words.
_CONTRAST = "(1 - cache_hit) * (form = 'likelihood' OR nonce = 'neutral')"
_QUERY = f"""
WITH ranked AS (
    SELECT *, cume_dist() OVER (PARTITION BY role, model, status, cause, cache_hit ORDER BY seconds) AS share FROM calls
)
SELECT role, model, status, cause, sum(1 - cache_hit), sum(cache_hit),
    sum(coalesce(prompt_tokens, 0)), sum(coalesce(cached_tokens, 0)), sum(coalesce(completion_tokens, 0)), exact_sum(cost),
    min(CASE WHEN share >= 0.5 AND NOT cache_hit THEN seconds END),
    min(CASE WHEN share >= 0.9 AND NOT cache_hit THEN seconds END),
    min(CASE WHEN share >= 0.99 AND NOT cache_hit THEN seconds END),
    sum({_CONTRAST}), sum({_CONTRAST} * (coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)))
FROM ranked GROUP BY role, model, status, cause ORDER BY role, model, status, cause
"""


class _ExactSum:
    """Adds up prices so that no digit hangs on which call was answered first, which rounding at each step would."""

    def __init__(self) -> None:
        self._known: list[float] = []

    def step(self, value: float | None) -> None:
        """Take one row in."""
        if value is not None:
            self._known.append(value)

    def finalize(self) -> float | None:
        """Return the sum, None where no row has a value."""
        return math.fsum(self._known) if self._known else None


class CallSummary(NamedTuple):
    """The calls of one role and model that ended in one way."""

    role: str
    """What the model was used for."""
    model: str
    """``provider/model``."""
    status: str
    """``answered`` or ``failed``."""
    cause: str
    """Why they failed; of answers ``renormalised`` (percentages divided by their sum, as declared) or nothing."""
    calls: int
    """Attempts on the wire."""
    hits: int
    """Answers taken from a cache or from an equal ask in flight."""
    prompt_tokens: int
    """Tokens read, as far as the provider told."""
    cached_tokens: int
    """Of those, tokens from the provider's prefix cache."""
    completion_tokens: int
    """Tokens written."""
    cost: float | None
    """US dollars; None where no prices were known."""
    seconds_50: float | None
    """Half of the attempts took at most this long; None without attempts."""
    seconds_90: float | None
    """Nine in ten took at most this long."""
    seconds_99: float | None
    """All but one in a hundred took at most this long."""
    contrast_calls: int = 0
    """Of the calls, those for what language users' answers are set against."""
    contrast_tokens: int = 0
    """Tokens read and written by these."""


def summary(path: Path) -> tuple[CallSummary, ...]:
    """Return the totals of a calls file or run folder, ordered by role, model, status and cause.

    Raises:
        ConfigError: there is no such file.
        LogError: it is damaged or is no calls file.
    """
    with closing(open_calls(path)) as connection:
        connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type] # its protocol wants whole numbers only
        try:
            return tuple(CallSummary(*row) for row in connection.execute(_QUERY))
        except sqlite3.Error as error:
            raise LogError(f"{path}: got {error}, expected a calls file that can be read; restore it") from error
