import pytest

from recsim_llm.population.factories import takes_models, wants_models
from recsim_llm.registry import SHIPPED, resolve


@pytest.mark.parametrize("name", SHIPPED["users"])
def test_shipped_users_say_whether_a_language_model_plays_them(name):
    assert wants_models(resolve("users", name)) == (name in {"language", "cascade"})


def test_a_factory_is_marked_by_its_author_and_stays_what_it_is():
    def build(data, population=None, *, seed, parameters=None, fitted=None, models=None):
        return models

    assert not wants_models(build)
    assert takes_models(build) is build
    assert wants_models(build)
