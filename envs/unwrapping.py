"""The session behind an environment, also under wrappers."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from recsim_llm.envs.browse import BrowseEnv
from recsim_llm.envs.session import Session
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.errors import ConfigError

__all__ = ["single_session", "vector_session"]


def single_session(env: gymnasium.Env[Any, Any], what: str) -> Session:
    """Return the session of a single environment.

    Args:
        env: the environment.
        what: wants it, for the error text.

    Raises:
        ConfigError: it is another environment.
    """
    if not isinstance(env.unwrapped, BrowseEnv):
        raise ConfigError(f"{what}: got {env.unwrapped}, expected RecSimLLM/Browse-v0")
    return env.unwrapped.session


def vector_session(env: VectorEnv[Any, Any, Any], what: str) -> Session:
    """Return the session of a vector environment; arguments as of ``single_session``.

    Raises:
        ConfigError: it is another environment, or one that Gymnasium's own vectoriser made of single ones.
    """
    if not isinstance(env.unwrapped, BrowseVectorEnv):
        raise ConfigError(f"{what}: got {env.unwrapped}, expected the vector form of RecSimLLM/Browse-v0")
    return env.unwrapped.session
