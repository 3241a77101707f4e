"""Noise in clicks and ratings: exact in the probabilities, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.agents.noise import NoiseParameters, NoisyRankingUsers, NoisyUsers, with_noise
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import Decisions, Pages, probability
from recsim_llm.core.protocols import AnswersLater, RanksItems
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.testing import check_user_model

SLOTS = 5


class Says:
    """A user model that says what it is told to say."""

    levels = np.array([1, 2], np.float32)
    provenance = {"model": "says"}  # noqa: RUF012

    def __init__(self, log_odds):
        self.log_odds = np.atleast_2d(np.asarray(log_odds, np.float32))

    def allocate(self, rows, slate_size):
        self.updates = []

    def decide(self, pages):
        return Decisions(self.log_odds)


class Slow(Says):
    """Answers later, row 3 first."""

    def start(self, pages):
        self.started = pages

    def collect(self):
        return np.array([3])


def pages_of(world, page=0):
    who = np.arange(len(world.population))
    items = (3 * who[:, None] + 11 * page + np.arange(SLOTS)) % len(world.catalog)
    return Pages(ALL_ROWS, who, np.zeros_like(who), np.full_like(who, page), items)


def noisy(users, count=40, seed=3, **settings):
    return NoisyUsers(users, user_id=np.arange(count) * 3, parameters=NoiseParameters(**settings), seed=seed)


def clicks(world, count=6, **settings):
    """Serve pages as the kernel does; return the feedback of each."""
    users = with_noise(world, settings, 3).users
    who = np.arange(len(world.population))
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=len(who), slate_size=SLOTS, max_pages=count)
    kernel.begin(ALL_ROWS, who, np.zeros_like(who), kernel.dice(who, np.zeros_like(who), seed_words([5])))
    return [kernel.step(pages_of(world, page).item_index) for page in range(count)]


def test_the_contract_of_user_models_is_kept(world):
    world = with_noise(world, {"random_clicks": 0.1, "missed_clicks": 0.2}, 3)
    check_user_model(world.users, world.catalog, world.population)


@given(
    chance=st.floats(1e-6, 1 - 1e-6), random_clicks=st.floats(0, 1, exclude_max=True), missed=st.floats(0, 1, exclude_max=True)
)
def test_click_probabilities_are_mixed_exactly(chance, random_clicks, missed):
    users = noisy(Says(np.log(chance / (1 - chance))), random_clicks=random_clicks, missed_clicks=missed)
    got = probability(users.decide(None).click_log_odds).item()
    assert got == pytest.approx(random_clicks + (1 - random_clicks) * (1 - missed) * chance, abs=1e-6)


def test_no_noise_changes_no_bit():
    log_odds = np.array([[-3.3, 0.1, 50.0]], np.float32)
    assert np.array_equal(noisy(Says(log_odds)).decide(None).click_log_odds, log_odds)


@pytest.mark.parametrize("settings", [{"random_clicks": 0.3}, {"missed_clicks": 0.3}])
def test_extreme_log_odds_stay_finite(settings):
    users = noisy(Says([-3e38, -200, 0, 200, 3e38]), **settings)
    log_odds = users.decide(None).click_log_odds
    assert np.isfinite(log_odds).all()
    assert (np.diff(log_odds) >= 0).all()


def test_more_random_clicks_are_drawn_and_fewer_where_clicks_get_lost(make_world):
    quiet, wild, dull = (
        sum(int(step.clicked.sum()) for step in clicks(make_world(), **settings))
        for settings in ({}, {"random_clicks": 0.2}, {"missed_clicks": 0.5})
    )
    assert dull < 0.7 * quiet < 0.7 * wild


def test_clicks_happen_as_often_as_the_noisy_probabilities_say(world):
    steps = clicks(world, random_clicks=0.1, missed_clicks=0.3)
    examine = world.users.examination(np.arange(len(world.population)))
    chance = np.concatenate([examine * probability(step.decisions.click_log_odds) for step in steps]).astype(float)
    drawn = sum(int(step.clicked.sum()) for step in steps)
    assert abs(drawn - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())


def test_everything_but_clicks_is_the_models_own(world):
    users = with_noise(world, {"random_clicks": 0.1}, 3).users
    users.allocate(40, SLOTS)
    users.begin(ALL_ROWS, np.arange(40), False)
    pages, slot, row = pages_of(world), np.array([0, 7]), np.array([0, 1])
    users.decide(pages)
    assert np.array_equal(users.levels, world.users.levels)
    assert np.array_equal(users.examination(pages.user_index), world.users.examination(pages.user_index))
    assert np.array_equal(users.rating_log_odds(pages, slot, row), world.users.rating_log_odds(pages, slot, row))
    stars = np.array([4, 2], np.float32)
    assert np.array_equal(users.watch_log_odds(stars, row), world.users.watch_log_odds(stars, row))
    users.update(pages, slot, row, stars)
    assert np.array_equal(users.return_log_odds(ALL_ROWS), world.users.return_log_odds(ALL_ROWS))
    assert noisy(Says(0)).provenance == {"model": "says"}


def test_an_oracle_sees_the_noisy_log_odds(world):
    users = with_noise(world, {"random_clicks": 0.1}, 3).users
    users.allocate(40, SLOTS)
    users.begin(ALL_ROWS, np.arange(40), False)
    pages = pages_of(world)
    appeal = np.take_along_axis(users.appeal(ALL_ROWS), pages.item_index, axis=1)
    assert isinstance(users, NoisyRankingUsers)
    np.testing.assert_allclose(appeal, users.decide(pages).click_log_odds, rtol=1e-4)


def test_a_model_without_appeal_gets_none(world):
    other = world._replace(users=Says(0))
    assert not isinstance(with_noise(other, {"random_clicks": 0.1}, 3).users, RanksItems)


def test_pages_of_a_model_that_answers_at_once_are_ready_at_once(world):
    users = with_noise(world, {}, 3).users
    users.allocate(40, SLOTS)
    users.start(pages_of(world)._replace(rows=np.array([7, 2])))
    assert users.collect().tolist() == [2, 7]
    with pytest.raises(ContractError, match="expected start"):
        users.collect()


def test_a_model_that_answers_later_is_waited_for():
    users = noisy(Slow(0))
    assert isinstance(users, AnswersLater)
    users.start("pages")
    assert users.users.started == "pages"
    assert users.collect().tolist() == [3]


def test_ratings_that_are_kept_back_change_nothing_else(make_world):
    whole, part = (clicks(make_world(), **settings) for settings in ({}, {"missing_ratings": 0.4}))
    given, had = (np.concatenate([step.ratings() for step in steps]) for steps in (part, whole))
    assert np.array_equal(given[~np.isnan(given)], had[~np.isnan(given)])
    assert 0.3 < np.isnan(given[~np.isnan(had)]).mean() < 0.5
    for one, other in zip(whole, part, strict=True):
        assert np.array_equal(one.watched, other.watched)
        assert np.array_equal(one.mood.leave_log_odds, other.mood.leave_log_odds)


def rated(slot, *, share=0.3, seed=3, page=0):
    """Return which of the slots the users of a batch of pages rate."""
    users = noisy(Says(0), seed=seed)
    users.parameters = NoiseParameters(missing_ratings=share)
    count = 40
    who = np.arange(count)
    pages = Pages(ALL_ROWS, who, np.zeros_like(who), np.full_like(who, page), np.zeros((count, SLOTS), np.int64))
    slot = np.asarray(slot)
    return users.rated(pages, slot, slot // SLOTS)


def test_the_share_left_unrated_is_the_one_asked_for():
    given_up = np.mean([1 - rated(np.arange(200), page=page).mean() for page in range(25)])
    assert abs(given_up - 0.3) < 4 * np.sqrt(0.21 / 5000)


def test_what_is_left_unrated_hangs_on_the_slot_not_on_what_else_was_clicked():
    whole = rated(np.arange(200))
    assert np.array_equal(rated(np.arange(3, 200, 7)), whole[3::7])
    assert (rated(np.arange(200), seed=4) != whole).any()
    assert (rated(np.arange(200), page=1) != whole).any()


def test_all_or_no_ratings_may_be_missing():
    assert rated(np.arange(200), share=0.0).all()
    assert not rated(np.arange(200), share=1.0).any()


@pytest.mark.parametrize(
    "settings", [{"random_clicks": 1}, {"missed_clicks": -0.1}, {"missing_ratings": 1.1}, {"random_clicks": True}]
)
def test_shares_out_of_range_are_refused(world, settings):
    with pytest.raises(ConfigError, match="expected a number from 0 to"):
        with_noise(world, settings, 3)


def test_an_unknown_setting_is_refused(world):
    with pytest.raises(ConfigError, match="got 'clicks', expected one of random_clicks, missed_clicks, missing_ratings"):
        with_noise(world, {"clicks": 0.1}, 3)


def test_settings_must_be_a_mapping(world):
    with pytest.raises(ConfigError, match=r"noise: got 0\.1, expected settings"):
        with_noise(world, 0.1, 3)


def test_bounds_are_those_underneath_with_the_noise_in_their_clicks(make_world):
    world = make_world(click_bias=2.0)
    calm = world.users.bounds()
    users = with_noise(world, {"random_clicks": 0.1, "missed_clicks": 0.2}, 3).users
    bounds = users.bounds()
    assert bounds._replace(click_log_odds=calm.click_log_odds) == calm
    assert bounds.click_log_odds.probability == pytest.approx(
        [0.1 + 0.9 * 0.8 * chance for chance in calm.click_log_odds.probability], abs=1e-5
    )
    who = np.arange(len(world.population))
    users.allocate(len(who), SLOTS)
    users.begin(ALL_ROWS, who, False)
    appeal = users.appeal(ALL_ROWS)
    assert bounds.click_log_odds.holds(appeal.min(), appeal.max())


def test_noise_over_a_model_that_declares_nothing_bounds_clicks_all_the_same():
    bounds = noisy(Says([0.0]), random_clicks=0.1, missed_clicks=0.2).bounds()
    assert bounds.click_log_odds.probability == pytest.approx([0.1, 0.82], abs=1e-5)
    assert bounds.satisfaction == (-np.inf, np.inf)
