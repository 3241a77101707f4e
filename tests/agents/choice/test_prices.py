"""Choice users who weigh prices: by how much, within which bounds, and what is written down of users who do not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.parameter_sources import parameter_sources
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages
from recsim_llm.errors import ConfigError

PRICE = np.array([1.0, 2.0, 4.0, 4.0, 8.0, 40.0])
ITEMS, ROWS = 6, 5


def users_of(catalog, population, model, costs=None, **settings):
    items = catalog() if costs is None else replace(catalog(), price=costs)
    users = ChoiceUsers(items, population(), model(**settings))
    users.allocate(ROWS, ITEMS)
    users.begin(ALL_ROWS, np.arange(ROWS), returning=False)
    return users


def everything():
    zeros = np.zeros(ROWS, np.int64)
    return Pages(ALL_ROWS, np.arange(ROWS), zeros, zeros, np.tile(np.arange(ITEMS), (ROWS, 1)))


def test_what_costs_more_than_the_median_item_is_clicked_less(catalog, population, model):
    plain, priced = (users_of(catalog, population, model, PRICE, price=weight) for weight in (0.0, 2.0))
    added = priced.decide(everything()).click_log_odds - plain.decide(everything()).click_log_odds
    assert added == pytest.approx(np.tile(-2.0 * np.log(PRICE / 4.0), (ROWS, 1)), abs=1e-5)
    assert priced.appeal(ALL_ROWS) - plain.appeal(ALL_ROWS) == pytest.approx(added, abs=1e-5)


def test_the_unit_of_prices_does_not_matter(catalog, population, model):
    one, other = (users_of(catalog, population, model, price, price=1.0) for price in (PRICE, 100 * PRICE))
    assert one.appeal(ALL_ROWS) == pytest.approx(other.appeal(ALL_ROWS), abs=1e-5)


def test_prices_that_nobody_weighs_change_no_bit(catalog, population, model):
    plain, priced = (users_of(catalog, population, model, price) for price in (None, PRICE))
    assert plain.decide(everything()).click_log_odds.tobytes() == priced.decide(everything()).click_log_odds.tobytes()
    assert plain.bounds() == priced.bounds()


def test_bounds_are_as_wide_as_prices_go(catalog, population, model):
    plain, priced = (users_of(catalog, population, model, PRICE, price=weight) for weight in (0.0, 2.0))
    low, high = plain.bounds().click_log_odds
    assert priced.bounds().click_log_odds == pytest.approx((low - 2 * np.log(10.0), high + 2 * np.log(4.0)), abs=1e-4)


def test_a_price_that_is_weighed_where_there_is_none_is_refused(catalog, population, model):
    with pytest.raises(ConfigError, match=r"choice parameter 'price': got 1 with a catalog without prices"):
        users_of(catalog, population, model, price=1.0)


def test_users_who_weigh_no_price_are_written_down_as_before_there_were_prices(catalog, population, model, tmp_path):
    for weight, there in ((0.0, False), (1.5, True)):
        made = model(price=weight)
        made.save(tmp_path / "model.npz")
        with np.load(tmp_path / "model.npz") as file:
            assert ("price" in json.loads(str(file["header"]))["parameters"]) == there
        assert type(made).load(tmp_path / "model.npz").parameters.price == weight
        assert ("price" in parameter_sources(made, made.parameters)) == there
