"""What recommenders behind HTTP are told where users do more than click, and nothing more where they do not."""

from typing import get_args

import numpy as np
import pytest
from small_data import make_catalog, make_ratings

from recsim_llm.core.pages import ACTIONS, Requests
from recsim_llm.recommenders.http_bodies import WireIds, fit_body, page_requests
from recsim_llm.recommenders.http_schema import Action, FitBody, PageRequest

ROWS = np.array([0, 1])


def ids(**changes):
    from dataclasses import replace

    return WireIds(replace(make_catalog(8), **changes), make_ratings([1], [1]), {})


def requests(**told):
    shown = np.array([[3, 5, -1], [2, -1, -1]])
    columns = (np.array([7, 8]), np.array([0, 0]), np.array([1, 1]), shown, shown == 5, np.full((2, 3), np.nan, np.float32))
    return Requests(*columns, **told)


def test_the_actions_that_travel_are_those_that_there_are():
    assert get_args(Action) == ACTIONS


def test_without_actions_a_request_is_what_it_was():
    plain = page_requests(ids(), requests(), ROWS)
    assert [set(one) for one in plain] == [{"user_id", "user_key", "visit", "page", "history", "rated", "profile"}] * 2
    assert [set(one["history"]) for one in plain] == [{"item_id", "clicked", "rating"}] * 2


def test_what_users_did_and_asked_for_travels_by_name():
    bits = np.array([[0b00010, 0b10100, 0], [0, 0, 0]], np.uint8)
    told = page_requests(ids(), requests(history_actions=bits, only_genre=np.array([-1, 0])), ROWS)
    assert told[0]["history"]["actions"] == [["less_like_this"], ["save", "purchase"]]
    assert told[1]["history"]["actions"] == [[]]
    assert "only_genre" not in told[0]
    assert told[1]["only_genre"] == ids().catalog.genre_names[0]
    for one in told:
        PageRequest.model_validate(one)


@pytest.mark.parametrize("price", [None, np.arange(8) + 0.5])
def test_prices_travel_where_items_have_some(price):
    body = fit_body(ids(price=price), make_ratings([1], [1]), 3)
    assert body["catalog"].get("price") == (None if price is None else price.tolist())
    assert ("price" in body["catalog"]) == (price is not None)
    FitBody.model_validate({"schema_version": 1, **body})
