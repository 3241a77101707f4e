"""Contract tests for plug-ins, as plain functions: call them from any test framework, or from none.

Each returns ``None`` where the plug-in keeps its contract, and raises ``ContractError`` at the first breach, with what was got,
what was expected and what to do:

    from recsim_llm.testing import check_recommender

    def test_my_recommender_keeps_the_contract():
        check_recommender(lambda: MyRecommender(depth=3))
"""

from recsim_llm.testing.language_model import check_language_model
from recsim_llm.testing.memory import check_memory
from recsim_llm.testing.recommender import check_recommender, small_world
from recsim_llm.testing.user_model import check_user_model

__all__ = ["check_language_model", "check_memory", "check_recommender", "check_user_model", "small_world"]
