"""The data's own ids: beside the log as texts, exactly as the data spells them, and the log itself as ever."""

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest
from own_ids import ITEM_KEYS, PLAIN_USER_KEYS, USER_KEYS, loaded, make_shop, run_shop
from written_runs import HAND, write_run

from recsim_llm.agents.worlds import choice_world
from recsim_llm.errors import LogError
from recsim_llm.log import open_run
from recsim_llm.population import write_population
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.blocks import join_blocks
from recsim_llm.scenarios.export import export
from recsim_llm.scenarios.schema import Block

OF_ITEM = {10 + number: key for number, key in enumerate(ITEM_KEYS)}
OF_USER = {100 + 2 * number: key for number, key in enumerate(USER_KEYS)}


@pytest.fixture(scope="module")
def shop_run(tmp_path_factory):
    return run_shop(make_shop(), tmp_path_factory.mktemp("own") / "run")


def lookup(folder, table, key):
    return {row[key]: row for row in pq.read_table(folder / f"{table}.parquet").to_pylist()}


def test_the_run_folder_translates_every_id(shop_run):
    items, users = lookup(shop_run, "items", "item_id"), lookup(shop_run, "users", "user_id")
    assert {number: row["item_key"] for number, row in items.items()} == OF_ITEM
    assert {number: row["user_key"] for number, row in users.items()} == OF_USER
    assert items[12]["title"] == "thing 2"


def test_own_ids_are_read_beside_the_numbers(shop_run):
    columns = open_run(shop_run).columns("impressions", ["user_key", "item_id", "item_key", "user_id"])
    assert list(columns) == ["user_key", "item_id", "item_key", "user_id"]
    assert set(columns["item_key"]) == set(ITEM_KEYS)
    assert columns["item_key"].tolist() == [OF_ITEM[item] for item in columns["item_id"].tolist()]
    assert columns["user_key"].tolist() == [OF_USER[user] for user in columns["user_id"].tolist()]


def test_own_ids_can_be_read_alone_and_with_rows_chosen(shop_run):
    log = open_run(shop_run)
    assert set(log.columns("pages", ["user_key"], among={"user_id": np.array([100, 104])})["user_key"]) == {"0001", "C-2"}
    assert log.columns("pages", ["user_key"], among={"user_id": np.array([1])})["user_key"].tolist() == []


def test_a_log_without_tables_has_its_numbers_as_ids_and_no_id_for_a_blank_slot(tmp_path):
    columns = open_run(write_run(tmp_path / "run", HAND, arms=["a", "b"])).columns("impressions", ["item_id", "item_key"])
    assert columns["item_key"].tolist() == [None if item < 0 else str(item) for item in columns["item_id"].tolist()]
    assert None in columns["item_key"].tolist()


def test_tables_of_earlier_releases_are_read(shop_run, tmp_path):
    folder = write_run(tmp_path / "run", HAND, arms=["a", "b"])
    for name, key in (("items", "item_key"), ("users", "user_key")):
        table = pq.read_table(shop_run / f"{name}.parquet").drop_columns([key])
        pq.write_table(table, folder / f"{name}.parquet")
    with pytest.raises(LogError, match=r"got id 1 in the log, expected one of items\.parquet"):
        open_run(folder).columns("impressions", ["item_key"])
    assert open_run(folder).own_ids["item_key"].own.to_pylist() == [str(item) for item in OF_ITEM]


def test_numbers_of_data_with_numbers_have_no_own_ids(tmp_path):
    settings = {"recommenders": ["popularity"], "max_pages": 1, "seed": 5, "users.count": 5}
    folder = run(load_scenario("demo", settings), tmp_path / "run")
    assert pq.read_table(folder / "items.parquet")["item_key"].null_count == 1500
    assert pq.read_table(folder / "users.parquet")["user_key"].null_count == 5
    columns = open_run(folder).columns("impressions", ["item_id", "item_key", "user_id", "user_key"])
    for name in ("item", "user"):
        assert columns[f"{name}_key"].tolist() == [str(one) for one in columns[f"{name}_id"].tolist()]


def test_synthetic_users_have_numbers_alone(tmp_path):
    folder = run_shop(make_shop(), tmp_path / "run", **{"users.count": 20})
    assert pq.read_table(folder / "users.parquet")["user_key"].null_count == 20
    assert min(open_run(folder).columns("pages", ["user_key"])["user_key"].astype(int)) > max(OF_USER)


def test_the_log_of_an_environment_has_titles_and_own_ids(tmp_path):
    world = choice_world(make_shop(), seed=3)
    env = gymnasium.make(
        "RecSimLLM/Browse-v0",
        catalog=world.catalog,
        population=world.population,
        users=world.users,
        slate_size=3,
        max_pages=2,
        log=tmp_path / "run",
    )
    env.reset(seed=1)
    env.step(np.array([0, 2, 5]))
    env.close()
    assert set(open_run(tmp_path / "run").columns("impressions", ["item_key"])["item_key"]) == {
        "0007",
        "SKU-MUG",
        "Ünï cödé ☕",
    }


def test_blocks_of_users_that_are_joined_keep_their_own_ids(tmp_path):
    shop = make_shop()
    blocks = [run_shop(shop, tmp_path / f"{n}", **{"users.block": Block(size=6, number=n).model_dump()}) for n in (0, 1)]
    (tmp_path / "all").mkdir()
    join_blocks(tmp_path / "all", blocks, {})
    columns = open_run(tmp_path / "all").columns("pages", ["user_id", "user_key"])
    assert set(columns["user_key"]) == set(USER_KEYS)
    assert columns["user_key"].tolist() == [OF_USER[user] for user in columns["user_id"].tolist()]


def test_users_from_a_file_are_named_by_the_data(tmp_path):
    shop = make_shop()
    write_population(choice_world(shop, 3, seed=3).population, tmp_path / "people.parquet")
    again = choice_world(shop, tmp_path / "people.parquet", seed=3).population
    assert again.user_key.tolist() == [OF_USER[user] for user in again.user_id.tolist()]


def test_a_run_of_users_who_are_called_otherwise_now_is_refused(shop_run, tmp_path):
    with loaded(make_shop(user_keys=PLAIN_USER_KEYS)), pytest.raises(LogError, match="the data changed since the run"):
        export(shop_run, "dialogues", tmp_path / "out")
    with loaded(make_shop()):
        assert export(shop_run, "dialogues", tmp_path / "out")["arms"]


def test_own_ids_change_no_byte_of_the_log(shop_run, tmp_path):
    other = run_shop(
        make_shop(item_keys=[f"Z{n}" for n in range(12)], user_keys=[f"Y{n}" for n in range(12)]), tmp_path / "run"
    )
    files = [path.relative_to(shop_run) for path in sorted(shop_run.glob("*/*.parquet"))]
    assert len(files) == 3
    assert all((shop_run / name).read_bytes() == (other / name).read_bytes() for name in files)
