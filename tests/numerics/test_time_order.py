"""What is last of each user's events."""

from __future__ import annotations

import numpy as np

from recsim_llm.numerics.time_order import event_age, last_share


def test_age_is_zero_for_last_row_among_ties():
    assert event_age(np.array([0, 1, 0, 0]), np.array([5, 1, 5, 9])).tolist() == [2, 0, 1, 0]


def test_last_share_marks_at_least_one_each():
    assert last_share(np.array([0, 1, 1]), np.zeros(3)).tolist() == [True, False, True]
