"""Where shards run, and how many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from recsim_llm.errors import ConfigError, one_of
from recsim_llm.shards.crew import Crew
from recsim_llm.shards.inline_crew import InlineCrew
from recsim_llm.shards.process_crew import ProcessCrew

__all__ = ["BACKENDS", "Sharding", "open_crew"]

BACKENDS = ("inline", "processes", "ray")
"""Where shards can run."""


class Sharding(NamedTuple):
    """Where shards run, and how many there are; ``checked`` makes one from what a user says."""

    backend: str
    """One of ``BACKENDS``."""
    shards: int
    """How many."""
    address: str | None = None
    """Of the Ray cluster; None starts one on this machine."""

    @classmethod
    def checked(cls, backend: str, shards: int, address: str | None = None) -> Sharding:
        """Return what a user asks for.

        Raises:
            ConfigError: it cannot be.
        """
        if backend not in BACKENDS:
            raise ConfigError(f"backend: got {backend!r}, expected {one_of(backend, BACKENDS)}")
        if shards < 1:
            raise ConfigError(f"shards: got {shards}, expected 1 or more")
        if address is not None and backend != "ray":
            raise ConfigError(f"address: got {address!r} with the backend {backend}, expected it with ray only; leave it out")
        return cls(backend, shards, address)


def open_crew(sharding: Sharding) -> Crew:
    """Return workers without jobs.

    Raises:
        ConfigError: they cannot be had on this system.
    """
    if sharding.backend == "ray":
        # Only here, since few have it.
        from recsim_llm.shards.ray_crew import RayCrew

        return RayCrew(sharding.address)
    crews: dict[str, Callable[[], Crew]] = {"inline": InlineCrew, "processes": ProcessCrew}
    return crews[sharding.backend]()
