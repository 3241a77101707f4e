"""Filters, arguments of tools and questions in SQL by whoever likes: an answer, or one line."""

import json

import numpy as np
import pytest
import written_runs as logs
from fuzzing import ODD_VALUES, ODD_WORDS, Refusal, checked_line, fuzz, outcome, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.data import open_dataset
from recsim_llm.tools.filters import COLUMNS, select_items
from recsim_llm.tools.service import ToolService

VALUES = st.sampled_from(["'Drama'", '"a""b"', "1990", "-3.5", "9" * 18, "'", '"', "('a', 'b')", "(1, 2)", "''", "'\x1b[2J'"])
TESTS = st.builds(
    "{} {} {}".format,
    st.sampled_from([*COLUMNS, "retired", "GENRE", "__class__", ""]),
    st.sampled_from(["=", "!=", "<", ">=", "contains", "in", "==", "<>", "like"]),
    VALUES,
)
FILTERS = st.recursive(
    TESTS | st.sampled_from(["retired", "", "not"]),
    lambda inner: (
        st.builds("not {}".format, inner)
        | st.builds("({})".format, inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or", ",", ";"]), inner)
    ),
    max_leaves=12,
)
CALLS = [
    ("schema", {}),
    ("select", {"filter": "genre = 'Drama'", "narrow": True}),
    ("similar", {"item_id": 3, "count": 5}),
    ("rank", {"item_ids": [1, 2, 3]}),
    ("describe", {"item_ids": [1, 2]}),
]


@pytest.fixture(scope="module")
def service():
    return ToolService(open_dataset("fictional"))


@pytest.fixture(scope="module")
def catalog():
    return open_dataset("fictional").catalog


@fuzz(300)
@given(text=FILTERS | st.text(max_size=40))
def test_filters(catalog, text):
    found = outcome(lambda: select_items(catalog, text))
    assert isinstance(found, Refusal) or (found.dtype == np.bool_ and found.shape == (len(catalog),))


@fuzz(200)
@given(data=st.data())
def test_arguments_of_tools(service, data):
    name, arguments = data.draw(st.sampled_from(CALLS))
    name = data.draw(st.sampled_from([name, name, name, *map(str, ODD_WORDS[:30])]))
    text, wrong = service.call(name, data.draw(spoiled(arguments) | st.sampled_from(ODD_VALUES)))
    told = json.loads(text)
    assert wrong == ("error" in told)
    if wrong:
        checked_line(told["error"])
    text.encode()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    sql = pytest.importorskip("duckdb") and __import__("recsim_llm.exports.sql_query", fromlist=["open_database"])
    run = logs.write_run(tmp_path_factory.mktemp("sql") / "run", logs.HAND, arms=["a", "b"])
    with sql.open_database([run]) as opened:
        yield opened


def asked(database, question):
    return outcome(lambda: [*database.ask(question).rows])


ESCAPES = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT getenv('HOME')",
    "COPY (SELECT 1) TO '{out}'",
    "ATTACH '{out}' AS x",
    "EXPORT DATABASE '{out}'",
    "INSTALL httpfs",
    "LOAD '{out}'",
    "SET enable_external_access = true",
    "CREATE TABLE x AS SELECT 1",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "CREATE MACRO f() AS TABLE SELECT 1",
    "WITH x AS (DELETE FROM pages RETURNING *) SELECT * FROM x",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{out}''')",
    "SELECT * FROM query_table(['{file}'])",
    "SELECT * FROM python_scan('x')",
]


@pytest.mark.parametrize("question", ESCAPES)
def test_no_question_reads_or_writes_a_file(question, database, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\nplanted\n")
    found = asked(database, question.format(file=secret, out=tmp_path / "out"))
    assert isinstance(found, Refusal), found
    assert "planted" not in found.line
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


@fuzz(120)
@given(data=st.data())
def test_questions(database, data):
    words = [
        "SELECT",
        "*",
        "arm",
        "FROM",
        "pages",
        "WHERE",
        "clicks",
        ">",
        "1",
        "GROUP BY",
        "(",
        ")",
        ",",
        "'",
        "JOIN",
        "visits",
        "USING",
    ]
    drawn = st.lists(st.sampled_from([*words, *ODD_WORDS[:40]]), max_size=12).map(" ".join)
    asked(database, data.draw(drawn | st.text(max_size=30)))
