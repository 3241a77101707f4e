"""The verb ``warm``: simulated clicks on items without ratings as a table that a run trains on, and what they are worth."""

import json

import pytest
from genre_worlds import write_genre_tables

from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.scenarios import load_scenario, run

NEW = ("new", "newer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The planted world, and two dramas that nobody has rated."""
    return write_genre_tables(tmp_path_factory.mktemp("planted"), NEW)


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("warm") / "out"
    assert main(["warm", str(folder), "--clicks", "30", "--seed", "3", "--out", str(out)]) == 0
    return out


def test_it_writes_clicks_on_items_without_ratings_by_the_data_s_own_ids(written):
    table = open_dataset(written, feedback="implicit")
    assert set(table.catalog.item_key) == set(NEW)
    drama = [int(key[1:]) % 4 == 1 for key in (table.user_keys[user] for user in table.ratings.user_id.tolist())]
    assert sum(drama) / len(drama) > 0.5
    facts = json.loads((written / "warm.json").read_text())["facts"]
    assert facts["cold_items"] == facts["items_clicked"] == 2
    assert facts["simulated_clicks"] == len(table.ratings)


def test_a_run_trains_a_recommender_on_what_was_written(written, folder, tmp_path):
    arms = [
        {"name": "cold", "recommender": "mf"},
        {"name": "warm", "recommender": "warmed", "settings": {"base": "mf", "interactions": str(written)}},
    ]
    changes = {"data": str(folder), "recommenders": arms, "max_pages": 1, "slate_size": 10, "seed": 1, "name": "new-items"}
    outcome = run(load_scenario("demo", changes), tmp_path / "run")
    shown = {arm: shown_new(tmp_path / "run", arm) for arm in ("cold", "warm")}
    assert outcome is not None
    assert shown["cold"] == 0
    assert shown["warm"] > 20


def shown_new(run_folder, arm):
    import pyarrow.parquet as pq

    table = pq.read_table(run_folder / "impressions").to_pylist()
    items = pq.read_table(run_folder / "items.parquet").to_pylist()
    new = {row["item_id"] for row in items if row["item_key"] in NEW}
    return sum(row["arm"] == arm and row["item_id"] in new for row in table)


def test_it_measures_by_users_whom_a_language_model_plays(folder, tmp_path, capsys):
    options = ["--held-out", "0.2", "--draws", "1", "--recommenders", "mf", "--page-size", "4", "--seed", "1"]
    users = ["--users", "language", "--model", "scripted/genres", "--n-users", "30", "--shown", "8"]
    out, told = tmp_path / "out", tmp_path / "told.json"
    assert main(["warm", str(folder), *options, *users, "--out", str(out), "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "mf, warmed against not" in printed
    content = json.loads(told.read_text())
    assert content["model"] == "scripted/genres"
    assert json.loads((out / "warm.json").read_text())["rows"] == content["rows"]
    assert (out / "calls.sqlite").exists()
    dry = ["--dry-run", "--out", str(tmp_path / "none")]
    assert main(["warm", str(folder), *options, *users, *dry]) == 0
    assert "nothing was asked" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--users", "language"], "language users without a model"),
        (["--model", "scripted/genres"], "expected --users language with a model"),
        (["--held-out", "2"], "share of cold items: got 2"),
        (["--held-out", "0.1", "--draws", "0"], "draws: got"),
        (["--held-out", "0.2", "--recommenders", "mff"], "mff"),
        (["--set", "users.parameters.boredom=1"], "expected families alone"),
        (["--clicks", "0"], "clicks an item: got 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, tmp_path, capsys, options, reason):
    out = tmp_path / "out"
    assert main(["warm", str(folder), "--seed", "1", "--out", str(out), *options]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert reason in told[-1]
    assert not (out / "warm.json").exists()


def test_data_without_new_items_and_a_used_folder_are_told(written, capsys, folder):
    assert main(["warm", "fictional-100", "--out", str(written.parent / "other")]) == 2
    assert "where every item has ratings" in capsys.readouterr().err
    assert main(["warm", str(folder), "--out", str(written)]) == 2
    assert "holds warm.json" in capsys.readouterr().err
