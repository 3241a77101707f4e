"""Fits of a handful of ratings: users who can click, and say how little they know."""

import numpy as np
import pytest
from small_tables import SmallTable, write_small_table

from recsim_llm.agents.choice.choice_fit import fit_choice, with_click_rate
from recsim_llm.agents.choice.little_known import little_known
from recsim_llm.core.pages import probability
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError


def data_of(folder, *table, **more):
    return open_dataset(str(write_small_table(folder / "data", SmallTable(*table, **more))), rating_scale=(1, 5))


@pytest.fixture(scope="module")
def two_each(tmp_path_factory):
    data = data_of(tmp_path_factory.mktemp("two each"), 20, 60, "two each", genres=("Drama", "War"))
    return data, fit_choice(data)


def click_rate(fitted):
    log_odds = fitted.population.vectors["click"].astype(float) @ fitted.model.click_items.T.astype(float)
    return probability(log_odds + fitted.model.click_bias).mean(), np.abs(log_odds).max()


def test_users_of_two_ratings_click_at_the_rate_they_were_given(two_each):
    rate, farthest = click_rate(two_each[1])
    assert rate == pytest.approx(0.02, rel=0.1)
    assert farthest < 30


def test_where_evidence_runs_away_every_user_clicks_alike(tmp_path):
    data = data_of(tmp_path, 2, 2, "dense", genres=("",))
    fitted = fit_choice(data)
    assert not fitted.model.click_items[:, 1:].any()
    assert click_rate(fitted)[0] == pytest.approx(0.02, rel=1e-3)
    assert any("every user clicks every item alike" in note for note in little_known(data, fitted.model))


def test_a_click_rate_that_the_users_cannot_have_is_refused_with_those_that_they_can(two_each):
    with pytest.raises(ConfigError, match=r"click rate: got 1, expected a number between .* and .*; give one"):
        with_click_rate(two_each[1], 1.0)


def test_the_rate_asked_for_in_the_fit_is_that_asked_for_afterwards(two_each):
    data, fitted = two_each
    assert fit_choice(data, click_rate=0.05).model.click_bias == with_click_rate(fitted, 0.05).model.click_bias


def test_data_of_common_size_leave_nothing_to_say():
    assert little_known(open_dataset("fictional"), None) == ()


def test_equal_stars_are_told(tmp_path):
    told = little_known(data_of(tmp_path, 3, 40, "dense", levels=(4,)), None)
    assert told == ("every rating is 4 stars, and so is every simulated one",)
