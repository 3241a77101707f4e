"""The product-limit estimate against a worked example and against shares."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import DataError
from recsim_llm.statistics import estimate_survival


def test_the_leukaemia_patients_of_freireich_as_every_textbook_has_them():
    # Remission under 6-MP, weeks; Freireich et al. 1963, as in Kalbfleisch & Prentice: S(10) = .753, standard error .0963.
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    ended = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    found = estimate_survival(np.array(weeks), np.array(ended, np.bool_), 23)
    assert [round(found.waiting[week - 1].value, 3) for week in (6, 7, 10, 13, 16, 22, 23)] == [
        *(0.857, 0.807, 0.753, 0.69, 0.627, 0.538, 0.448)
    ]
    at = found.waiting[9]
    spread = 1.959964 * 0.0963 / (0.7529 * abs(math.log(0.7529)))
    assert at.low == pytest.approx(0.7529 ** math.exp(spread), abs=2e-3)
    assert at.high == pytest.approx(0.7529 ** math.exp(-spread), abs=2e-3)


@given(st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=40))
def test_without_anything_cut_off_before_the_end_it_is_the_share_that_has_not_ended(rows):
    event = np.array([ended for _, ended in rows])
    time = np.where(event, np.array([time for time, _ in rows]), 8)
    found = estimate_survival(time, event, 8)
    for turn, waiting in enumerate(found.waiting, 1):
        share = 1 - np.mean(event & (time <= turn))
        assert waiting.value == pytest.approx(share) if waiting.value is not None else share == 0.0


def test_an_interval_stays_within_nothing_and_everything():
    found = estimate_survival(np.array([1, 2, 2, 2, 2]), np.array([True, False, False, False, False]), 2)
    assert 0.0 < found.waiting[0].low < found.waiting[0].value < found.waiting[0].high < 1.0


def test_where_nobody_has_ended_there_is_no_interval():
    found = estimate_survival(np.array([2, 2]), np.zeros(2, np.bool_), 2)
    assert (found.waiting[0].value, found.waiting[0].low) == (1.0, None)


def test_columns_of_different_length_are_refused():
    with pytest.raises(DataError, match="got shape"):
        estimate_survival(np.array([1, 2]), np.array([True]), 3)
