"""RecSim's choc and kale, against its equations written down once more, one user at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsim_llm.agents.recsim.recsim_worlds import long_term_world
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError

PAGES, USERS = 60, 40


class User:
    """The published equations: net positive exposure, and what follows from it."""

    def __init__(self, exposure, *, memory=0.7, sensitivity=0.01, choc=(5.0, 1.0), kale=(4.0, 1.0)):
        self.exposure, self.memory, self.sensitivity = exposure, memory, sensitivity
        self.choc, self.kale = choc, kale

    def log_engagement(self, score):
        """Return mean and standard deviation of the log of the engagement."""
        satisfaction = 1 / (1 + math.exp(-self.sensitivity * self.exposure))
        mean = (score * self.choc[0] + (1 - score) * self.kale[0]) * satisfaction
        return mean, score * self.choc[1] + (1 - score) * self.kale[1]

    def consume(self, score, innovation=0.0):
        self.exposure = self.memory * self.exposure - 2 * (score - 0.5) + innovation


def exposures(world):
    return world.users._exposure.copy()


def slates(slots, seed=1):
    random = np.random.default_rng(seed)
    return [np.stack([random.choice(100, slots, replace=False) for _ in range(USERS)]) for _ in range(PAGES)]


def test_users_begin_evenly_within_the_range_that_one_item_can_hold(make_world, browse):
    world = make_world("recsim-lts")
    browse(world, 1000, slots=1)
    start = exposures(world)
    assert -0.5 / 0.3 <= start.min() < -1.6
    assert 1.6 < start.max() <= 0.5 / 0.3
    assert abs(start.mean()) < 4 * (1 / 0.3) / math.sqrt(12 * 1000)


def test_exposure_follows_the_equations_page_by_page(make_world, browse):
    settings = {"sensitivity": 0.3, "memory_discount": 0.8}
    world = make_world("recsim-lts", innovation_stddev=0.0, **settings)
    kernel, score = browse(world, USERS, slots=3), world.catalog.features[:, 0].astype(float)
    users = [User(start, memory=0.8, sensitivity=0.3) for start in exposures(world)]
    for page in slates(3):
        feedback = kernel.step(page)
        assert feedback.row.tolist() == list(range(USERS))
        assert (feedback.slot % 3 == 0).all()
        for user, item in zip(users, page[:, 0], strict=True):
            user.consume(score[item])
        np.testing.assert_allclose(exposures(world), [user.exposure for user in users], rtol=0, atol=1e-9)
        np.testing.assert_allclose(feedback.mood.satisfaction, [0.3 * user.exposure for user in users], atol=1e-5)


def test_engagement_is_log_normal_around_what_satisfaction_makes_of_it(make_world, browse):
    world = make_world("recsim-lts", sensitivity=0.5, choc_stddev=1.5, kale_stddev=0.5)
    kernel, score = browse(world, USERS, slots=1), world.catalog.features[:, 0].astype(float)
    surprise, innovation = [], []
    for page in slates(1):
        users = [User(start, sensitivity=0.5, choc=(5.0, 1.5), kale=(4.0, 0.5)) for start in exposures(world)]
        engaged = kernel.step(page).engagement
        for user, item, seconds in zip(users, page[:, 0], engaged, strict=True):
            mean, deviation = user.log_engagement(score[item])
            surprise.append((math.log(seconds) - mean) / deviation)
            user.consume(score[item])
        innovation.extend(exposures(world) - [user.exposure for user in users])
    count = len(surprise)
    # Standard normal, within four standard errors, and 0.05 normal; neither tells anything about the other.
    assert abs(np.mean(surprise)) < 4 / math.sqrt(count)
    assert abs(np.std(surprise) - 1) < 4 / math.sqrt(2 * count)
    assert abs(np.mean(np.abs(surprise) < 1) - 0.6827) < 4 * math.sqrt(0.6827 * 0.3173 / count)
    assert abs(np.mean(innovation)) < 4 * 0.05 / math.sqrt(count)
    assert abs(np.std(innovation) - 0.05) < 4 * 0.05 / math.sqrt(2 * count)
    assert abs(np.corrcoef(surprise, innovation)[0, 1]) < 4 / math.sqrt(count)


def test_ranking_by_log_odds_is_ranking_by_what_is_expected_now(make_world, browse):
    world = make_world("recsim-lts", sensitivity=0.5, choc_stddev=0.2, kale_stddev=1.8)
    kernel = browse(world, 5, slots=1)
    score = world.catalog.features[:, 0].astype(float)
    every = np.tile(np.arange(100), (5, 1))
    users = [User(start, sensitivity=0.5, choc=(5.0, 0.2), kale=(4.0, 1.8)) for start in exposures(world)]
    expected = [[mean + deviation**2 / 2 for mean, deviation in map(user.log_engagement, score)] for user in users]
    appeal = world.users.appeal(np.arange(5))
    np.testing.assert_allclose(appeal - 30, expected, atol=1e-5)
    assert np.array_equal(world.users.decide(kernel.pages(every)).click_log_odds, appeal)


def test_the_same_page_drawn_with_other_dice_moves_users_otherwise(make_world, browse):
    def after(seed):
        world = make_world("recsim-lts")
        browse(world, 20, slots=1, seed=seed).step(np.zeros((20, 1), np.int64))
        return exposures(world)

    assert np.array_equal(after(1), after(1))
    assert (after(1) != after(2)).all()


@pytest.mark.parametrize(
    "setting", [{"memory_discount": 1.0}, {"sensitivity": -0.1}, {"choc_mean": "much"}, {"kale_stddev": 9}]
)
def test_parameters_out_of_range_are_refused(make_world, setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))!r}: got .*, expected a number from 0 to"):
        make_world("recsim-lts", **setting)


def test_items_without_a_clickbait_score_are_refused(make_world):
    with pytest.raises(ConfigError, match="expected one, the clickbait score from 0 to 1; take the data recsim-lts"):
        long_term_world("recsim-interest-evolution", seed=1)


def test_documents_are_spread_evenly_over_clickbait():
    data = open_dataset("recsim-lts")
    score = data.catalog.features[:, 0]
    assert (len(score), data.catalog.genre_names) == (100, ("choc", "kale"))
    assert np.array_equal(data.catalog.genres[:, 0], score > 0.5)
    assert abs(np.sort(score) - (np.arange(100) + 0.5) / 100).max() < 1.63 / 10
