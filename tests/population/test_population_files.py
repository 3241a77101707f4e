import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population import population_files
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.population_files import read_population, write_population

SUFFIXES = pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])


def make_population(users=3):
    random = np.random.default_rng(0)
    return Population(
        user_id=np.arange(users)[::-1] * 7,
        traits=random.normal(size=(users, len(TRAITS))).astype(np.float32),
        genre_names=("Sci-Fi", "Comédie"),
        taste=random.normal(size=(users, 2)).astype(np.float32),
        demographics={
            "age": np.array((["25-34", ""] * users)[:users], object),
            "gender": np.array([""] * users, object),
        },
        vectors={
            "noise": random.normal(size=(users, 1)).astype(np.float32),
            "cuts": random.normal(size=(users, 9)).astype(np.float32),
        },
    )


def assert_same(left, right):
    def plain(population):
        tables = {"traits": population.traits, "taste": population.taste, **population.vectors}
        return (
            population.user_id.tolist(),
            population.genre_names,
            [(name, table.shape, str(table.dtype), table.tobytes()) for name, table in tables.items()],
            [(name, column.tolist()) for name, column in population.demographics.items()],
        )

    assert plain(left) == plain(right)


@st.composite
def populations(draw):
    users, genres = (
        draw(st.integers(1, 4)),
        draw(st.lists(st.text(st.characters(codec="utf-8")), max_size=3, unique=True)),
    )
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(codec="utf-8"), max_size=5)
    table = {width: arrays(np.float32, (users, width), elements=number) for width in range(4)}
    return Population(
        user_id=draw(arrays(np.int64, users, elements=st.integers(0, 2**63 - 1), unique=True)),
        traits=draw(arrays(np.float32, (users, len(TRAITS)), elements=number)),
        genre_names=tuple(genres),
        taste=draw(table[len(genres)]),
        demographics={
            name: np.array(draw(st.lists(text, min_size=users, max_size=users)), object)
            for name in draw(st.lists(text, max_size=2, unique=True))
        },
        vectors={name: draw(table[draw(st.integers(0, 3))]) for name in draw(st.lists(text, max_size=2, unique=True))},
    )


@SUFFIXES
@settings(max_examples=60)
@given(population=populations())
def test_round_trip_is_exact(tmp_path_factory, suffix, population):
    path = tmp_path_factory.mktemp("round") / f"population{suffix}"
    write_population(population, path)
    assert_same(read_population(path), population)


@SUFFIXES
def test_path_may_be_a_string_and_an_old_file_is_replaced(tmp_path, suffix):
    path = str(tmp_path / f"population{suffix}")
    write_population(make_population(2), path)
    write_population(make_population(3), path)
    assert len(read_population(path)) == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_jsonl_round_trip_spans_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(population_files, "_CHUNK", 2)
    write_population(make_population(5), tmp_path / "p.jsonl")
    assert_same(read_population(tmp_path / "p.jsonl"), make_population(5))


def test_awkward_float32_values_come_back_bit_for_bit(tmp_path):
    bits = np.random.default_rng(1).integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)][:190_000].reshape(10, -1)
    population = replace(make_population(10), vectors={"bits": values})
    write_population(population, tmp_path / "p.jsonl")
    assert read_population(tmp_path / "p.jsonl").vectors["bits"].tobytes() == values.tobytes()


def test_jsonl_lines_are_readable(tmp_path):
    population = replace(make_population(1), taste=np.array([[0.1, -2.5]], np.float32), vectors={})
    write_population(population, tmp_path / "p.jsonl")
    text = (tmp_path / "p.jsonl").read_text(encoding="utf-8")
    assert '"taste": {"Sci-Fi": 0.1, "Comédie": -2.5}' in text
    assert list(json.loads(text)) == ["user_id", *(t.name for t in TRAITS), "taste", "demographics", "vectors"]


def test_parquet_has_one_column_a_trait_and_names_in_the_metadata(tmp_path):
    write_population(make_population(), tmp_path / "p.parquet")
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert {trait.name for trait in TRAITS} <= set(schema.names)
    assert str(schema.field("taste").type).startswith("fixed_size_list")
    layout = json.loads(schema.metadata[b"recsim_llm.population"])
    assert (layout["format"], layout["genre_names"]) == (1, ["Sci-Fi", "Comédie"])


def test_parquet_keeps_nan_and_infinity(tmp_path):
    population = replace(make_population(1), vectors={"edge": np.array([[np.nan, np.inf]], np.float32)})
    write_population(population, tmp_path / "p.parquet")
    assert_same(read_population(tmp_path / "p.parquet"), population)


@SUFFIXES
def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    write_population(make_population(), path)
    before = path.read_bytes()
    broken = replace(make_population(), vectors={"flat": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match=r"'flat' of shape \(3,\)"):
        write_population(broken, path)
    unwritable = replace(make_population(), demographics={"age": np.array([object()] * 3, object)})
    with pytest.raises(TypeError):
        write_population(unwritable, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_jsonl_refuses_numbers_that_are_not_finite(tmp_path):
    population = replace(make_population(1), taste=np.array([[np.nan, 0]], np.float32))
    with pytest.raises(DataError, match="NaN or infinity"):
        write_population(population, tmp_path / "p.jsonl")


def test_jsonl_refuses_a_key_that_stands_twice(tmp_path):
    write_population(make_population(), tmp_path / "p.jsonl")
    text = (tmp_path / "p.jsonl").read_text(encoding="utf-8")
    (tmp_path / "p.jsonl").write_text(text.replace('"taste": {', '"taste": {"A": 9.0, "A": 1.0, ', 1), encoding="utf-8")
    with pytest.raises(DataError, match="line 1: got key 'A' twice in one object; correct the line"):
        read_population(tmp_path / "p.jsonl")


def test_jsonl_refuses_a_genre_name_that_stands_twice(tmp_path):
    with pytest.raises(DataError, match="genre name twice"):
        write_population(replace(make_population(), genre_names=("A", "A")), tmp_path / "p.jsonl")


def test_unknown_suffix_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=r"'\.csv', expected \.parquet or \.jsonl"):
        write_population(make_population(), tmp_path / "p.csv")
    with pytest.raises(ConfigError, match=r"\.csv"):
        read_population(tmp_path / "p.csv")


def test_missing_folder_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="create it first"):
        write_population(make_population(), tmp_path / "no" / "p.jsonl")


@SUFFIXES
def test_missing_file_is_a_data_error(tmp_path, suffix):
    with pytest.raises(DataError, match=f"nothing{suffix}.*No such file"):
        read_population(tmp_path / f"nothing{suffix}")


def good_line(**changes):
    numbers = {trait.name: 1 for trait in TRAITS}
    return {
        "user_id": 1,
        **numbers,
        "taste": {"A": 0.5, "B": 1},
        "demographics": {},
        "vectors": {"v": [1, 2]},
        **changes,
    }


def without(key):
    return {name: value for name, value in good_line(user_id=2).items() if name != key}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("{broken", "Expecting property name"),
        ("[1]", "list"),
        (good_line(), r"user_id 1 again \(first on line 1\)"),
        (good_line(user_id=-1), "user_id -1"),
        (good_line(user_id=2**63), "user_id 9223372036854775808"),
        (good_line(user_id=2.5), r"user_id 2\.5"),
        (without("user_id"), "keys user_id"),
        (without("patience"), "keys patience"),
        (without("taste"), "'taste'"),
        (without("vectors"), "other genres or vectors"),
        (good_line(user_id=2, hobby=1), "keys hobby"),
        (good_line(user_id=2, patience="ten"), "'ten'"),
        (good_line(user_id=2, patience=True), "True"),
        (good_line(user_id=2, patience=1e60), "float32"),
        (good_line(user_id=2, patience=10**400), "too large"),
        (good_line(user_id=2, patience=float("nan")), "NaN"),
        (good_line(user_id=2, taste={"A": 1}), "other genres"),
        (good_line(user_id=2, taste={"A": 1, "B": None}), "None"),
        (good_line(user_id=2, vectors={"v": [1]}), "other genres or vectors"),
        (good_line(user_id=2, vectors={"v": 1}), "'vectors'"),
        (good_line(user_id=2, demographics={"age": 30}), "demographics"),
    ],
)
def test_bad_jsonl_line_is_named_with_file_line_and_remedy(tmp_path, second, reason):
    path = tmp_path / "p.jsonl"
    line = second if isinstance(second, str) else json.dumps(second)
    path.write_text(json.dumps(good_line()) + "\n" + line + "\n")
    with pytest.raises(DataError, match=rf"p\.jsonl, line 2: got .*{reason}.*; correct the line"):
        read_population(path)


def test_jsonl_bytes_that_are_not_text_are_a_data_error(tmp_path):
    (tmp_path / "p.jsonl").write_bytes(b'{"user_id": "\xff\xfe"}\n')
    with pytest.raises(DataError, match="line 1"):
        read_population(tmp_path / "p.jsonl")


def test_empty_jsonl_is_a_data_error(tmp_path):
    (tmp_path / "p.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no users"):
        read_population(tmp_path / "p.jsonl")


def test_hand_written_jsonl_may_reorder_genres_and_leave_out_what_is_unknown(tmp_path):
    first = {name: value for name, value in good_line().items() if name not in ("demographics", "vectors")}
    second = {**first, "user_id": 2, "taste": {"B": 7, "A": 8}, "demographics": {"age": "25-34"}}
    (tmp_path / "p.jsonl").write_text(f"{json.dumps(first)}\n\n{json.dumps(second)}")
    population = read_population(tmp_path / "p.jsonl")
    assert population.taste.tolist() == [[0.5, 1], [8, 7]]
    assert population.demographics["age"].tolist() == ["", "25-34"]
    assert population.vectors == {}


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"x" * 1000])
def test_damaged_parquet_is_a_data_error(tmp_path, content):
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"p\.parquet: got "):
        read_population(tmp_path / "p.parquet")


def change_parquet(path, change):
    write_population(make_population(), path)
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.replace_schema_metadata({}), "format unknown"),
        (lambda table: table.replace_schema_metadata({"recsim_llm.population": '{"format": 9}'}), "format 9"),
        (lambda table: table.drop_columns(["patience"]), "patience"),
        (lambda table: table.set_column(0, "user_id", table.column("activity")), "'user_id' of float"),
        (lambda table: table.append_column("taste", table.column("vector_cuts")), "taste"),
        (lambda table: table.drop_columns("taste").append_column("taste", table.column("activity")), "'taste' of"),
    ],
)
def test_parquet_of_another_form_is_a_data_error(tmp_path, change, reason):
    change_parquet(tmp_path / "p.parquet", change)
    with pytest.raises(DataError, match=rf"p\.parquet: got .*{reason}.*write_population"):
        read_population(tmp_path / "p.parquet")
