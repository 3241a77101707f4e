"""Sets of whole numbers as sorted columns."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.numerics.sorted_keys import distinct, find


@pytest.mark.parametrize("keys", [[], [3], [5, 1, 5, 5, 2, 1]])
def test_each_key_is_kept_once_in_order(keys):
    assert distinct(np.array(keys, np.int64)).tolist() == sorted(set(keys))


def test_keys_are_found_where_they_stand():
    found = find(np.array([2, 5, 9]), np.array([[9, 3], [2, 10]]))
    assert found.tolist() == [[2, -1], [0, -1]]


def test_nothing_is_found_among_no_keys():
    assert find(np.zeros(0, np.int64), np.array([1, 2])).tolist() == [-1, -1]
