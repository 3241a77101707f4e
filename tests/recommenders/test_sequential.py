"""Markov chains and self-attention: both go by the order of what was consumed, clicks of the run included."""

import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import Interactions, Markov, SASRec, open_recommender
from recsim_llm.recommenders.sasrec import _windows
from recsim_llm.recommenders.sequences import Sequences
from recsim_llm.testing import check_recommender, small_world


def small_network():
    return SASRec(SASRec.Settings(factors=8, length=4, epochs=2, negatives=8))


def circle_world(users=60, items=12, steps=6):
    """Everybody walks on around a circle of items, from places of their own."""
    start = np.arange(users) % items
    item = (start[:, None] + np.arange(steps)) % items
    return make_catalog(items), make_ratings(np.repeat(np.arange(users), steps), 10 + item.reshape(-1))


def sequences_of(world):
    return Sequences(Interactions(*world), world[1])


@pytest.mark.parametrize("factory", [Markov, small_network])
def test_it_keeps_the_contract(factory):
    check_recommender(factory)


def test_sequences_go_by_time_and_end_with_the_clicks_of_the_run():
    ratings = Ratings(
        user_id=np.array([5, 5, 5, 7]),
        item_id=np.array([12, 999, 10, 11]),
        rating=np.full(4, 4, np.float32),
        timestamp=np.array([9, 5, 2, 1]),
    )
    sequences = sequences_of((make_catalog(6), ratings))
    requests = ask_for([7, 5, 8], [[14, 15], [14, 15], [-1, -1]], [[False, True], [True, True], [False, False]])
    assert sequences.latest(requests, 3).tolist() == [[-1, 1, 5], [2, 4, 5], [-1, -1, -1]]
    assert sequences.latest(ask_for([5, 7]), 2).tolist() == [[0, 2], [-1, 1]]


def test_windows_hold_every_transition_once():
    world = (make_catalog(9), make_ratings([1] * 8 + [2] * 2 + [3], [*range(10, 18), 12, 11, 13]))
    windows = _windows(sequences_of(world), 4)
    pairs = [(row[place], row[place + 1]) for row in windows.tolist() for place in range(3) if row[place] >= 0]
    assert sorted(pairs) == [(0, 1), (1, 2), (2, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]


@pytest.mark.parametrize(
    "recommender", [Markov(Markov.Settings(ahead=1, last=1)), SASRec(SASRec.Settings(factors=16, epochs=20, dropout=0.0))]
)
def test_it_learns_what_follows_what(recommender):
    fitted(recommender, circle_world())
    shown = 10 + np.arange(11)
    page = recommender.recommend(ask_for(np.arange(1000, 1011), shown[:, None], np.ones((11, 1), np.bool_)), 1)
    assert (page.item_id[:, 0] == shown + 1).mean() > 0.9


def test_transitions_are_counted_and_smoothed():
    world = (make_catalog(4), make_ratings([1, 1, 2, 2, 3, 3], [10, 11, 10, 11, 10, 12]))
    chain = fitted(Markov(Markov.Settings(ahead=1, last=1, smoothing=2.0)), world)
    scores = chain._score(ask_for([9], [[10]], [[True]]))[0]
    assert np.allclose(scores, [0, 2 / 5, 1 / 5, 0], atol=1e-5)


def test_what_nobody_consumed_follows_the_rest_and_strangers_get_what_is_popular():
    catalog, ratings = small_world()
    kept = ratings.take(ratings.item_id != catalog.item_id[0])
    network = fitted(small_network(), (catalog, kept))
    scores = network._score(ask_for([int(ratings.users[0]), 10**6]))
    assert scores[0].argmin() == 0
    assert np.array_equal(np.argsort(-scores[1], kind="stable"), np.argsort(-network._order, kind="stable"))


def test_training_leaves_the_random_numbers_of_others_alone():
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fitted(small_network(), small_world())
    assert torch.equal(torch.rand(4), expected)


def test_without_torch_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(
        ConfigError, match=r"sasrec: got no package 'torch', .*as the extra 'rl' does; run pip install '.\[rl\]'"
    ):
        open_recommender("sasrec")
