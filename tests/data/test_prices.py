"""Prices in tables: read where they are named, refused by line where they are none."""

import numpy as np
import pytest

from recsim_llm.data import load_tables
from recsim_llm.errors import DataError

RATINGS = "user_id,item_id,rating\n1,10,4\n1,11,5\n2,11,3\n2,12,2\n"


def tables(folder, *prices):
    (folder / "interactions.csv").write_text(RATINGS)
    rows = [f"{item},film {item},{price}" for item, price in zip((10, 11, 12), prices, strict=True)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,cost", *rows]) + "\n")
    return folder / "interactions.csv", folder / "items.csv"


def test_prices_are_read_where_they_are_named(tmp_path):
    data = load_tables(*tables(tmp_path, "1.5", "20", "3e1"), columns={"price": "cost"})
    assert np.asarray(data.catalog.price).tolist() == [1.5, 20.0, 30.0]


def test_prices_that_nobody_names_stay_unread(tmp_path):
    plain = load_tables(*tables(tmp_path, "1.5", "cheap", ""))
    assert plain.catalog.price is None
    assert load_tables(*tables(tmp_path, "2", "3", "4")).fingerprint == plain.fingerprint


@pytest.mark.parametrize("price", ["cheap", "", "0", "-3", "nan"])
def test_what_is_no_price_is_refused_by_line(price, tmp_path):
    with pytest.raises(DataError, match=r"items.csv line 3: price: got .*, expected a number above 0"):
        load_tables(*tables(tmp_path, "1.5", price, "2"), columns={"price": "cost"})


def test_items_without_a_price_are_left_out_and_counted_where_bad_rows_may_be(tmp_path):
    data = load_tables(*tables(tmp_path, "1.5", "cheap", "2"), columns={"price": "cost"}, skip_bad_rows=True)
    assert data.catalog.item_id.tolist() == [10, 12]
    assert data.skipped["items.csv: bad price"] == 1


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="'euros'"):
        load_tables(*tables(tmp_path, "1", "2", "3"), columns={"price": "euros"})
