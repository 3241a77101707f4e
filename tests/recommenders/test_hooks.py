"""What recommenders may be given before they are fitted."""

import pytest

from recsim_llm.recommenders import AsksModel, TakesTruth, open_recommender
from recsim_llm.registry import SHIPPED


@pytest.mark.parametrize(("hook", "names"), [(TakesTruth, {"oracle"}), (AsksModel, {"language"})])
def test_a_recommender_is_known_by_the_method_that_takes_what_it_needs(hook, names):
    assert {name for name in SHIPPED["recommenders"] if isinstance(open_recommender(name), hook)} == names


def test_any_class_with_the_method_counts():
    class Mine:
        def reveal(self, truth):
            pass

    assert isinstance(Mine(), TakesTruth)
    assert not isinstance(Mine(), AsksModel)
