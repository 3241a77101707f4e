"""Runs whose items have prices: users may weigh them, an intervention moves them, and who is shown or asked is told."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pyarrow.parquet as pq
import pytest
from stopped_runs import check_stopped_run, log_bytes

from recsim_llm.cli.main import main
from recsim_llm.data.invented_shop import COLUMNS, write_tables
from recsim_llm.errors import ConfigError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import load_scenario, run
from tests.support import price_listeners

SALE = {"name": "sale", "at": "day 2", "until": "day 4", "change": {"price": {"items": {"genre": "Kitchen"}, "change": -0.5}}}
TIMED = {"clock": {"days": 5, "arrive_days": 1}, "interventions": [SALE]}
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres", "users.count": 6}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tables(folder)
    return folder


def shopping(shop, *, named=True, **changes):
    columns = COLUMNS | ({"price": "price"} if named else {})
    usual = {
        "data": str(shop),
        "feedback": "implicit",
        "columns": columns,
        "recommenders": ["popularity"],
        "slate_size": 5,
        "max_pages": 2,
        "users.count": 60,
        "seed": 4,
    }
    return load_scenario("shop", usual | changes)


def prompts(folder):
    """Return the parts of every prompt by user and visit."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        texts = dict(connection.execute("SELECT hash, text FROM parts"))
        calls = connection.execute("SELECT nonce, parts FROM calls").fetchall()
    return {
        (int(nonce.split()[1]), int(nonce.split()[2])): [texts[part] for part in json.loads(parts)] for nonce, parts in calls
    }


def content(folder):
    assert main(["report", str(folder), "--quiet"]) == 0
    return json.loads((folder / "metrics.json").read_text())


def test_prices_that_nobody_weighs_change_no_row_of_the_log(shop, tmp_path):
    folders = [run(shopping(shop, named=named), tmp_path / str(named)) for named in (False, True)]
    without, known = ({name: found for name, found in log_bytes(one).items() if "/" in name} for one in folders)
    assert without == known
    assert "prices" not in content(folders[0])
    assert "price" not in pq.read_schema(folders[0] / "items.parquet").names
    assert "Mean price" not in (folders[0] / "report.html").read_text()


def test_users_who_weigh_prices_take_what_costs_less(shop, tmp_path):
    costs = {}
    for weight in (0.0, 2.0):
        folder = run(shopping(shop, **{"users.parameters.price": weight, "users.count": 200}), tmp_path / f"{weight}")
        (arm,) = content(folder)["prices"]
        costs[weight] = arm["clicked"]
        assert "Mean price of what was clicked" in (folder / "report.html").read_text()
    assert costs[2.0]["high"] < costs[0.0]["low"]


def test_the_report_tells_the_means_that_the_log_holds(shop, tmp_path):
    folder = run(shopping(shop), tmp_path / "run")
    items = pq.read_table(folder / "items.parquet").to_pydict()
    price = dict(zip(items["item_id"], items["price"], strict=True))
    slots = pq.read_table(folder / "impressions").to_pylist()
    (arm,) = content(folder)["prices"]
    assert arm["shown"]["value"] == pytest.approx(np.mean([price[slot["item_id"]] for slot in slots]))
    assert arm["clicked"]["value"] == pytest.approx(np.mean([price[slot["item_id"]] for slot in slots if slot["clicked"]]))


def test_an_intervention_moves_the_price_that_recommenders_are_told(shop, tmp_path):
    price_listeners.TOLD.clear()
    arm = {"name": "cheapest", "recommender": "tests.support.price_listeners:Listener"}
    folder = run(shopping(shop, recommenders=[arm], **TIMED), tmp_path / "run")
    first, sale, after = price_listeners.TOLD
    items = pq.read_table(folder / "items.parquet").to_pydict()
    kitchen = np.array(["Kitchen" in genres for genres in items["genres"]])
    assert sale[kitchen] == pytest.approx(first[kitchen] / 2, rel=1e-6)
    assert np.array_equal(sale[~kitchen], first[~kitchen])
    assert np.array_equal(after, first)
    assert np.array_equal(np.array(items["price"], np.float32), first)


@pytest.mark.parametrize(("elasticity", "told"), [(1.0, 1), (0.0, 0)])
def test_language_users_whose_clicks_an_elasticity_moves_besides_are_told_of(shop, tmp_path, elasticity, told):
    price = SALE["change"]["price"] | {"elasticity": elasticity}
    moved = {"interventions": [SALE | {"change": {"price": price}}], "recommenders": ["random"], "users.count": 2}
    folder = run(shopping(shop, **(TIMED | LANGUAGE | moved)), tmp_path / "run")
    warnings = json.loads((folder / "manifest.json").read_text())["users_warnings"]
    assert len([line for line in warnings if "its elasticity 1 moves the odds of their clicks besides" in line]) == told


def test_language_users_see_the_price_of_the_day(shop, tmp_path):
    more = {"recommenders": ["random"], "users.count": 10, "users.parameters.return_base": 5.0}
    folder = run(shopping(shop, **(TIMED | LANGUAGE | more)), tmp_path / "run")
    items = pq.read_table(folder / "items.parquet").to_pydict()
    price = dict(zip(items["title"], items["price"], strict=True))
    kitchen = {title for title, genres in zip(items["title"], items["genres"], strict=True) if "Kitchen" in genres}
    visits = pq.read_table(folder / "visits").to_pylist()
    day = {(visit["user_id"], visit["visit"]): visit["day"] for visit in visits}
    seen = set()
    for page, parts in prompts(folder).items():
        (told,) = [part for part in parts if part.startswith("What stands on the page costs")]
        for line in parts[-1].splitlines():
            number, _, rest = line.partition('. "')
            title = rest.partition('"')[0]
            if title not in price:
                continue
            sold = title in kitchen and 2 <= day[page] < 4
            seen.add((title in kitchen, sold))
            assert f"{number}. {np.float32(price[title] * (0.5 if sold else 1.0)):.2f}" in told
    assert seen == {(True, True), (True, False), (False, False)}


def test_a_stopped_run_with_prices_ends_like_one_that_was_never_stopped(shop, tmp_path):
    check_stopped_run(shopping(shop, **TIMED, **{"users.parameters.price": 1.0}), tmp_path, page=4)


def test_a_price_for_some_users_is_refused_where_all_are_told_one(shop, tmp_path):
    scenario = shopping(shop, clock={"days": 5}, interventions=[SALE | {"who": {"share": 0.5}}])
    with pytest.raises(ConfigError, match="intervention 'sale', who: got some users where items have prices"):
        run(scenario, tmp_path / "run")


def test_users_cannot_weigh_prices_that_nobody_named(shop, tmp_path):
    with pytest.raises(ConfigError, match="choice parameter 'price': got 1 with a catalog without prices"):
        run(shopping(shop, named=False, **{"users.parameters.price": 1.0}), tmp_path / "run")
