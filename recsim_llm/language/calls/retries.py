"""When a failed call is tried again: a few times, after waits that double, with a jitter that is a function of the call."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from recsim_llm.errors import ConfigError

__all__ = ["RetryPolicy"]


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long after; only failures that their backend calls retryable are tried again.

    Raises:
        ConfigError: a number makes no sense.
    """

    attempts: int = 6
    """Attempts of one call, the first included."""
    first: float = 0.5
    """Seconds before the second attempt, at most; each further wait is twice as long."""
    most: float = 20.0
    """Seconds that no wait exceeds; waits that the provider asks for are apart."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first < 0 or self.most < self.first:
            raise ConfigError(f"retries: got {self}, expected attempts >= 1 and 0 <= first <= most")

    def delay(self, key: bytes, attempt: int) -> float:
        """Return the seconds to wait after a failed attempt: half to all of the full wait, the same in every run.

        Args:
            key: the call's key.
            attempt: number of the attempt that failed, from 1.
        """
        word = blake2b(attempt.to_bytes(4, "little"), key=key[:64], digest_size=4).digest()
        full = min(self.most, self.first * 2.0 ** (attempt - 1))
        return full * (0.5 + int.from_bytes(word, "little") / 2**33)
