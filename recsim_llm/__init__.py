"""A wind tunnel for recommenders: simulated users browse recommendations page by page.

Importing the package registers ``RecSimLLM/Browse-v0`` and ``RecSimLLM/Converse-v0`` with Gymnasium by name and loads nothing
heavy. The names listed here are what a first hour needs; each is imported when it is used, and more stands in the rooms:

```python
import recsim_llm

folder = recsim_llm.run(recsim_llm.load_scenario("demo"), Path("runs/demo"))
```
"""

from typing import TYPE_CHECKING

from gymnasium.envs.registration import register

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.core.catalog import Catalog
    from recsim_llm.core.pages import Requests, Slates
    from recsim_llm.core.protocols import UserModel
    from recsim_llm.core.ratings import Dataset, Ratings
    from recsim_llm.data import open_dataset
    from recsim_llm.errors import ConfigError, ContractError, DataError, RecSimError
    from recsim_llm.language import LanguageModel, open_model
    from recsim_llm.population.personas import Population
    from recsim_llm.population.world import World
    from recsim_llm.recommenders import Recommender
    from recsim_llm.scenarios import Scenario, load_scenario, resume, run
    from recsim_llm.scenarios.compare import compare
    from recsim_llm.testing import check_language_model, check_recommender, check_user_model

__all__ = [
    "Catalog",
    "ConfigError",
    "ContractError",
    "DataError",
    "Dataset",
    "LanguageModel",
    "Population",
    "Ratings",
    "RecSimError",
    "Recommender",
    "Requests",
    "Scenario",
    "Slates",
    "UserModel",
    "World",
    "check_language_model",
    "check_recommender",
    "check_user_model",
    "compare",
    "load_scenario",
    "open_dataset",
    "open_model",
    "resume",
    "run",
]

__version__ = "0.1.0"

register(
    id="RecSimLLM/Browse-v0",
    entry_point="recsim_llm.envs.browse:BrowseEnv",
    vector_entry_point="recsim_llm.envs.vector:BrowseVectorEnv",
)

register(id="RecSimLLM/Converse-v0", entry_point="recsim_llm.envs.converse:ConverseEnv")

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Catalog": "core.catalog",
        "ConfigError": "errors",
        "ContractError": "errors",
        "DataError": "errors",
        "Dataset": "core.ratings",
        "LanguageModel": "language",
        "Population": "population.personas",
        "Ratings": "core.ratings",
        "RecSimError": "errors",
        "Recommender": "recommenders",
        "Requests": "core.pages",
        "Scenario": "scenarios",
        "Slates": "core.pages",
        "UserModel": "core.protocols",
        "World": "population.world",
        "check_language_model": "testing",
        "check_recommender": "testing",
        "check_user_model": "testing",
        "compare": "scenarios.compare",
        "load_scenario": "scenarios",
        "open_dataset": "data",
        "open_model": "language",
        "resume": "scenarios",
        "run": "scenarios",
    },
)
