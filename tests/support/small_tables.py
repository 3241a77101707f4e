"""Small data sets as a shop or a club would bring them: tables of any size from one user and one item on."""

import random
from pathlib import Path
from typing import NamedTuple

SIZES = (1, 1, 1, 2, 2, 3, 4, 5, 7, 10, 15, 20, 40, 80, 200)
SHAPES = ("random", "two each", "one each", "one item", "dense", "one busy user")
LEVELS = ((1, 2, 3, 4, 5), (3,), (1, 5), (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5), (5,), (4, 5))
GENRES = (("Drama",), ("Drama", "War"), ("A|B", "B|C", "A"), ("",))


class SmallTable(NamedTuple):
    """What a data set is like."""

    users: int
    items: int
    shape: str = "random"
    levels: tuple = LEVELS[0]
    genres: tuple = GENRES[1]
    same_time: bool = False


def draw_table(seed: int) -> SmallTable:
    draw = random.Random(seed)
    users, items, shape, levels, genres = (draw.choice(part) for part in (SIZES, SIZES, SHAPES, LEVELS, GENRES))
    return SmallTable(users, items, shape, levels, genres, draw.random() < 0.3)


def write_small_table(folder: Path, table: SmallTable, seed: int = 1) -> Path:
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    items = [f"{item},Thing {item},{draw.choice(table.genres)},{1950 + item}" for item in range(1, table.items + 1)]
    rows = []
    for user in range(1, table.users + 1):
        busy = table.shape == "dense" or (table.shape == "one busy user" and user == 1)
        count = table.items if busy else {"two each": 2, "random": draw.randint(1, table.items)}.get(table.shape, 1)
        picked = [1] if table.shape == "one item" else draw.sample(range(1, table.items + 1), min(count, table.items, 40))
        for place, item in enumerate(picked):
            time = 1_000_000 if table.same_time else 1_000_000 + user * 100 + place
            rows.append(f"{user},{item},{draw.choice(table.levels)},{time}")
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres,year", *items, ""]))
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *rows, ""]))
    return folder
