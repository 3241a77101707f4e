"""The funnel: each step is a share of the one before."""

import pytest

from recsim_llm.errors import DataError
from recsim_llm.metrics.funnel import measure_funnel

COUNTS = {"shown": [40, 60, 0], "clicks": [10, 30, 0], "saves": [5, 5, 0], "purchases": [4, 8, 0], "saved_purchases": [3, 2, 0]}


def test_rates_by_hand():
    found = measure_funnel(**COUNTS)
    assert (found.shown, found.clicks, found.saves, found.purchases) == (100, 40, 10, 12)
    rates = (found.click_rate, found.save_rate, found.purchase_rate, found.saved_purchase_rate)
    assert [rate.value for rate in rates] == pytest.approx([0.4, 0.25, 0.3, 0.5])
    assert all(rate.low < rate.value < rate.high for rate in rates)
    assert found.purchases_per_user.value == 6


def test_nothing_clicked_leaves_the_later_steps_undefined():
    found = measure_funnel(**{name: [5, 5] if name == "shown" else [0, 0] for name in COUNTS})
    assert found.click_rate.value == 0
    assert found.purchase_rate.value is None


def test_more_purchases_than_clicks_are_refused():
    with pytest.raises(DataError, match="got 11 of 10 trials"):
        measure_funnel(**COUNTS | {"purchases": [11, 0, 0]})
