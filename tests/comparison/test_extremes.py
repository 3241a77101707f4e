"""Who lost and who gained most."""

import numpy as np
from made_tallies import make_tally

from recsim_llm.comparison.extremes import MOST_NAMED, find_gainers, find_losers
from recsim_llm.comparison.outcomes import pair_arms
from recsim_llm.metrics import RESULTS

CLICKS, STARS = (next(metric for metric in RESULTS if metric.key == key) for key in ("clicks_per_user", "mean_rating"))


def pair_of(metric, **sums):
    return pair_arms(make_tally({name: np.array(values, float) for name, values in sums.items()}), [metric])[0]


def test_those_who_lost_most_come_first_and_those_who_lost_nothing_are_not_named():
    # The pair is the later arm less the earlier one.
    pair = pair_of(CLICKS, clicks=[[5, 1, 2, 9], [1, 1, 1, 12]])
    assert [(user.user_id, user.one, user.other, user.difference) for user in find_losers(pair)] == [
        (0, 1.0, 5.0, -4.0),
        (2, 1.0, 2.0, -1.0),
    ]
    assert [(user.user_id, user.difference) for user in find_gainers(pair)] == [(3, 3.0)]
    assert [user.user_id for user in find_gainers(pair.turned())] == [0, 2]


def test_of_equals_the_smaller_id_comes_first_and_few_are_named():
    losers = find_losers(pair_of(CLICKS, clicks=[[1] * 6, [0] * 6]))
    assert [user.user_id for user in losers] == [*range(MOST_NAMED)]


def test_equal_arms_have_neither():
    pair = pair_of(CLICKS, clicks=[[1, 2], [1, 2]])
    assert find_losers(pair) == find_gainers(pair) == ()


def test_a_users_own_ratio_is_undefined_where_nothing_was_rated():
    pair = pair_of(STARS, stars=[[8, 5, 10], [2, 5, 0]], rated=[[2, 1, 2], [2, 1, 0]])
    worst = find_losers(pair)[0]
    assert (worst.user_id, worst.one, worst.other) == (0, 1.0, 4.0)
    named = {user.user_id: user for user in (*find_losers(pair), *find_gainers(pair))}
    assert named[2].one is None


def test_a_ratio_to_nothing_has_neither():
    assert find_losers(pair_of(STARS, stars=[[0, 0], [0, 0]], rated=[[0, 0], [0, 0]])) == ()
