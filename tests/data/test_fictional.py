"""The planted ratings of the invented films, and the data set that both make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsim_llm.core.catalog import default_features
from recsim_llm.data import fictional, open_dataset
from recsim_llm.data.fictional_ratings import (
    CUTS,
    Items,
    PlantedTruth,
    consume,
    fictional_ratings,
    planted_ratings,
    rate,
    read_catalog,
)

SHIPPED = Path(fictional.__file__).with_name("fictional_films.csv")


@pytest.fixture(scope="module")
def films():
    """The shipped films as text columns."""
    return read_catalog(SHIPPED)


@pytest.fixture(scope="module")
def planted(films):
    return planted_ratings(films, n_users=600, seed=7)


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


def test_stars_pile_up_at_four_like_real_ones(planted):
    columns, _, _ = planted
    assert tuple(columns) == ("user_id", "item_id", "rating", "timestamp")
    assert {column.dtype for column in columns.values()} == {np.dtype(np.int64)}
    shares = np.bincount(columns["rating"], minlength=6)[1:] / len(columns["rating"])
    np.testing.assert_allclose(shares, [0.032, 0.065, 0.203, 0.389, 0.311], atol=0.002)
    assert columns["rating"].mean() == pytest.approx(3.88, abs=0.01)


def test_consumption_has_a_head_and_a_long_tail(planted):
    columns, _, _ = planted
    counts = np.sort(np.bincount(columns["item_id"], minlength=1501)[1:])[::-1]
    assert counts[:150].sum() / counts.sum() == pytest.approx(0.455, abs=0.01)
    assert (counts == 0).sum() < 20


def test_users_rate_twenty_to_eight_hundred_films_once_each(planted):
    columns, truth, _ = planted
    activity = np.bincount(columns["user_id"])[1:]
    assert activity.min() == 20
    assert activity.max() <= 800
    assert 45 < np.median(activity) < 75
    assert (activity <= truth.activity).all()
    assert len(np.unique(columns["user_id"] * 10_000 + columns["item_id"])) == len(columns["user_id"])


def test_nobody_rates_a_film_before_its_release(films, planted):
    columns, _, _ = planted
    years = np.array(films["year"], dtype=np.int64)[columns["item_id"] - 1]
    rated = columns["timestamp"].astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    assert (rated >= years).all()


def test_ratings_follow_the_planted_affinity_and_quality(planted):
    columns, truth, items = planted
    user, row = columns["user_id"] - 1, columns["item_id"] - 1
    np.testing.assert_array_equal(items.item_id[row], columns["item_id"])
    affinity = truth.affinity[user, row]
    assert np.corrcoef(affinity, columns["rating"])[0, 1] > 0.25
    assert np.corrcoef(items.quality_z[row], columns["rating"])[0, 1] > 0.35
    assert affinity.mean() > truth.affinity.mean() + 0.6


def test_planted_constants_are_those_of_the_docstring(planted):
    _, truth, _ = planted
    assert truth.mainstream.mean() == pytest.approx(1.7, abs=0.04)
    assert truth.mainstream.std() == pytest.approx(0.28, abs=0.03)
    assert truth.tendency.std() == pytest.approx(0.45, abs=0.04)
    assert np.log(truth.spread).std() == pytest.approx(0.20, abs=0.02)
    product = truth.user_factors @ truth.item_factors.T
    assert product.std() == pytest.approx(0.35, abs=0.02)
    assert truth.genre_taste.mean() == pytest.approx(1.1 * 3 / truth.genre_taste.shape[1] - 0.3, abs=0.02)


def two_films(affinity, log_popularity, quality):
    """Return items and truth of 20,000 alike users who choose one of two films."""
    users = 20_000
    items = Items(
        np.array([1, 2]), np.ones((2, 1)), np.zeros(2, int), np.zeros(2, int), np.array(log_popularity),
        np.array(quality), np.array([1990, 1990]), ("Drama",), ("wry",), ("Any",),
    )  # fmt: skip
    truth = PlantedTruth(
        np.zeros((users, 1)), np.zeros((users, 1)), np.zeros((users, 1)), np.zeros((users, 4)), np.zeros((2, 4)),
        np.full(users, 1.5), np.ones(users, int), np.zeros(users), np.ones(users), np.tile(affinity, (users, 1)),
    )  # fmt: skip
    return items, truth


def test_a_film_is_consumed_by_plackett_luce_with_the_documented_weights():
    items, truth = two_films(affinity=[0.3, 0.0], log_popularity=[0.0, 0.2], quality=[0.0, 0.0])
    chosen = consume(np.random.default_rng(0), items, truth, np.full(20_000, 2020))
    log_odds = 2.2 * 0.3 - 1.5 * 0.2
    assert np.mean([row[0] == 0 for row in chosen]) == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=0.01)


def test_a_rating_is_the_number_of_cuts_below_the_documented_sum():
    items, truth = two_films(affinity=[0.5, 0.0], log_popularity=[0.0, 0.0], quality=[1.0, 0.0])
    user = np.arange(20_000)
    stars = rate(np.random.default_rng(0), items, truth, user=user, item=np.zeros(20_000, int))
    noise = np.random.default_rng(1).normal(size=20_000)
    latent = 0.60 * 1.0 + 0.60 * 0.5 + 0.70 * noise
    expected = [np.mean(latent > cut) for cut in CUTS]
    np.testing.assert_allclose([np.mean(stars > level) for level in (1, 2, 3, 4)], expected, atol=0.015)


def test_the_same_seed_plants_the_same_ratings(films):
    first, second, other = (fictional_ratings(films, n_users=30, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_the_data_set_holds_films_and_ratings(dataset, films):
    catalog, ratings = dataset.catalog, dataset.ratings
    assert dataset.name == "fictional"
    assert "Invented" in dataset.licence
    assert len(catalog) == 1500
    assert catalog.title.tolist() == films["title"]
    assert catalog.provider.tolist() == films["provider"]
    assert catalog.description.tolist() == films["description"]
    np.testing.assert_allclose(catalog.quality, np.array(films["quality"], float), atol=1e-6)
    assert ratings.users.tolist() == list(range(1, 61))
    assert ratings.levels.tolist() == [1, 2, 3, 4, 5]
    assert (catalog.index_of(ratings.item_id) >= 0).all()
    assert not dataset.demographics


def test_features_are_the_default_ones_then_tone_and_provider(dataset, films):
    catalog = dataset.catalog
    width = len(catalog.genre_names) + 2
    defaults = default_features(catalog.genres, catalog.year, catalog.popularity)
    np.testing.assert_array_equal(catalog.features[:, :width], defaults)
    tones, providers = sorted(set(films["tone"])), sorted(set(films["provider"]))
    extra = catalog.features[:, width:]
    assert extra.shape == (1500, len(tones) + len(providers))
    assert [tones[column] for column in extra[:, : len(tones)].argmax(axis=1)] == films["tone"]
    assert [providers[column] for column in extra[:, len(tones) :].argmax(axis=1)] == films["provider"]
    assert (extra.sum(axis=1) == 2).all()


def test_the_data_set_is_kept_and_always_the_same(dataset):
    assert fictional.load(n_users=60) is dataset
    again = fictional.load.__wrapped__(n_users=60)
    assert again is not dataset
    assert again.fingerprint == dataset.fingerprint
    assert fictional.load(n_users=60, seed=8).fingerprint != dataset.fingerprint


def test_the_data_set_opens_by_name():
    dataset = open_dataset("fictional")
    assert dataset is fictional.load()
    assert len(dataset.ratings.users) == 600
