"""Gymnasium environments over the page kernel: single, vectorised, rewards, wrappers.

``recsim_llm.envs.stable_baselines`` has the adapter for Stable-Baselines3; it stays out of here because it loads torch.
"""

if __name__ != "recsim_llm.envs":
    raise ImportError("import recsim_llm.envs, not envs")

from recsim_llm.envs.action_wrappers import ActionMask, SingleItemAction, VectorActionMask, VectorSingleItemAction
from recsim_llm.envs.browse import BrowseEnv
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.envs.wrappers import FlatObservation, FlatVectorObservation

__all__ = [
    "ActionMask",
    "BrowseEnv",
    "BrowseVectorEnv",
    "FlatObservation",
    "FlatVectorObservation",
    "SingleItemAction",
    "VectorActionMask",
    "VectorSingleItemAction",
]
