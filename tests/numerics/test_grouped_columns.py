"""Columns in which everything of one owner stands together."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.numerics.grouped_columns import take_runs


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_entries_come_run_by_run_as_often_as_asked(kind):
    at, entry = take_runs(np.array([0, 2, 2, 5], kind), np.array([2, 1, 0, 2]))
    assert at.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]
    assert entry.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]


def test_no_runs_have_no_entries():
    at, entry = take_runs(np.array([0, 2]), np.zeros(0, np.int64))
    assert at.tolist() == entry.tolist() == []
