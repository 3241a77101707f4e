import numpy as np
import pytest
from made_tallies import draw_tally, make_tally

from recsim_llm.comparison import ORACLE
from recsim_llm.comparison.outcomes import pair_arms, pick_best, served_by, take_outcome
from recsim_llm.metrics import RESULTS
from recsim_llm.statistics import mean_estimate, ratio_estimate

CLICKS, PER_PAGE = (next(metric for metric in RESULTS if metric.key == key) for key in ("clicks_per_user", "clicks_per_page"))


def test_a_users_numbers_of_a_ratio_have_its_mean_and_the_delta_methods_error():
    tally = draw_tally()
    found = take_outcome(tally, PER_PAGE, "better", served_by(tally, tally.arms))
    expected = ratio_estimate(found.above, found.below)
    assert found.values.mean() == pytest.approx(expected.value)
    reach = mean_estimate(found.values).high - expected.value
    assert reach == pytest.approx(expected.high - expected.value, rel=0.02)


def test_a_ratio_to_nothing_has_no_numbers():
    tally = make_tally({"clicks": [[1, 2], [0, 0]], "pages": [[1, 1], [1, 1]], "rated": [[1, 1], [0, 0]]})
    rating = next(metric for metric in RESULTS if metric.key == "mean_rating")
    (pair,) = pair_arms(tally, [rating])
    assert pair.values is None


def test_arms_without_any_rating_are_not_called_identical_in_mean_stars():
    tally = make_tally({"clicks": [[1, 2], [0, 0]], "pages": [[1, 1], [1, 1]], "rated": [[0, 0], [0, 0]]})
    (pair,) = pair_arms(tally, [next(metric for metric in RESULTS if metric.key == "mean_rating")])
    assert not pair.identical


def test_only_users_whom_all_arms_served_count():
    tally = make_tally({"clicks": [[1, 2, 3], [4, 5, 6]], "pages": [[1, 1, 1], [1, 0, 1]]})
    (pair,) = pair_arms(tally, [CLICKS])
    assert pair.one.above.tolist() == [4, 6]
    assert pair.other.above.tolist() == [1, 3]


def test_of_a_pair_the_later_arm_comes_first():
    pairs = pair_arms(draw_tally(), [CLICKS, PER_PAGE])
    assert [(pair.metric.key, pair.arm, pair.against) for pair in pairs] == [
        (key, *names)
        for key in ("clicks_per_user", "clicks_per_page")
        for names in (("better", "first"), ("like", "first"), ("like", "better"))
    ]


def test_a_turned_pair_differs_by_as_much_the_other_way_round():
    for pair in pair_arms(draw_tally(), [CLICKS, PER_PAGE]):
        there, back = pair.difference(confidence=0.9), pair.turned().difference(confidence=0.9)
        assert (back.value, back.low, back.high) == (-there.value, -there.high, -there.low)


def test_identical_needs_numerator_and_denominator_of_every_user():
    same = [[1, 2], [1, 2]]
    identical = {
        key: pair_arms(make_tally({"clicks": same, "pages": pages}), [PER_PAGE])[0].identical
        for key, pages in (("same", [[3, 4], [3, 4]]), ("other", [[3, 4], [4, 3]]))
    }
    assert identical == {"same": True, "other": False}


def test_the_oracle_is_never_the_best_unless_it_is_alone():
    assert pick_best({ORACLE: 9.0, "a": 1.0, "b": 2.0, "c": 2.0}) == "b"
    assert pick_best({"a": None, "b": -1.0}) == "b"
    assert pick_best({ORACLE: 1.0}) == ORACLE


def test_views_of_a_tally_are_taken_where_everyone_was_served():
    tally = draw_tally()
    found = take_outcome(tally, CLICKS, "first", served_by(tally, tally.arms))
    assert np.shares_memory(found.above, tally.sums["clicks"])
