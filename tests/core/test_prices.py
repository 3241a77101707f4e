"""Prices of a catalog: numbers above 0, or none at all."""

import numpy as np
import pytest

from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import DataError


def priced(price):
    return Catalog.from_columns(item_id=[1, 2], title=["a", "b"], genres=[[], []], price=price)


@pytest.mark.parametrize("price", [[1.0, 0.0], [1.0, -2.0], [1.0, float("nan")], [1.0, float("inf")], [1.0]])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(DataError, match="catalog, price"):
        priced(price)


def test_catalogs_of_other_prices_differ_and_those_without_are_what_they_were():
    prints = [priced(price).fingerprint for price in (None, [1.0, 2.0], [1.0, 3.0])]
    assert len(set(prints)) == 3
    assert priced(None).price is None
    assert np.asarray(priced([1.0, 2.5]).with_popularity([3.0, 4.0]).price).tolist() == [1.0, 2.5]
