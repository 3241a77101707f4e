"""How well fitted users predict what they were not fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from real_data import movielens_folder

from recsim_llm.agents.choice import held_out_scores as scores_module
from recsim_llm.agents.choice.held_out_scores import held_out_scores
from recsim_llm.data import fictional, open_dataset

BASELINES = ("mean of all", "item mean", "user and item biases")
NAMES = (
    *(f"RMSE {name}" for name in (*BASELINES, "fitted users")),
    "percent below user and item biases",
    "Wasserstein-1 of drawn stars",
    "correlation of users' mean stars",
    "bits a star, fitted users",
    "bits a star, training histogram",
)


@pytest.fixture(scope="module")
def small():
    """The first thousand ratings of the invented data: some fifteen users."""
    whole = fictional.load(n_users=60)
    return replace(whole, ratings=whole.ratings.take(np.arange(1000)))


@pytest.fixture(scope="module")
def table(small):
    return held_out_scores(small, seed=1)


def with_late_stars(dataset, change):
    """Return the data with other stars in the last fifth of each user's ratings, and nothing else changed."""
    ratings = dataset.ratings
    place = np.arange(len(ratings))
    _, late = replace(ratings, rating=place.astype(np.float64)).split_by_time(0.8)
    stars = ratings.rating.copy()
    rows = late.rating.astype(np.int64)
    stars[rows] = change(stars[rows])
    return replace(dataset, ratings=replace(ratings, rating=stars))


def captured_predictions(dataset, monkeypatch):
    """Return everything that the scores are computed from, but for the stars themselves."""
    seen = {}
    for name in ("_chances", "_baselines"):
        original = getattr(scores_module, name)

        def keep(*args, name=name, original=original):
            seen[name] = original(*args)
            return seen[name]

        monkeypatch.setattr(scores_module, name, keep)
    monkeypatch.setattr(scores_module, "_with_intervals", lambda sums, levels, seed: seen.setdefault("drawn", sums.drawn))
    held_out_scores(dataset, seed=1)
    monkeypatch.undo()
    return [seen["_chances"], seen["drawn"], *(seen["_baselines"][name] for name in BASELINES)]


def test_the_table_has_every_score_with_its_interval(table):
    intervals = [f"{name}, {end}" for name in NAMES for end in ("low", "high")]
    assert set(table) == {"held-out rows", "held-out users", *NAMES, *intervals}
    assert all(np.isfinite(value) for value in table.values())


def test_intervals_hold_what_they_are_about(table):
    for name in NAMES:
        assert table[f"{name}, low"] <= table[name] <= table[f"{name}, high"]


def test_a_fifth_of_each_user_is_held_out(small, table):
    counts = np.bincount(small.ratings.user_index)
    assert table["held-out users"] == (counts > 1).sum()
    assert table["held-out rows"] == np.maximum(counts // 5, counts > 1).sum()


def test_scores_are_a_function_of_data_and_seed(small, table):
    assert held_out_scores(small, seed=1) == table


def test_held_out_stars_change_no_prediction(small, monkeypatch):
    honest = captured_predictions(small, monkeypatch)
    upside_down = captured_predictions(with_late_stars(small, lambda stars: 6 - stars), monkeypatch)
    for one, other in zip(honest, upside_down, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_stars_do_change_predictions(small, monkeypatch):
    stars = small.ratings.rating.copy()
    stars[0] = 6 - stars[0]
    changed = replace(small, ratings=replace(small.ratings, rating=stars))
    honest, other = (captured_predictions(dataset, monkeypatch) for dataset in (small, changed))
    assert all((left != right).any() for left, right in zip(honest[:1], other[:1], strict=True))


def test_levels_that_only_held_out_ratings_have_count_as_the_nearest(small):
    odd = with_late_stars(small, lambda stars: np.where(stars == 5, np.float32(4.75), np.float32(0.5)))
    assert np.isfinite(held_out_scores(odd, seed=1)["bits a star, fitted users"])


def test_perfect_knowledge_of_a_user_would_score_perfectly():
    rows, levels = np.array([2.0, 3.0]), np.array([1.0, 2.0])
    counts = np.array([[2.0, 0.0], [1.0, 2.0]])
    names = (*BASELINES, "fitted users")
    sums = scores_module._UserSums(
        rows=rows,
        errors={name: np.full(2, 1.0 if name != "fitted users" else 0.0) for name in names},
        bits={"fitted users": np.zeros(2)},
        real=counts,
        drawn=counts,
    )
    got = sums.scores(np.ones(2), levels)
    assert got["RMSE fitted users"] == 0
    assert got["percent below user and item biases"] == 100
    assert got["RMSE mean of all"] == pytest.approx(np.sqrt(2 / 5))
    assert got["Wasserstein-1 of drawn stars"] == 0
    assert got["correlation of users' mean stars"] == pytest.approx(1)


def test_wasserstein_is_the_distance_that_stars_must_be_moved():
    names = (*BASELINES, "fitted users")
    sums = scores_module._UserSums(
        rows=np.array([4.0]),
        errors={name: np.ones(1) for name in names},
        bits={},
        real=np.array([[4.0, 0.0, 0.0]]),
        drawn=np.array([[0.0, 2.0, 2.0]]),
    )
    got = sums.scores(np.ones(1), np.array([1.0, 1.5, 4.0]))
    assert got["Wasserstein-1 of drawn stars"] == pytest.approx(0.5 * 0.5 + 0.5 * 3)


def test_real_ratings_are_predicted_better_than_by_biases():
    dataset = open_dataset(movielens_folder())
    scores = held_out_scores(dataset, seed=20250101)
    assert scores["percent below user and item biases"] >= 3
    assert scores["Wasserstein-1 of drawn stars"] <= 0.10
    assert scores["correlation of users' mean stars"] > 0.5
    assert scores["bits a star, fitted users"] < scores["bits a star, training histogram"]
