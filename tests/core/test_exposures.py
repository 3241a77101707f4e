"""Exposures: columns in any order become pages, and what cannot be a log is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import DataError


def _columns(**other: Any) -> dict[str, Any]:
    """Two sessions, three pages: the first session's second page has one slot."""
    return {
        "name": "log",
        "user_id": [7, 7, 7, 9, 9],
        "session": [0, 0, 0, 4, 4],
        "page": [0, 0, 1, 0, 0],
        "position": [0, 1, 0, 0, 1],
        "item_id": [30, 10, 10, 20, 30],
        "clicked": [0, 1, 0, 0, 1],
        **other,
    }


def test_rows_in_any_order_are_the_same_log() -> None:
    order = np.array([3, 1, 4, 0, 2])
    columns = _columns()
    shuffled = {name: np.asarray(values)[order] for name, values in columns.items() if name != "name"}
    assert Exposures(**columns).fingerprint == Exposures(name="other", **shuffled).fingerprint


def test_pages_say_whose_they_are_and_which_was_the_last() -> None:
    pages = Exposures(**_columns()).pages
    assert pages.user_id.tolist() == [7, 7, 9]
    assert pages.first.tolist() == [0, 2, 3]
    assert pages.last_of_session.tolist() == [False, True, True]


def test_slates_hold_places_in_items_and_blanks() -> None:
    log = Exposures(**_columns())
    slates = log.slates()
    assert log.items[slates.item_index[0]].tolist() == [30, 10]
    assert slates.item_index[1].tolist()[1] == -1
    assert slates.clicked.tolist() == [[False, True], [False, False], [False, True]]


def test_slates_are_cut_from_the_top() -> None:
    assert Exposures(**_columns()).slates(1).clicked.tolist() == [[False], [False], [False]]


def test_pages_without_order_are_no_slates() -> None:
    log = Exposures(**_columns(position=[-1] * 5))
    with pytest.raises(DataError, match="order says nothing"):
        log.slates()


def test_users_can_be_taken_apart() -> None:
    log = Exposures(**_columns(dwell=[np.nan, 3.0, np.nan, np.nan, 5.0]))
    part = log.of_users(np.array([9]))
    assert part.session.tolist() == [4, 4]
    assert part.dwell is not None
    assert part.dwell[1] == 5.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"user_id": [7, 7, 8, 9, 9]}, "two users"),
        ({"position": [0, 0, 0, 0, 1]}, "a position twice"),
        ({"position": [0, -1, 0, 0, 1]}, "positions on a part of a page"),
        ({"page": [0, 0, 2, 0, 0]}, "a page number left out"),
        ({"page": [0, 0, 1, 1, 1]}, "a page number left out"),
        ({"page": [1, 1, 2, 0, 0]}, "got page 1 of session 0 first"),
        ({"item_id": [10, 10, 10, 20, 30]}, "item 10 twice on page 0 of session 0"),
        ({"propensity": [0.5, 0.0, 0.5, 0.5, 0.5]}, "propensity"),
        ({"dwell": [-1.0, 1, 1, 1, 1]}, "dwell"),
        ({"clicked": [0, 2, 0, 0, 1]}, "True or False"),
        ({"layout": "spiral"}, "layout"),
        ({name: [] for name in ("user_id", "session", "page", "position", "item_id", "clicked")}, "no rows"),
    ],
)
def test_what_cannot_be_a_log_is_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        Exposures(**_columns(**other))
