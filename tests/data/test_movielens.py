"""MovieLens folders in all three layouts, on small files written here."""

from pathlib import Path

import numpy as np
import pytest
from real_data import movielens_folder

from recsim_llm.data import load_movielens
from recsim_llm.data.movielens_words import parse_title
from recsim_llm.errors import DataError

LATEST = {
    "movies.csv": (
        "movieId,title,genres\n"
        "1,Toy Story (1995),Adventure|Comedy\n"
        '2,"Matrix, The (1999)",Action\n'
        '30,"Say ""Hi""\nagain, twice (2001)",(no genres listed)\n'
        "4,Babylon 5,Sci-Fi\n"
    ),
    "ratings.csv": (
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,0.5,964982704\n7,2,5.0,964982705\n7,30,3,964982706\n"
    ),
}
ML_1M = {
    "movies.dat": "1::Star Wars: Episode IV (1977)::Action|Sci-Fi\n2::Misérables, Les (1995)::Drama\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
    "ratings.dat": "1::1::5::978300760\n2::1::3::978302109\n2::2::4::978301968\n",
}
ML_100K = {
    "u.genre": "unknown|0\nAction|1\nDrama|2\n\n",
    "u.item": (
        "1|Amélie, A (1995)|01-Jan-1995||http://x|0|1|1\n2|Land, The (V)|01-Jan-1994||http://x|0|0|1\n3|unknown||||1|0|0\n"
    ),
    "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n",
    "u.data": "1\t1\t3\t881250949\n2\t1\t4\t881250950\n1\t3\t1\t881250951\n",
}


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))
    return folder


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_latest_is_read_whole(tmp_path: Path) -> None:
    data = load_movielens(write(tmp_path, LATEST))
    assert data.name == "ml-latest"
    assert data.catalog.item_id.tolist() == [1, 2, 30, 4]
    assert data.catalog.title.tolist() == ["Toy Story", "The Matrix", 'Say "Hi"\nagain, twice', "Babylon 5"]
    assert data.catalog.year.tolist() == [1995, 1999, 2001, -1]
    assert [data.catalog.genres_of(item) for item in range(4)] == [["Adventure", "Comedy"], ["Action"], [], ["Sci-Fi"]]
    assert data.catalog.popularity.tolist() == [1, 2, 1, 0]
    assert data.ratings.user_id.tolist() == [1, 1, 7, 7]
    assert data.ratings.item_id.tolist() == [1, 2, 2, 30]
    assert data.ratings.rating.tolist() == [4.0, 0.5, 5.0, 3.0]
    assert data.ratings.timestamp.tolist() == [964982703, 964982704, 964982705, 964982706]
    assert data.demographics == {}
    assert data.skipped == {}
    assert "Harper" in data.licence


def test_latest_with_9742_films_is_the_small_one(tmp_path: Path) -> None:
    films = "".join(f"{number},Film {number} (2000),Drama\n" for number in range(9742))
    files = {"movies.csv": "movieId,title,genres\n" + films, "ratings.csv": LATEST["ratings.csv"]}
    assert load_movielens(write(tmp_path, files)).name == "ml-latest-small"


def test_1m_is_read_whole(tmp_path: Path) -> None:
    data = load_movielens(write(tmp_path, ML_1M, "latin-1"))
    assert data.name == "ml-1m"
    assert data.catalog.title.tolist() == ["Star Wars: Episode IV", "Misérables, Les"]
    assert data.catalog.popularity.tolist() == [2, 1]
    assert data.ratings.rating.tolist() == [5, 3, 4]
    assert data.demographics["gender"] == {1: "female", 2: "male"}
    assert data.demographics["age"] == {1: "under 18", 2: "56+"}
    assert data.demographics["occupation"] == {1: "K-12 student", 2: "self-employed"}
    assert "redistributed" in data.licence


def test_100k_is_read_whole(tmp_path: Path) -> None:
    data = load_movielens(write(tmp_path, ML_100K, "latin-1"))
    assert data.name == "ml-100k"
    assert data.catalog.title.tolist() == ["A Amélie", "The Land (V)", "unknown"]
    assert data.catalog.year.tolist() == [1995, 1994, -1]
    assert [data.catalog.genres_of(item) for item in range(3)] == [["Action", "Drama"], ["Drama"], []]
    assert data.catalog.popularity.tolist() == [2, 0, 1]
    assert data.demographics["age"] == {1: "18-24", 2: "50-55"}
    assert data.demographics["gender"] == {1: "male", 2: "female"}
    assert data.demographics["occupation"] == {1: "technician", 2: "other"}


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999) ", "The Matrix", 1999),
        ("Unforgettable Summer, An (Un été) (1994)", "An Unforgettable Summer (Un été)", 1994),
        ("Good, the Bad and the Ugly, The (Buono, Il) (1966)", "The Good, the Bad and the Ugly (Buono, Il)", 1966),
        ("Death Note (2006–2007)", "Death Note", 2006),
        ("Fargo (2014-)", "Fargo", 2014),
        ("Babylon 5", "Babylon 5", -1),
        ("(1999)", "(1999)", -1),
        ("Corrina, Corrina (1994)", "Corrina, Corrina", 1994),
        ("Misérables, Les (1995)", "Misérables, Les", 1995),
    ],
)
def test_titles_lose_year_and_trailing_article(text: str, title: str, year: int) -> None:
    assert parse_title(text) == (title, year)


BAD_RATINGS = [
    ("9,1,abc,5", "rating: got 'abc', expected a number from 0.5 to 5", "bad rating"),
    ("9,1,nan,5", "rating: got 'nan'", "bad rating"),
    ("9,1,5.5,5", "rating: got '5.5'", "bad rating"),
    ("9,1,0,5", "rating: got '0'", "bad rating"),
    ("9,1,,5", "rating: got ''", "bad rating"),
    ("u9,1,3,5", "user_id: got 'u9', expected a whole number of 0 or more", "bad user_id"),
    ("-9,1,3,5", "user_id: got '-9'", "bad user_id"),
    ("0x9,1,3,5", "user_id: got '0x9'", "bad user_id"),
    ("9,1.5,3,5", "item_id: got '1.5'", "bad item_id"),
    ("9,77,3,5", "item_id: got '77', expected an id from the item table", "unknown item_id"),
    ("1,2,3,5", "item_id: got '2', expected one rating for each user and item", "duplicate rating"),
    ("9,1,3", "got 3 fields, expected 4", "wrong number of fields"),
    ("9,1,3,5,6", "got 5 fields, expected 4", "wrong number of fields"),
    ('9,"1,3,5', "got 2 fields, expected 4", "wrong number of fields"),
]


@pytest.mark.parametrize(("row", "said", "reason"), BAD_RATINGS)
def test_bad_rating_row_is_named(tmp_path: Path, row: str, said: str, reason: str) -> None:
    write(tmp_path, LATEST | {"ratings.csv": LATEST["ratings.csv"] + "\n" + row + "\n"})
    with pytest.raises(DataError) as error:
        load_movielens(tmp_path)
    assert one_line(error).startswith(f"ratings.csv line 7: {said}")
    assert one_line(error).endswith("fix the row or pass --skip-bad-rows")


@pytest.mark.parametrize(("row", "said", "reason"), BAD_RATINGS)
def test_bad_rating_row_is_skipped_and_counted(tmp_path: Path, row: str, said: str, reason: str) -> None:
    write(tmp_path, LATEST | {"ratings.csv": LATEST["ratings.csv"] + row + "\n"})
    data = load_movielens(tmp_path, skip_bad_rows=True)
    assert data.skipped == {f"ratings.csv: {reason}": 1}
    assert data.ratings.fingerprint == load_movielens(write(tmp_path, LATEST)).ratings.fingerprint


def test_second_rating_of_a_film_is_the_one_left_out(tmp_path: Path) -> None:
    rows = "1,1,bad,1\n1,1,4,2\n1,2,3,3\n1,1,5,4\n1,1,1,5\n"
    write(tmp_path, LATEST | {"ratings.csv": "userId,movieId,rating,timestamp\n" + rows})
    data = load_movielens(tmp_path, skip_bad_rows=True)
    assert data.ratings.timestamp.tolist() == [2, 3]
    assert data.skipped == {"ratings.csv: bad rating": 1, "ratings.csv: duplicate rating": 2}
    assert data.catalog.popularity.tolist() == [1, 1, 0, 0]


def test_user_ids_near_the_largest_number_do_not_collide(tmp_path: Path) -> None:
    rows = "999999999999999999,1,4,2\n999999999999999998,2,3,3\n999999999999999999,2,5,4\n"
    write(tmp_path, LATEST | {"ratings.csv": "userId,movieId,rating,timestamp\n" + rows})
    assert load_movielens(tmp_path).ratings.user_index.tolist() == [1, 0, 1]


BAD_MOVIES = [
    (b"x,New (1999),Drama", "item_id: got 'x'", "bad item_id"),
    (b"2,New (1999),Drama", "item_id: got '2', expected every item once", "duplicate item_id"),
    (b"9,New (1999)", "got 2 fields, expected 3", "wrong number of fields"),
]


@pytest.mark.parametrize(("row", "said", "reason"), BAD_MOVIES)
def test_bad_movie_row_is_named_after_a_broken_title(tmp_path: Path, row: bytes, said: str, reason: str) -> None:
    write(tmp_path, LATEST)
    (tmp_path / "movies.csv").write_bytes(LATEST["movies.csv"].encode() + row + b"\n")
    with pytest.raises(DataError) as error:
        load_movielens(tmp_path)
    assert one_line(error).startswith(f"movies.csv line 7: {said}")
    assert one_line(error).endswith("pass --skip-bad-rows")
    data = load_movielens(tmp_path, skip_bad_rows=True)
    assert data.skipped == {f"movies.csv: {reason}": 1}
    assert len(data.catalog) == 4


def test_ratings_of_a_skipped_movie_are_counted_as_unknown(tmp_path: Path) -> None:
    write(tmp_path, LATEST | {"movies.csv": LATEST["movies.csv"].replace("30,", "3O,")})
    data = load_movielens(tmp_path, skip_bad_rows=True)
    assert data.skipped == {"movies.csv: bad item_id": 1, "ratings.csv: unknown item_id": 1}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "ratings.csv: the file is empty"),
        (b"\n\n", "ratings.csv: the file is empty"),
        (b"userId,movieId,rating,timestamp\n", "ratings.csv: got no rows after the header"),
        (b"userId,movieId,timestamp\n1,1,5\n", "ratings.csv line 1: rating: got columns 'userId, movieId, timestamp'"),
        (b"userId,movieId,rating,rating,timestamp\n1,1,5,5,5\n", "ratings.csv line 1: got column 'rating' 2 times"),
        ("userId,movieId,rating\n1,1,5\n".encode("utf-16"), "ratings.csv line 1: timestamp: got columns"),
    ],
)
def test_file_that_cannot_be_used_at_all_is_refused(tmp_path: Path, text: bytes, said: str, skip: bool) -> None:
    write(tmp_path, LATEST)
    (tmp_path / "ratings.csv").write_bytes(text)
    with pytest.raises(DataError) as error:
        load_movielens(tmp_path, skip_bad_rows=skip)
    assert one_line(error).startswith(said)
    assert ";" in one_line(error)


def test_no_row_left_after_skipping_is_refused(tmp_path: Path) -> None:
    write(tmp_path, LATEST | {"ratings.csv": "userId,movieId,rating,timestamp\n1,1,9,1\n1,2\n"})
    with pytest.raises(DataError) as error:
        load_movielens(tmp_path, skip_bad_rows=True)
    assert one_line(error).startswith("ratings.csv: got no usable row (wrong number of fields 1, bad rating 1)")


def test_10m_has_no_users(tmp_path: Path) -> None:
    write(tmp_path, ML_1M)
    (tmp_path / "users.dat").unlink()
    data = load_movielens(tmp_path)
    assert data.name == "ml-10m"
    assert data.demographics == {}
    assert data.ratings.rating.tolist() == [5, 3, 4]


def test_a_time_that_cannot_be_read_costs_the_time_and_not_the_rating(tmp_path: Path) -> None:
    write(tmp_path, LATEST | {"ratings.csv": LATEST["ratings.csv"] + "9,1,3,soon\n"})
    data = load_movielens(tmp_path)
    assert data.ratings.timestamp.tolist()[-2:] == [964982706, 0]
    assert data.unread == {"ratings.csv: bad timestamp": 1}
    assert data.skipped == {}


@pytest.mark.parametrize("files", [LATEST, ML_1M, ML_100K], ids=["latest", "1M", "100K"])
def test_missing_file_of_a_layout_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    for missing in files.keys() - {"users.dat"}:
        write(tmp_path, files, "latin-1")
        (tmp_path / missing).unlink()
        with pytest.raises(DataError) as error:
            load_movielens(tmp_path)
        assert one_line(error).startswith(f"{missing}: no such file in")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without MovieLens files") as error:
        load_movielens(tmp_path)
    assert "ratings.dat" in one_line(error)
    with pytest.raises(DataError, match="no such folder"):
        load_movielens(tmp_path / "absent")


@pytest.mark.parametrize(
    ("files", "file", "old", "new", "said"),
    [
        (ML_1M, "users.dat", "::56::", "::57::", "users.dat line 2: age: got '57', expected one of 1, 18, 25"),
        (ML_1M, "users.dat", "::F::", "::X::", "users.dat line 1: gender: got 'X', expected one of F, M"),
        (ML_1M, "users.dat", "::16::", "::21::", "users.dat line 2: occupation: got '21', expected a code from 0"),
        (ML_1M, "users.dat", "2::M", "1::M", "users.dat line 2: user_id: got '1', expected every user once"),
        (ML_1M, "ratings.dat", "2::1::3", "2:1::3", "ratings.dat line 2: got 3 fields, expected 4"),
        (ML_1M, "ratings.dat", "::4::", "::6::", "ratings.dat line 3: rating: got '6'"),
        (ML_1M, "movies.dat", "2::Mis", "1::Mis", "movies.dat line 2: item_id: got '1', expected every item once"),
        (ML_100K, "u.item", "|0|0|1", "|0|2|1", "u.item line 2: genre Action: got '2', expected 0 or 1"),
        (ML_100K, "u.item", "|0|0|1", "|0|1", "u.item line 2: got 7 fields, expected 8"),
        (ML_100K, "u.user", "|53|", "|old|", "u.user line 2: age: got 'old'"),
        (ML_100K, "u.data", "2\t1\t4", "2\t8\t4", "u.data line 2: item_id: got '8'"),
    ],
)
def test_bad_row_of_the_older_layouts_is_named(
    tmp_path: Path, files: dict[str, str], file: str, old: str, new: str, said: str
) -> None:
    assert old in files[file]
    write(tmp_path, files | {file: files[file].replace(old, new)}, "latin-1")
    with pytest.raises(DataError) as error:
        load_movielens(tmp_path)
    assert one_line(error).startswith(said)
    data = load_movielens(tmp_path, skip_bad_rows=True)
    assert data.skipped[next(key for key in data.skipped if key.startswith(file))] == 1


@pytest.mark.parametrize("change", ["crlf", "bom", "no last line break"])
def test_harmless_variants_read_the_same(tmp_path: Path, change: str) -> None:
    ratings = LATEST["ratings.csv"]
    variants = {"crlf": ratings.replace("\n", "\r\n"), "bom": "\ufeff" + ratings, "no last line break": ratings.strip()}
    plain = load_movielens(write(tmp_path, LATEST))
    assert load_movielens(write(tmp_path, {"ratings.csv": variants[change]})).fingerprint == plain.fingerprint


def test_the_real_small_set_has_its_published_size() -> None:
    folder = movielens_folder()
    data = load_movielens(folder)
    assert data.name == "ml-latest-small"
    assert (len(data.ratings), len(data.catalog), len(data.ratings.users)) == (100_836, 9_742, 610)
    assert data.catalog.title[0] == "Toy Story"
    assert data.catalog.popularity.sum() == 100_836
    assert int((data.catalog.year < 0).sum()) == 12
    assert np.all(data.catalog.index_of(data.ratings.item_id) >= 0)
    assert data.ratings.levels.tolist() == [level / 2 for level in range(1, 11)]
