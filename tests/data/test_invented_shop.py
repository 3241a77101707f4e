"""The invented shop: tables as a shop has them, and the data set that they are read as."""

import csv

import numpy as np
import pytest

from recsim_llm.data import open_dataset
from recsim_llm.data.invented_shop import COLUMNS, load, make_tables, write_tables
from recsim_llm.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tables(folder, 60, seed=3)
    return folder


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_seed_makes_the_same_tables_and_another_seed_others():
    assert make_tables(20, seed=3) == make_tables(20, seed=3)
    assert make_tables(20, seed=3)[0] != make_tables(20, seed=4)[0]


def test_the_folder_is_read_as_the_data_set_of_its_name(folder):
    by_hand, own = open_dataset(folder, columns=COLUMNS, feedback="implicit"), load(60, seed=3)
    assert by_hand.fingerprint == own.fingerprint
    assert dict(by_hand.user_keys) == dict(own.user_keys)
    assert (own.name, own.feedback) == ("shop", "implicit")


def test_ids_are_the_shops_own(folder):
    shop = load(60, seed=3)
    assert shop.catalog.item_key.tolist() == [row["sku"] for row in read(folder / "items.csv")]
    assert set(shop.user_keys.values()) == {row["customer"] for row in read(folder / "interactions.csv")}
    assert shop.user_keys[int(shop.ratings.users[6])] == "C0007"


def test_what_is_bought_again_counts_more(folder):
    rows, ratings = read(folder / "interactions.csv"), load(60, seed=3).ratings
    assert len({(row["customer"], row["sku"]) for row in rows}) == len(ratings) < len(rows)
    assert int(ratings.count.sum()) == len(rows)
    supplies = {"Coffee", "Tea", "Soap", "Candles", "Seeds", "Paper", "Batteries", "Dog biscuits"}
    kind = {row["sku"]: row["category"].split("|")[1] for row in read(folder / "items.csv")}
    place = {key: number for number, key in enumerate(load(60, seed=3).catalog.item_key)}
    again = ratings.count > 1
    supply = np.array([kind[key] in supplies for key in place])[load(60, seed=3).catalog.index_of(ratings.item_id)]
    assert again[supply].mean() > 3 * again[~supply].mean() > 0


def test_a_shops_name_takes_no_options_and_a_folder_of_that_name_comes_first(folder, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="got feedback for 'shop', whose layout is fixed"):
        open_dataset("shop", feedback="implicit")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "interactions.csv").write_text("user_id,item_id,rating\na,b,3\na,c,4\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert len(open_dataset("shop").ratings) == 2
