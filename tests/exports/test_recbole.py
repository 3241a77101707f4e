"""RecBole's atomic files, read by the rules of its documentation and, where it is installed, by RecBole."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from export_runs import DEMOGRAPHICS, make_run, marked_world

from recsim_llm.exports import ArmLog, ExportSource, Identities, write_recbole
from recsim_llm.log import open_run
from recsim_llm.scenarios.export import export

WHY = "RecBole is not installed; 1.2.1 needs NumPy below 1.24 and pandas below 2, so an environment of its own"
TYPES = {"token": str, "float": float, "token_seq": str.split, "float_seq": lambda text: [float(word) for word in text.split()]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("recbole") / "run", **{"users.noise": {"missing_ratings": 0.3}})


@pytest.fixture(scope="module")
def folder(run):
    export(run, "recbole", run.parent / "sets")
    return run.parent / "sets" / "popularity"


def read_atomic(folder, name, suffix):
    """Read an atomic file: typed header, tabs between fields, spaces within sequences."""
    header, *lines = (folder / name / f"{name}.{suffix}").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    fields = [field.split(":") for field in header.split("\t")]
    rows = [line.split("\t") for line in lines]
    assert all(len(row) == len(fields) for row in rows)
    return [{name: TYPES[kind](word) for (name, kind), word in zip(fields, row, strict=True)} for row in rows]


def shown(run):
    rows = [row for row in pq.read_table(run / "impressions").to_pylist() if row["arm"] == "popularity"]
    return sorted(rows, key=lambda row: tuple(row[key] for key in ("user_id", "visit", "page", "position")))


def source_of(run, **changes):
    world = marked_world("fictional", 12)
    log = ArmLog(open_run(run), "popularity")
    identities = Identities(world.population.user_id, anonymous=False)
    return ExportSource(log=log, catalog=replace(world.catalog, **changes), identities=identities, max_pages=3)


def test_clicks_are_the_slots_of_the_log(run, folder):
    rows, log = read_atomic(folder, "popularity-clicks", "inter"), shown(run)
    assert [(row["user_id"], row["item_id"]) for row in rows] == [(str(row["user_id"]), str(row["item_id"])) for row in log]
    assert [row["label"] for row in rows] == [float(row["clicked"]) for row in log]
    assert [(row["visit"], row["page"], row["position"]) for row in rows] == [
        (row["visit"], row["page"], row["position"]) for row in log
    ]
    assert 0 < sum(row["label"] for row in rows) < len(rows)


def test_ratings_are_the_stars_of_the_log_and_nothing_is_missing(run, folder):
    rows, log = read_atomic(folder, "popularity-ratings", "inter"), [row for row in shown(run) if row["rating"] is not None]
    assert [(row["user_id"], row["item_id"], row["rating"]) for row in rows] == [
        (str(row["user_id"]), str(row["item_id"]), row["rating"]) for row in log
    ]
    assert len(rows) < sum(row["clicked"] for row in shown(run))


def test_times_order_each_user_as_the_log_does(folder):
    rows = read_atomic(folder, "popularity-clicks", "inter")
    for user in {row["user_id"] for row in rows}:
        times = [row["timestamp"] for row in rows if row["user_id"] == user]
        assert times == sorted(set(times))
    assert max(row["timestamp"] for row in rows) >= 86_400


def test_items_and_users_are_whole(folder):
    items = read_atomic(folder, "popularity-clicks", "item")
    assert len(items) == 1500
    assert any(item["genres"] == ["Science_Fiction"] for item in items)
    users = read_atomic(folder, "popularity-ratings", "user")
    assert {row["user_id"] for row in users} == {row["user_id"] for row in read_atomic(folder, "popularity-clicks", "inter")}
    for name, word in DEMOGRAPHICS.items():
        assert {user[name][: len(word)] for user in users} == {word}


def test_words_that_would_break_a_line_are_made_harmless(run, tmp_path):
    plain = source_of(run)
    titles, years = plain.catalog.title.copy(), plain.catalog.year.copy()
    titles[0], years[0] = 'A\tTab,\na "Quote', -1
    write_recbole(source_of(run, title=titles, year=years), tmp_path)
    first = read_atomic(tmp_path, f"{tmp_path.name}-clicks", "item")[0]
    assert first["title"] == ["A", "Tab,", "a", "'Quote"]
    assert first["release_year"] == ""


def test_recbole_reads_them(folder, tmp_path, monkeypatch):
    pytest.importorskip("recbole", reason=WHY, exc_type=ImportError)
    from recbole.config import Config
    from recbole.data import create_dataset

    monkeypatch.setattr("sys.argv", ["pytest"])
    monkeypatch.chdir(tmp_path)  # it logs into the working folder
    columns = {"inter": ["user_id", "item_id", "label", "timestamp"], "item": ["item_id", "title", "release_year", "genres"]}
    settings = {"data_path": str(folder), "load_col": columns | {"user": ["user_id", "gender"]}, "LABEL_FIELD": "label"}
    dataset = create_dataset(Config(model="FM", dataset="popularity-clicks", config_dict=settings))
    rows = read_atomic(folder, "popularity-clicks", "inter")
    assert dataset.inter_num == len(rows)
    assert float(dataset.inter_feat["label"].sum()) == sum(row["label"] for row in rows)
    assert dataset.user_num - 1 == len({row["user_id"] for row in rows})
