"""A hundred of the invented films."""

import numpy as np

from recsim_llm.data import open_dataset
from recsim_llm.data.fictional_hundred import LEAST


def test_the_hundred_are_films_of_the_invented_ones_with_enough_ratings_a_user():
    hundred, whole = open_dataset("fictional-100"), open_dataset("fictional")
    place = whole.catalog.index_of(hundred.catalog.item_id)
    assert len(hundred.catalog) == 100
    assert (place >= 0).all()
    np.testing.assert_array_equal(hundred.catalog.title, whole.catalog.title[place])
    assert np.bincount(hundred.ratings.user_index).min() >= LEAST
    assert (hundred.catalog.index_of(hundred.ratings.item_id) >= 0).all()


def test_popularity_in_their_features_follows_the_ratings_that_may_be_known():
    hundred = open_dataset("fictional-100")
    training, _ = hundred.training_part(0.8)
    column = len(hundred.catalog.genre_names) + 1
    scaled = np.log1p(training.catalog.popularity)
    np.testing.assert_allclose(
        training.catalog.features[:, column], (scaled - scaled.mean()) / scaled.std(), rtol=1e-4, atol=1e-5
    )
    assert training.catalog.popularity.sum() == len(training.ratings)
