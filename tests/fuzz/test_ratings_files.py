"""Tables of ratings, items and friends as anybody may send them: read, or refused in one line."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from fuzzing import ODD_WORDS, Refusal, damaged, encoded, fuzz, outcome, rewritten
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.ratings import Dataset
from recsim_llm.data import load_tables, open_dataset
from recsim_llm.data.friend_pairs import FriendPairs, read_friend_pairs

INTERACTIONS = "user_id,item_id,rating,timestamp\n1,10,4,100\n1,20,2.5,200\n2,10,5,300\n3,30,1,2024-01-02\n2,30,3.5,400\n"
ITEMS = (
    'item_id,title,genres,year,description,price\n10,"Heat, again",Drama|War,1995,x,9.5\n20,Alien,[],1979,,1\n30,Z,War,,x,2\n'
)
FRIENDS = "user_id,friend_id\n1,2\n2,3\n3,1\n"
MOVIELENS = {
    "latest": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,2.5,200\n2,10,5.0,300\n",
        "movies.csv": "movieId,title,genres\n10,Heat (1995),Crime|Drama\n20,Alien (1979),(no genres listed)\n",
    },
    "1m": {
        "ratings.dat": "1::10::4::100\n1::20::2::200\n2::10::5::300\n",
        "movies.dat": "10::Heat (1995)::Crime|Drama\n20::Alien (1979)::Horror\n",
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
    },
    "100k": {
        "u.data": "1\t10\t4\t100\n1\t20\t2\t200\n2\t10\t5\t300\n",
        "u.item": "10|Heat (1995)|01-Jan-1995||http://x|0|1\n20|Alien (1979)|01-Jan-1979||http://x|1|0\n",
        "u.genre": "unknown|0\nAction|1\n",
        "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n",
    },
}
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "skip_bad_rows": st.booleans(),
        "feedback": st.sampled_from(["explicit", "implicit"]),
        "string_ids": st.booleans(),
        "not_rated": st.sampled_from([0, "none", (0, 99)]),
        "genre_separator": st.sampled_from(["|", ",", "//"]),
    },
)


def checked(found):
    """Return what was loaded if it is data: numbers that are finite, items that are known."""
    if isinstance(found, Refusal):
        return found
    assert isinstance(found, Dataset)
    assert np.isfinite(found.ratings.rating).all()
    assert (found.catalog.index_of(found.ratings.item_id) >= 0).all()
    assert len(set(found.catalog.item_id.tolist())) == len(found.catalog)
    return found


def parquet_of(text):
    table = csv.read_csv(io.BytesIO(text.encode()))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@fuzz(150)
@given(text=rewritten(INTERACTIONS), items=rewritten(ITEMS), options=OPTIONS, suffix=st.sampled_from(["csv", "tsv", "txt"]))
def test_tables_of_text(tmp_path, text, items, options, suffix):
    one, other = tmp_path / f"r.{suffix}", tmp_path / f"i.{suffix}"
    one.write_bytes(encoded(text))
    other.write_bytes(encoded(items))
    checked(outcome(lambda: load_tables(one, other, **options)))


@fuzz(80)
@given(content=damaged(INTERACTIONS.encode()), items=damaged(ITEMS.encode()), options=OPTIONS)
def test_tables_of_bytes(tmp_path, content, items, options):
    one, other = tmp_path / "r.csv", tmp_path / "i.csv"
    one.write_bytes(content)
    other.write_bytes(items)
    checked(outcome(lambda: load_tables(one, other, **options)))


@fuzz(60)
@given(content=damaged(gzip.compress(INTERACTIONS.encode() * 3, mtime=0)))
def test_packed_tables(tmp_path, content):
    path = tmp_path / "r.csv.gz"
    path.write_bytes(content)
    checked(outcome(lambda: load_tables(path, skip_bad_rows=True)))


@fuzz(120)
@given(content=damaged(parquet_of(INTERACTIONS)), items=damaged(parquet_of(ITEMS)), which=st.booleans())
def test_tables_of_parquet(tmp_path, content, items, which):
    one, other = tmp_path / "r.parquet", tmp_path / "i.parquet"
    one.write_bytes(content if which else parquet_of(INTERACTIONS))
    other.write_bytes(parquet_of(ITEMS) if which else items)
    checked(outcome(lambda: load_tables(one, other, skip_bad_rows=True)))


COLUMN = st.one_of(
    st.lists(st.sampled_from([0, 1, 2, -1, 2**62, None]), min_size=3, max_size=3),
    st.lists(st.sampled_from([0.5, 1.0, float("nan"), float("inf"), -1e308, None]), min_size=3, max_size=3),
    st.lists(st.sampled_from([*ODD_WORDS[:40], None]), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=3, max_size=3),
    st.lists(st.sampled_from([{"name": "Drama"}, {"name": None}, None]), min_size=3, max_size=3),
    st.just([b"\xff\x00", b"", None]),
    st.just([None, None, None]),
)


@fuzz(120)
@given(columns=st.fixed_dictionaries(dict.fromkeys(("user_id", "item_id", "rating", "timestamp"), COLUMN)), options=OPTIONS)
def test_columns_of_other_types(tmp_path, columns, options):
    path = tmp_path / "r.parquet"
    try:
        pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    except (pa.ArrowException, UnicodeError):
        return
    checked(outcome(lambda: load_tables(path, **options)))


@pytest.mark.parametrize("layout", MOVIELENS)
@fuzz(60)
@given(data=st.data())
def test_folders_of_movielens(tmp_path, layout, data):
    files = MOVIELENS[layout]
    spoilt = data.draw(st.sampled_from([*files]))
    folder = tmp_path / layout
    folder.mkdir(exist_ok=True)
    separator = {"latest": ",", "1m": "::", "100k": "\t"}[layout]
    for name, text in files.items():
        if name == spoilt:
            draw = st.one_of(rewritten(text, separator), rewritten(text, "|")).map(encoded) | damaged(text.encode())
            (folder / name).write_bytes(data.draw(draw))
        else:
            (folder / name).write_text(text)
    checked(outcome(lambda: open_dataset(folder, skip_bad_rows=data.draw(st.booleans()))))


@fuzz(80)
@given(content=st.one_of(rewritten(FRIENDS).map(encoded), damaged(FRIENDS.encode())), texts=st.booleans())
def test_lists_of_friends(tmp_path, content, texts):
    path = tmp_path / "friends.csv"
    path.write_bytes(content)
    assert isinstance(outcome(lambda: read_friend_pairs(path, texts=texts)), FriendPairs | Refusal)
