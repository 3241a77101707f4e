"""Pages and their slots, laid out side by side."""

import numpy as np
import pytest

from recsim_llm.errors import LogError
from recsim_llm.log.columns import lay_out_pages

PAGES = {"user_id": np.array([8, 7, 7]), "page": np.array([0, 1, 0]), "reward": np.array([0.8, 0.71, 0.7])}
SLOTS = {
    "user_id": np.array([7, 7, 8, 7, 8, 7]),
    "page": np.array([0, 0, 0, 1, 0, 1]),
    "position": np.array([1, 0, 1, 0, 0, 1]),
    "item_id": np.array([701, 700, 801, 710, 800, 711]),
}


def laid_out(slots=SLOTS, slate_size=2):
    return lay_out_pages(PAGES, slots, key=("user_id", "page"), slate_size=slate_size, what="run")


def test_pages_are_sorted_by_key_and_slots_by_position():
    pages, slots = laid_out()
    assert pages["reward"].tolist() == [0.7, 0.71, 0.8]
    assert {name: column.tolist() for name, column in slots.items()} == {"item_id": [[700, 701], [710, 711], [800, 801]]}


@pytest.mark.parametrize(
    "change",
    [
        {"position": np.array([1, 0, 1, 0, 0, 0])},
        {"page": np.array([0, 0, 0, 1, 0, 2])},
        {"user_id": np.array([7, 7, 9, 7, 9, 7])},
    ],
    ids=["a position twice", "a page of its own", "another user"],
)
def test_slots_that_do_not_fit_the_pages_are_refused(change):
    with pytest.raises(LogError, match="run: got 6 impressions of 3 pages that do not fit, expected 2 a page"):
        laid_out(SLOTS | change)


def test_another_number_of_slots_is_refused():
    with pytest.raises(LogError, match="expected 3 a page"):
        laid_out(slate_size=3)
