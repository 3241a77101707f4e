"""Nothing that is held out reaches a fit, a score or a prompt: the label may be planted, and nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted_users import FakeModel

from recsim_llm.agents.choice.choice_candidate import choice_candidate
from recsim_llm.agents.language.language_candidate import language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.worlds import language_world
from recsim_llm.data import fictional
from recsim_llm.realism import CardSettings, hold_out, world_factory
from recsim_llm.realism.candidates import UserModelCandidate
from recsim_llm.realism.trials import run_trials

SETTINGS = CardSettings(seeds=(1,), page_items=10, panel_items=10, users=6, ratings_a_user=6, resamples=20)


@pytest.fixture(scope="module")
def dataset():
    whole = fictional.load(n_users=60)
    return replace(whole, ratings=whole.ratings.take(np.arange(1000)))


def planted(dataset, split):
    """Return the data with the worst held-out stars for everything, or the best where they were the worst."""
    ratings = dataset.ratings
    rows = replace(dataset, ratings=replace(ratings, rating=np.arange(len(ratings), dtype=np.float32)))
    late = hold_out(rows, split=split, seed=1).rating.astype(np.int64)
    stars = ratings.rating.copy()
    stars[late] = np.where(stars[late] > 1, 1, 5)
    return replace(dataset, ratings=replace(ratings, rating=stars))


def trial(dataset, factory, split="time"):
    (only,) = run_trials(dataset, "mine", factory, replace(SETTINGS, split=split))
    return only


def same(one, other):
    """Tell whether every score, forecast and page of two trials is equal to the bit."""
    for kind in one.pages:
        assert np.array_equal(one.pages[kind].item_index, other.pages[kind].item_index)
        assert np.array_equal(one.pages[kind].taken, other.pages[kind].taken)
        for row, score in one.scores[kind].items():
            assert np.array_equal(score, other.scores[kind][row]), row
    for row, forecast in one.stars.forecasts.items():
        assert np.array_equal(forecast.mean, other.stars.forecasts[row].mean), row
        assert np.array_equal(forecast.chance, other.stars.forecasts[row].chance), row
        assert np.array_equal(one.stars.drawn(row), other.stars.drawn(row)), row
    for row, score in one.panel.scores.items():
        assert np.array_equal(score, other.panel.scores[row]), row


@pytest.mark.parametrize("split", ["time", "random"])
def test_planted_stars_change_no_score_of_choice_users_or_baselines(dataset, split):
    other = planted(dataset, split)
    assert not np.array_equal(dataset.ratings.rating, other.ratings.rating)
    one, two = (trial(data, choice_candidate, split) for data in (dataset, other))
    assert one.held.training.fingerprint == two.held.training.fingerprint
    assert not np.array_equal(one.stars.rating, two.stars.rating)
    same(one, two)


@pytest.mark.parametrize("templates", ["en", "en_compact"])
def test_planted_stars_change_no_byte_of_a_prompt(dataset, templates):
    models, asked = (FakeModel(), FakeModel()), LanguageParameters(templates=templates, remembered_ratings=5)
    one, two = (
        trial(data, language_factory(model, parameters=asked, page_size=5))
        for data, model in zip((dataset, planted(dataset, "time")), models, strict=True)
    )
    assert models[0].texts == models[1].texts
    assert len(models[0].texts) > 20
    assert any("take it? yes" in text for text in models[0].texts) is (templates == "en_compact")
    assert [ask.questions for ask in models[0].asks] == [ask.questions for ask in models[1].asks]
    same(one, two)


def test_stars_of_the_training_part_do_change_scores(dataset):
    """The test above could fail: what is not held out matters."""
    ratings = dataset.ratings
    stars = np.where(np.arange(len(ratings)) % 2, ratings.rating, np.float32(1))
    one, two = (trial(data, choice_candidate) for data in (dataset, replace(dataset, ratings=replace(ratings, rating=stars))))
    assert not np.array_equal(one.stars.forecasts["item mean"].mean, two.stars.forecasts["item mean"].mean)
    assert not np.array_equal(one.stars.forecasts["mine"].mean, two.stars.forecasts["mine"].mean)


def test_the_factory_is_given_the_training_part_only(dataset):
    given = []

    def factory(training, seed):
        given.append(training)
        return choice_candidate(training, seed)

    held = trial(dataset, factory).held
    (training,) = given
    assert len(training.ratings) + len(held.rating) == len(dataset.ratings)
    known = set(zip(training.ratings.user_id.tolist(), training.ratings.item_id.tolist(), strict=True))
    late = zip(
        training.ratings.users[held.user_index].tolist(), training.catalog.item_id[held.item_index].tolist(), strict=True
    )
    assert not known & set(late)


def test_popularity_counts_the_training_part_and_quality_is_hidden(dataset):
    held = hold_out(dataset, seed=1)
    catalog = held.training.catalog
    counts = np.bincount(catalog.index_of(held.training.ratings.item_id), minlength=len(catalog))
    assert catalog.popularity.tolist() == counts.tolist()
    assert catalog.quality is None
    assert not np.array_equal(catalog.features, dataset.catalog.features)


class Models:
    def __init__(self):
        self.model = FakeModel()

    def role(self, name):
        return self.model


def test_any_user_model_of_a_world_can_be_a_candidate(dataset):
    models = Models()
    factory = world_factory(lambda data, seed: language_world(data, models=models, seed=seed), page_size=5)
    held = hold_out(dataset, seed=1)
    candidate = factory(held.training, 3)
    assert isinstance(candidate, UserModelCandidate)
    items = np.array([[3, 8, 1, 0, 7, 9, -1], [4, 2, 6, 5, 1, 0, 3]])
    taste, stars = candidate.taste(np.array([1, 4]), items), candidate.stars(np.array([1, 4]), items)
    assert taste.shape == (2, 7)
    assert np.isfinite(taste[items >= 0]).all()
    assert np.allclose(stars.sum(axis=2), 1)
    alone = candidate.taste(np.array([4]), items[1:])
    assert np.array_equal(alone[0], taste[1])
