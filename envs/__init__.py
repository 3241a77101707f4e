"""Gymnasium environments over the page kernel: single, vectorised, rewards, wrappers.

``LivingWorld``, a scenario with a clock as a Mesa model, is imported when it is used, since that imports Mesa.
``recsim_llm.envs.stable_baselines`` has the adapter for Stable-Baselines3; it stays out of here because it loads torch.
"""

from typing import TYPE_CHECKING

if __name__ != "recsim_llm.envs":
    raise ImportError("import recsim_llm.envs, not envs")

from recsim_llm.envs.action_wrappers import ActionMask, SingleItemAction, VectorActionMask, VectorSingleItemAction
from recsim_llm.envs.browse import BrowseEnv
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.envs.wrappers import FlatObservation, FlatVectorObservation
from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.envs.converse import ConverseEnv
    from recsim_llm.envs.recommender_policy import as_policy
    from recsim_llm.envs.world import LivingWorld

__all__ = [
    "ActionMask",
    "BrowseEnv",
    "BrowseVectorEnv",
    "ConverseEnv",
    "FlatObservation",
    "FlatVectorObservation",
    "LivingWorld",
    "SingleItemAction",
    "VectorActionMask",
    "VectorSingleItemAction",
    "as_policy",
]

__getattr__, __dir__ = lazy_names(
    __name__, {"ConverseEnv": "converse", "LivingWorld": "world", "as_policy": "recommender_policy"}
)
