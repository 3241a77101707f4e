"""Gymnasium environments over the page kernel: single, vectorised, rewards, wrappers."""

if __name__ != "recsim_llm.envs":
    raise ImportError("import recsim_llm.envs, not envs")

from recsim_llm.envs.browse import BrowseEnv, BrowseVectorEnv

__all__ = ["BrowseEnv", "BrowseVectorEnv"]
