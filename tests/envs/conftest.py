"""Environments over the small worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import pytest

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.population.world import World

ID = "RecSimLLM/Browse-v0"


@pytest.fixture
def make_env() -> Callable[..., Any]:
    """Build a single environment from a world and keyword arguments."""

    def make(world: World, **options: Any) -> Any:
        return gymnasium.make(ID, **world._asdict(), **({"slate_size": 4, "max_pages": 6} | options))

    return make


@pytest.fixture
def make_rows() -> Callable[..., Any]:
    """Build a vector environment from a world, a number of rows and keyword arguments."""

    def make(world: World, num_envs: int = 5, **options: Any) -> Any:
        return gymnasium.make_vec(ID, num_envs, **world._asdict(), **({"slate_size": 4, "max_pages": 6} | options))

    return make
