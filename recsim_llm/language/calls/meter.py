"""What a language model has done so far, for whoever watches a run and for its bill."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Meter"]


class Meter(NamedTuple):
    """What a language model has done so far in this process."""

    calls: int
    """Replies received, those that could not be read included."""
    hits: int
    """Calls that were not sent: their answer was in the cache, or an equal ask was under way."""
    prompt_tokens: int
    """Tokens read, as far as the provider told."""
    cached_tokens: int
    """Of those, tokens from the provider's prefix cache."""
    completion_tokens: int
    """Tokens written."""
    cost: float | None
    """US dollars; None where prices are not known."""
    renormalised: int
    """Answers, cached ones included, with percentages that did not sum to 100 and were divided by their sum, as declared."""
    failures: dict[str, int]
    """Attempts without a usable reply, by cause: of ``BackendError``, of ``ModelReplyError``, or ``cancelled``."""
    in_flight: int
    """Calls on the wire."""
    concurrency: int
    """Calls that may be on the wire."""
