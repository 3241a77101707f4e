"""An invented shop: 200 products and the purchases of 400 users over a year, as the two tables that a shop has.

Ids are texts (``C0007``, ``SKU-KIT-03``), nobody gives stars, and users buy what runs out again. The tables are written as
files and read like anyone's. All symbols are dimensionless unless a unit is given.

Truth, per user c and product i of category k(i) with price p_i (euros):
  taste      t_ck = N + 1.4 [k is one of 2 favourites]
  thrift     s_c = exp(0.4 N)
  demand     d_i = 0.9 N, intrinsic
  price      ln p_i = ln(usual price of the noun) + 0.35 N
Orders: n_c = clip(lognormal(ln 7, 0.7), 2, 40) orders, uniform over the year, each of 1 + Poisson(1.1) different products,
  drawn without replacement (Plackett-Luce, by Gumbel noise) from
  v_ci = d_i + 1.5 t_c,k(i) - 0.6 s_c ln(p_i / 20) + r_i,  r_i = 1.5 for a supply (coffee, soap, ...) bought before, -2 for
  another product bought before, 0 otherwise
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.files import write_atomically
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.tables import load_tables

__all__ = ["COLUMNS", "SEED", "load", "make_tables", "write_tables"]

SEED = 11
"""Seed of the shipped shop: part of what it is."""
COLUMNS = {
    "user_id": "customer",
    "item_id": "sku",
    "timestamp": "bought",
    "title": "name",
    "genres": "category",
    "provider": "brand",
}
"""This package's column names to the shop's."""

_LICENCE = "Invented data, part of recsim_llm; free under the package's MIT licence."
_START = np.datetime64("2025-01-01T00:00:00")
_YEAR_S = 365 * 86_400
_BRANDS = ("Alder & Ash", "Brixen", "Corvo", "Dunmore", "Elmwick", "Fjelda", "Gros Pin", "Halden")
_STYLES = ("plain", "blue", "large", "travel")
_SUPPLIES = ("coffee", "tea", "soap", "candles", "seeds", "paper", "batteries", "dog biscuits")
_CATEGORIES: dict[str, tuple[str, dict[str, float]]] = {
    "Kitchen": ("KIT", {"mug": 9, "bread knife": 24, "frying pan": 38, "chopping board": 19, "kettle": 45}),
    "Pantry": ("PAN", {"coffee": 8, "tea": 6, "storage jar": 11, "olive oil can": 15, "spice rack": 29}),
    "Bath": ("BAT", {"soap": 5, "towel": 17, "bath mat": 22, "mirror": 40, "laundry basket": 33}),
    "Bedroom": ("BED", {"pillow": 28, "blanket": 49, "alarm clock": 21, "candles": 7, "bed linen": 59}),
    "Garden": ("GAR", {"seeds": 4, "watering can": 18, "hand trowel": 12, "lantern": 26, "deck chair": 65}),
    "Office": ("OFF", {"paper": 6, "notebook": 9, "desk lamp": 42, "pen holder": 10, "file box": 14}),
    "Lighting": ("LIG", {"batteries": 7, "floor lamp": 89, "torch": 16, "light chain": 13, "lamp shade": 27}),
    "Outdoor": ("OUT", {"flask": 19, "rucksack": 69, "rain cape": 35, "camping stove": 54, "picnic rug": 30}),
    "Toys": ("TOY", {"wooden train": 32, "jigsaw": 15, "kite": 18, "building blocks": 27, "card game": 11}),
    "Pets": ("PET", {"dog biscuits": 9, "lead": 14, "cat tree": 75, "food bowl": 8, "bird feeder": 20}),
}


class _Products(NamedTuple):
    rows: list[tuple[str, ...]]
    category: np.ndarray[tuple[int], np.dtype[np.int64]]
    price: DoubleArray
    supply: BoolArray


@cache
def load(users: int = 400, *, seed: int = SEED) -> Dataset:
    """Return the shop as its files are read: implicit data with the shop's own ids.

    Args:
        users: how many buy.
        seed: of everything random.
    """
    with TemporaryDirectory() as folder:
        purchases, products = write_tables(Path(folder), users, seed=seed)
        dataset = load_tables(purchases, products, name="shop", columns=COLUMNS, feedback="implicit")
    return replace(dataset, licence=_LICENCE)


def make_tables(users: int = 400, *, seed: int = SEED) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the purchases and the products, header first, all fields as texts.

    Purchases are in the order of time, times are ISO 8601 in UTC, prices are euros; ``COLUMNS`` says which column is which.

    Args:
        users: how many buy.
        seed: of everything random.
    """
    random = np.random.default_rng(seed)
    products = _draw_products(random)
    demand = 0.9 * random.standard_normal(len(products.rows))
    bought: list[tuple[int, int, int]] = []
    for customer in range(users):
        taste = random.standard_normal(len(_CATEGORIES))
        taste[random.permutation(len(_CATEGORIES))[:2]] += 1.4
        thrift = np.exp(0.4 * random.standard_normal())
        value = demand + 1.5 * taste[products.category] - 0.6 * thrift * np.log(products.price / 20)
        bought += [(second, customer, item) for second, item in _orders(random, value, products.supply)]
    sold = [
        (f"C{customer + 1:04d}", products.rows[item][0], str(_START + np.timedelta64(second, "s")), products.rows[item][4])
        for second, customer, item in sorted(bought)
    ]
    return (
        [("customer", "sku", "bought", "price"), *sold],
        [("sku", "name", "category", "brand", "price", "description"), *products.rows],
    )


def write_tables(folder: Path, users: int = 400, *, seed: int = SEED) -> tuple[Path, Path]:
    """Write ``interactions.csv`` and ``items.csv`` into a folder that is there, and return their paths."""
    purchases, products = make_tables(users, seed=seed)
    return _write(folder / "interactions.csv", purchases), _write(folder / "items.csv", products)


def _draw_products(random: np.random.Generator) -> _Products:
    rows: list[tuple[str, ...]] = []
    category, price, supply = [], [], []
    for number, (name, (code, nouns)) in enumerate(_CATEGORIES.items()):
        kinds = [(noun, usual, style) for noun, usual in nouns.items() for style in _STYLES]
        for place, (noun, usual, style) in enumerate(kinds, start=1):
            euros = round(usual * float(np.exp(0.35 * random.standard_normal())), 2)
            brand = _BRANDS[int(random.integers(len(_BRANDS)))]
            title = f"{style.capitalize()} {noun}"
            about = f"{title} by {brand}, {euros:.2f} euros."
            rows.append((f"SKU-{code}-{place:02d}", title, f"{name}|{noun.capitalize()}", brand, f"{euros:.2f}", about))
            category.append(number)
            price.append(euros)
            supply.append(noun in _SUPPLIES)
    return _Products(rows, np.array(category, np.int64), np.array(price), np.array(supply, np.bool_))


def _orders(random: np.random.Generator, value: DoubleArray, supply: BoolArray) -> list[tuple[int, int]]:
    """Return when, in seconds of the year, a user buys which products, in the order of time."""
    count = int(np.clip(np.rint(np.exp(np.log(7) + 0.7 * random.standard_normal())), 2, 40))
    again = np.zeros(len(value))
    found = []
    for second in np.sort(random.integers(0, _YEAR_S, count)).tolist():
        size = 1 + int(random.poisson(1.1))
        for item in np.argsort(-(value + again + random.gumbel(size=len(value))), kind="stable")[:size].tolist():
            found.append((second, item))
            again[item] = 1.5 if supply[item] else -2.0
    return found


def _write(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue().encode())
    return path
