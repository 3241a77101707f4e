"""What recommenders count, by user."""

import numpy as np
from policy_models import FakePolicy, policy

from recsim_llm.recommenders import LanguageGenerator, MaximalMarginalRelevance, Popularity, TellsCounts
from recsim_llm.recommenders.counting import CountBook


def test_amounts_and_cases_are_added_up_by_user():
    book = CountBook()
    for user_id, cases, amount in ((7, 2, 1.0), (3, 1, 0.5), (7, 1, 0.25)):
        book.meet("titles", user_id, cases)
        book.add("distance", "titles", user_id, amount)
    (count,) = book.counts()
    assert (count.what, count.of, count.share) == ("distance", "titles", False)
    assert (count.user_id.tolist(), count.amount.tolist(), count.cases.tolist()) == ([3, 7], [0.5, 1.25], [1, 3])


def test_users_with_cases_and_nothing_counted_have_a_zero():
    book = CountBook()
    book.meet("titles", 3)
    book.meet("titles", 4, 2)
    book.add("wrong", "titles", 4, 1, share=True)
    (count,) = book.counts()
    assert count.amount.tolist() == [0, 1]
    assert count.amount.dtype == np.float64


def test_without_cases_nothing_is_told():
    book = CountBook()
    book.meet("titles", 3, 0)
    book.add("wrong", "titles", 3, 0)
    assert book.counts() == ()


def test_a_wrapper_tells_what_its_base_counted_and_one_without_counts_tells_nothing():
    settings = MaximalMarginalRelevance.Settings(base="language-generator")
    assert isinstance(MaximalMarginalRelevance(settings), TellsCounts)
    assert not isinstance(MaximalMarginalRelevance(), TellsCounts)
    assert not isinstance(Popularity(), TellsCounts)
    assert isinstance(policy(LanguageGenerator, FakePolicy()), TellsCounts)
