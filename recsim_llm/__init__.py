"""A wind tunnel for recommenders: simulated users browse recommendations page by page.

Importing the package registers ``RecSimLLM/Browse-v0`` with Gymnasium by name and loads nothing heavy.
"""

from gymnasium.envs.registration import register

__version__ = "0.1.0"

register(
    id="RecSimLLM/Browse-v0",
    entry_point="recsim_llm.envs.browse:BrowseEnv",
    vector_entry_point="recsim_llm.envs.vector:BrowseVectorEnv",
)
