"""Scores that another program saved: read, checked against the data, ranked, and the rest by popularity."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_ids import make_shop, run_shop
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.recommenders import SavedScores, open_recommender
from recsim_llm.testing import check_recommender, small_world


def saved(path, user_id, item_id, score):
    """Write scores [users, items] as the ending of the path says; a table holds no pair without a score."""
    score = np.asarray(score, np.float64)
    if path.suffix == ".npz":
        np.savez(path, user_id=user_id, item_id=item_id, score=score)
    else:
        row, column = np.nonzero(~np.isnan(score))
        columns = {"user_id": np.asarray(user_id)[row], "item_id": np.asarray(item_id)[column], "score": score[row, column]}
        pq.write_table(pa.table(columns), path)
    return str(path)


def opened(file):
    return open_recommender("scores", {"file": file})


both = pytest.mark.parametrize("ending", [".npz", ".parquet"])


@both
def test_scores_keep_the_contract(tmp_path, ending):
    catalog, ratings = small_world()
    score = np.random.default_rng(0).normal(size=(len(ratings.users), len(catalog)))
    score[:, ::7] = np.nan
    file = saved(tmp_path / f"scores{ending}", [f"U{user:04d}" for user in ratings.users], catalog.item_id, score)
    check_recommender(lambda: opened(file))


@both
def test_the_largest_scores_come_first_then_what_has_none_by_popularity(tmp_path, ending):
    # Users 1 and 2 rated item 15, which is the most popular then, and 14; items 10 to 13 are new to them.
    world = make_catalog(8), make_ratings([1, 2, 3, 3, 3], [15, 15, 15, 16, 16])
    score = [[0.0, -1e9, np.nan, 3.0], [np.nan] * 4]
    file = saved(tmp_path / f"scores{ending}", [1, 4], [10, 11, 12, 999], score)
    page = fitted(opened(file), world).recommend(ask_for([1, 4, 2]), 4).item_id
    assert page.tolist() == [[10, 11, 16, 12], [15, 16, 10, 11], [16, 10, 11, 12]]


@both
def test_texts_are_ids_of_data_whose_own_ids_are_texts(tmp_path, ending):
    shop = make_shop()
    keys = list(shop.user_keys.values())
    score = np.zeros((len(keys), 3))
    score[:, 1] = 9
    file = saved(tmp_path / f"scores{ending}", keys, shop.catalog.item_key[:3].astype(str), score)
    arm = {"name": "theirs", "recommender": "scores", "settings": {"file": file}}
    run_shop(shop, tmp_path / "run", recommenders=[arm], slate_size=1, max_pages=1)
    shown = pq.read_table(tmp_path / "run" / "impressions").to_pydict()
    rated = set(zip(shop.ratings.user_id.tolist(), shop.ratings.item_id.tolist(), strict=True))
    favourite = int(shop.catalog.item_id[1])
    pages = list(zip(shown["user_id"], shown["item_id"], strict=True))
    fresh = [item for user, item in pages if (user, favourite) not in rated]
    assert fresh
    assert set(fresh) == {favourite}


def test_ids_may_be_written_as_texts_of_numbers_as_recbole_does(tmp_path):
    world = make_catalog(4), make_ratings([1], [13])
    file = saved(tmp_path / "scores.npz", ["1"], ["10", "11", "12"], [[1.0, 3.0, 2.0]])
    assert fitted(opened(file), world).recommend(ask_for([1]), 3).item_id.tolist() == [[11, 12, 10]]


GOOD = {"user_id": [1, 2], "item_id": [10, 11], "score": [[1.0, 2.0], [3.0, 4.0]]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"score": [[1.0, 2.0]]}, r"score: got shape \(1, 2\), expected \[2, 2\]"),
        ({"score": [[1.0, np.inf], [0.0, 0.0]]}, r"score: got inf at \[0, 1\], expected finite numbers"),
        ({"score": [["a", "b"], ["c", "d"]]}, "score: got .*expected numbers"),
        ({"user_id": [1, 1]}, "user_id: got an id twice, expected each once"),
        ({"item_id": [1.5, 2.5]}, "item_id: got 1.5, expected whole numbers or texts"),
        ({"item_id": [777, 778]}, "item_id '777', '778', none of which the data has, expected its own ids, as '10'"),
        ({"user_id": [777, 778]}, "user_id '777', '778', none of which the data has, expected its own ids, as '1'"),
        (
            {"user_id": np.array([{}, {}], object)},
            "got arrays that cannot be read, .*expected arrays of numbers and texts; write",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_place(tmp_path, changed, said):
    path = tmp_path / "scores.npz"
    np.savez(path, **(GOOD | changed))
    with pytest.raises(DataError, match=rf"scores '.*scores.npz'.*{said}") as told:
        fitted(opened(str(path)), (make_catalog(3), make_ratings([1], [10])))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user_id": [1, 1], "item_id": [10, 10], "score": [1.0, 2.0]}, "got a pair of user and item twice"),
        ({"user_id": [1], "item_id": [10], "score": [None]}, "score: got .*expected"),
        ({"user": [1], "item_id": [10], "score": [1.0]}, "got no 'user_id', expected user_id, item_id, score"),
    ],
)
def test_a_table_of_pairs_that_cannot_be_meant_is_refused(tmp_path, columns, said):
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=rf"scores '.*scores.parquet'.*{said}"):
        opened(str(path))


def test_an_archive_that_lacks_an_array_is_refused_once_by_its_name(tmp_path):
    path = tmp_path / "scores.npz"
    np.savez(path, user_id=[1], score=[[1.0]])
    with pytest.raises(DataError, match=r"^scores '[^']*': got no 'item_id', expected user_id, item_id, score; [^:]*$"):
        opened(str(path))


def test_a_file_that_is_no_archive_is_not_said_to_hold_pickles(tmp_path):
    (tmp_path / "scores.npz").write_text("hello")
    with pytest.raises(DataError, match=r"^scores '[^']*': got no .npz file, expected one with user_id, item_id, score; write"):
        opened(str(tmp_path / "scores.npz"))


@pytest.mark.parametrize("name", ["scores.npz", "scores.parquet"])
def test_what_is_no_such_file_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"scores: got no file .*, expected a table of scores"):
        opened(str(tmp_path / name))
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"scores '.*': got .*, expected"):
        opened(str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"expected a name that ends in .npz or .parquet"):
        opened(str(tmp_path / "scores.csv"))


def test_a_file_is_needed():
    with pytest.raises(ConfigError, match="recommender 'scores': file: got nothing, expected text"):
        open_recommender("scores")
    with pytest.raises(ConfigError, match="file: got nothing, expected text"):
        SavedScores(None)
