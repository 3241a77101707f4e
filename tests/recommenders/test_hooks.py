"""What recommenders may be given before they are fitted."""

import pytest
from own_ids import ITEM_KEYS, ByKeys, make_shop, run_shop

from recsim_llm.recommenders import AsksModel, TakesTruth
from recsim_llm.recommenders.hooks import BoundsCalls, TakesFriends, TellsTools
from recsim_llm.registry import SHIPPED, resolve
from recsim_llm.scenarios import load_scenario, run

AGENTS = {"react", "plan-execute", "all-paths"}


@pytest.mark.parametrize(
    ("hook", "names"),
    [
        (TakesTruth, {"oracle", "planner"}),
        (AsksModel, {"language", "language-generator", "chat", "talking"} | AGENTS),
        (TakesFriends, AGENTS),
        (TellsTools, AGENTS),
        (BoundsCalls, AGENTS),
    ],
)
def test_a_recommender_is_known_by_the_method_that_takes_what_it_needs(hook, names):
    assert {name for name in SHIPPED["recommenders"] if isinstance(resolve("recommenders", name), hook)} == names


def test_any_class_with_the_method_counts():
    class Mine:
        def reveal(self, truth):
            pass

    assert isinstance(Mine(), TakesTruth)
    assert not isinstance(Mine(), AsksModel)


@pytest.mark.parametrize(
    "arm",
    [
        {"name": "own", "recommender": "own_ids:ByKeys"},
        {"name": "drawn", "recommender": "softmax", "settings": {"base": "own_ids:ByKeys"}},
    ],
    ids=["alone", "as the base of another"],
)
def test_a_recommender_is_told_the_datas_own_ids_before_it_is_fitted(tmp_path, arm):
    shop = make_shop()
    run_shop(shop, tmp_path / "run", recommenders=[arm], slate_size=4, max_pages=1)
    keys, items = ByKeys.told
    assert keys == dict(shop.user_keys)
    assert items.tolist() == ITEM_KEYS


def test_data_with_numbers_names_nobody(tmp_path):
    settings = {"recommenders": [{"name": "own", "recommender": "own_ids:ByKeys"}], "max_pages": 1, "users.count": 3}
    run(load_scenario("demo", settings), tmp_path / "run")
    assert ByKeys.told == ({}, None)
