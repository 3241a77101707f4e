"""MovieLens tables: read by this project's own loader and by pandas."""

import csv
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_runs import make_run
from real_data import movielens_folder

from recsim_llm.data import open_dataset
from recsim_llm.errors import DataError
from recsim_llm.exports import ArmLog, ExportSource, Identities, write_movielens
from recsim_llm.log import open_run
from recsim_llm.scenarios.export import export

pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install minari h5py pandas")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    arm = {"name": "same", "recommender": "export_runs:Stubborn"}
    return make_run(
        tmp_path_factory.mktemp("movielens") / "run",
        slate_size=40,
        recommenders=[arm],
        repeats="allow",
        **{"users.parameters": {"click_bias": 6.0}},
    )


@pytest.fixture(scope="module")
def exported(run):
    content = export(run, "movielens", run.parent / "tables")
    return run.parent / "tables" / "same", content["arms"]["same"]


def last_stars(run):
    rows = [row for row in pq.read_table(run / "impressions").to_pylist() if row["rating"] is not None]
    rows.sort(key=lambda row: tuple(row[key] for key in ("user_id", "visit", "page", "position")))
    return {(row["user_id"], row["item_id"]): row["rating"] for row in rows}, len(rows)


def test_own_loader_reads_ratings_and_films(run, exported):
    dataset, films = open_dataset(str(exported[0])), open_dataset("fictional").catalog
    ratings, (stars, rows) = dataset.ratings, last_stars(run)
    pairs = zip(ratings.user_id.tolist(), ratings.item_id.tolist(), strict=True)
    assert dict(zip(pairs, ratings.rating.tolist(), strict=True)) == stars
    assert exported[1] == {"folder": "same", "ratings": len(stars), "repeated_ratings_left_out": rows - len(stars)}
    assert rows > len(stars) > 0
    for column in ("item_id", "title", "year"):
        assert getattr(dataset.catalog, column).tolist() == getattr(films, column).tolist()
    assert [dataset.catalog.genres_of(item) for item in range(1500)] == [films.genres_of(item) for item in range(1500)]


def test_pandas_reads_the_same(run, exported):
    ratings, films = (pandas.read_csv(exported[0] / f"{name}.csv") for name in ("ratings", "movies"))
    assert list(ratings.columns) == ["userId", "movieId", "rating", "timestamp"]
    assert list(films.columns) == ["movieId", "title", "genres"]
    keys = zip(ratings["userId"].tolist(), ratings["movieId"].tolist(), strict=True)
    assert dict(zip(keys, ratings["rating"].tolist(), strict=True)) == last_stars(run)[0]


def test_visits_are_sittings_and_a_visits_ratings_lie_together(run, exported):
    times = open_dataset(str(exported[0])).ratings.timestamp
    assert np.unique(times // 86_400).tolist() == [0, 1, 2]
    assert (times % 86_400).max() < 3 * 40


def test_an_arm_without_ratings_is_a_header(tmp_path):
    run = make_run(tmp_path / "run", **{"users.noise": {"missing_ratings": 1.0}})
    export(run, "movielens", tmp_path / "tables", arm="random")
    with (tmp_path / "tables" / "random" / "ratings.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["userId", "movieId", "rating", "timestamp"]]
    with pytest.raises(DataError):
        open_dataset(str(tmp_path / "tables" / "random"))


def test_real_titles_and_genres_come_back_as_they_were(run, tmp_path):
    folder = movielens_folder()
    films = open_dataset(str(folder)).catalog
    log = ArmLog(open_run(run), "same")
    people = Identities(log.keys("user_id")[0], anonymous=False)
    write_movielens(ExportSource(log=log, catalog=films, identities=people, max_pages=3), tmp_path)
    shutil.copy(folder / "ratings.csv", tmp_path / "ratings.csv")  # the run's are of other films
    again = open_dataset(str(tmp_path)).catalog
    for column in ("item_id", "title", "year"):
        assert getattr(again, column).tolist() == getattr(films, column).tolist()
    assert all(again.genres_of(item) == films.genres_of(item) for item in range(len(films)))
