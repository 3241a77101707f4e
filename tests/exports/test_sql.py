"""Questions in SQL: answers are those of the log, several runs are one table, and nothing else can be reached or changed."""

import hashlib
import socket

import numpy as np
import pytest
import written_runs as logs

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.exports import sql_query
from recsim_llm.exports.sql_query import open_database
from recsim_llm.log import open_run
from recsim_llm.scenarios import load_scenario, run

duckdb = pytest.importorskip("duckdb")

SETTINGS = {"users.count": 15, "max_pages": 3, "slate_size": 4, "seed": 4, "recommenders": ["random", "popularity"]}
LANGUAGE = {"users.model": "language", "models.user": "scripted/genres", "users.count": 4}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("sql") / "plain")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS | LANGUAGE), tmp_path_factory.mktemp("sql") / "spoken")


def ask(question, *runs):
    with open_database(runs) as database:
        return list(database.ask(question).rows)


def test_answers_are_those_of_the_log(plain):
    log, expected = open_run(plain), []
    for arm in sorted(log.arms):
        columns = log.columns("impressions", ["clicked", "click_prob"], arm=arm)
        chance = columns["click_prob"].astype(np.float64).mean()
        expected.append((arm, len(columns["clicked"]), int(columns["clicked"].sum()), pytest.approx(chance)))
    question = "SELECT arm, count(*), sum(clicked::int), avg(click_prob::double) FROM impressions GROUP BY arm ORDER BY arm"
    assert ask(question, plain) == expected


def test_tables_of_the_log_and_those_beside_it_can_be_joined(plain):
    question = """
        SELECT count(*) FROM impressions JOIN items USING (item_id) JOIN users USING (user_id)
        JOIN pages USING (arm, user_id, visit, page) JOIN visits USING (arm, user_id, visit)
    """
    assert ask(question, plain) == ask("SELECT count(*) FROM impressions WHERE item_id >= 0", plain)
    with open_database([plain]) as database:
        named = {one.name: one for one in database.tables()}
    assert {"impressions", "pages", "visits", "items", "users", "held_out", "timings"} <= named.keys()
    assert named["pages"].rows == sum(segment.rows["pages"] for segment in open_run(plain).segments)
    assert "satisfaction" in named["pages"].columns
    assert "calls" not in named


def test_calls_and_the_parts_of_their_prompts_are_tables(spoken):
    assert ask("SELECT count(*), count(DISTINCT subject) FROM calls WHERE role = 'user'", spoken)[0][1] == 4
    question = """
        SELECT count(*) FROM (SELECT id, unnest(parts) AS hash FROM calls) JOIN parts USING (hash) WHERE name = 'page'
    """
    assert ask(question, spoken) == ask("SELECT count(*) FROM calls", spoken)
    ((reply, hit),) = ask("SELECT reply, cache_hit FROM Calls WHERE status = 'answered' ORDER BY id LIMIT 1", spoken)
    assert reply.startswith("{")
    assert hit is False
    with open_database([spoken]) as database:
        counts = {one.name: one.rows for one in database.tables()}
        assert counts["calls"] == next(database.ask("SELECT count(*) FROM calls").rows)[0]


def test_several_runs_are_one_table_whose_rows_say_of_which_run(plain, spoken):
    both = ask("SELECT run, count(*) FROM pages GROUP BY run ORDER BY run", plain, spoken)
    assert both == [
        ("plain", *ask("SELECT count(*) FROM pages", plain)[0]),
        ("spoken", *ask("SELECT count(*) FROM pages", spoken)[0]),
    ]
    assert ask("SELECT DISTINCT run FROM calls", plain, spoken) == [("spoken",)]
    with pytest.raises(ConfigError, match="each run once"):
        open_database([plain, plain / "."])


def test_a_table_that_only_some_runs_have_is_told_with_their_names(plain, spoken):
    with open_database([plain, spoken]) as database:
        rows = list(database.ask("SELECT DISTINCT run FROM calls").rows)
        notes = database.notes
        database.ask("SELECT count(*) FROM pages")
        assert not database.notes
    assert rows == [("spoken",)]
    assert notes == ["calls: of spoken alone; plain has none"]


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path):
    runs = [logs.write_run(tmp_path / name / "it's", logs.HAND, arms=["a", "b"]) for name in ("one", "two")]
    assert ask("SELECT DISTINCT run FROM pages ORDER BY run", *runs) == [(str(one),) for one in runs]


def test_values_are_plain(plain):
    values = f"'nan'::double, 1.5, DATE '2020-02-03', [1, NULL], {{'a': 'nan'::float}}, 'x'::blob, {2**127 - 1}"
    assert ask(f"SELECT {values}", plain) == [(None, 1.5, "2020-02-03", [1, None], {"a": None}, "78", 2**127 - 1)]


def test_an_unfinished_run_is_read_as_far_as_it_is_and_says_so(tmp_path):
    folder = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"], finished={"a": True, "b": False})
    logs.write_table(folder / "pages", logs.PAGES, [{"arm": "b", "user_id": 1, "visit": 0, "page": 0}], "01-00001")
    with open_database([folder]) as database:
        assert list(database.ask("SELECT count(*) FROM pages").rows) == [(7,)]
        assert database.notes == [
            "run: not finished: b (4 pages so far)",
            "run: left out: 1 files that the index does not name, as a kill leaves them",
        ]


def test_a_log_without_an_index_is_read_whole_and_says_so(tmp_path):
    folder = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"], per_file=2)
    with open_database([folder]) as database:
        assert list(database.ask("SELECT arm, count(*) FROM pages GROUP BY arm ORDER BY arm").rows) == [("a", 3), ("b", 4)]
        assert database.notes == ["run: no index of segments: every file of the log is read"]


def test_damage_is_told_by_the_name_of_the_file(tmp_path):
    folder = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"], finished={"a": True, "b": True})
    (folder / "items.parquet").write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(LogError, match=r"items\.parquet: cannot be read as Parquet"):
        open_database([folder])
    (folder / "items.parquet").unlink()
    (folder / "calls.sqlite").write_bytes(b"nothing of the kind")
    with open_database([folder]) as database, pytest.raises(LogError, match=r"calls\.sqlite: got"):
        database.ask("SELECT * FROM calls")
    path = folder / "pages" / "00-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogError, match=r"00-00000\.parquet: got a file missing or damaged"):
        open_database([folder])
    with pytest.raises(LogError, match=r"manifest\.json"):
        open_database([tmp_path])


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("SELECT nope FROM pages", 'column "nope" not found'),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT * FROM nowhere", "nowhere does not exist"),
        ("SELECT 1; SELECT 2", "got SELECT and SELECT, expected one SELECT"),
        ("", "got nothing, expected one SELECT"),
        ("SELECT error('no\nluck')", "no; luck"),
        ("SELECT 'x'::int", "Could not convert"),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(plain, question, said):
    with open_database([plain]) as database, pytest.raises(ConfigError) as caught:
        list(database.ask(question).rows)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


WRITES = (
    "COPY (SELECT 1) TO 'OUT'",
    "COPY pages TO 'RUN/pages/00-00000.parquet'",
    "EXPORT DATABASE 'OUT'",
    "ATTACH 'OUT'",
    "CREATE TABLE mine AS SELECT 1",
    "INSERT INTO pages SELECT * FROM pages",
    "DELETE FROM pages",
    "DROP VIEW pages",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "CREATE PERSISTENT SECRET mine (TYPE s3)",
    "CREATE MACRO mine() AS 1",
)
READS = (
    "SELECT * FROM read_csv('OTHER')",
    "SELECT * FROM read_text('OTHER')",
    "SELECT * FROM read_blob('OTHER')",
    "SELECT * FROM sniff_csv('OTHER')",
    "SELECT * FROM 'OTHER'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('RUN/pages/00-00000.parquet')",
    "SELECT * FROM read_json('http://127.0.0.1:PORT/x')",
    "SELECT * FROM 'http://127.0.0.1:PORT/x.parquet'",
    "SELECT * FROM query('COPY (SELECT 1) TO ''OUT''')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''OTHER'')'))",
    "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = 'OUT')",
    "SELECT * FROM enable_profiling(format = 'json', save_location = 'OUT')",
    "SELECT getenv('HOME')",
    "SELECT * FROM sqlite_scan('RUN/calls.sqlite', 'calls')",
    "SELECT * FROM plain",
    "WITH one AS (COPY (SELECT 1) TO 'OUT') SELECT * FROM one",
)


@pytest.fixture
def guarded(plain, tmp_path, monkeypatch):
    """Say how to write a question of these places; afterwards nothing was written, changed or asked of the network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("secret\n1\n")
    before = hashes(plain)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        names = {"OUT": tmp_path / "out", "OTHER": tmp_path / "other.csv", "RUN": plain, "PORT": server.getsockname()[1]}

        def write(question):
            for name, value in names.items():
                question = question.replace(name, str(value))
            return question

        yield write
        with pytest.raises(TimeoutError):
            server.accept()
    assert hashes(plain) == before
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


def hashes(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("question", [*WRITES, *READS])
def test_nothing_is_written_and_nothing_but_the_tables_is_read(plain, guarded, question):
    with open_database([plain]) as database, pytest.raises(ConfigError):
        list(database.ask(guarded(question)).rows)


IN_MEMORY = ("CREATE TABLE", "CREATE MACRO", "DROP VIEW", "PRAGMA", "CALL")
"""Beginnings of what reaches nothing outside, and is gone with the connection."""


@pytest.mark.parametrize("question", [*WRITES, *READS])
def test_the_database_itself_refuses_what_reaches_outside(plain, guarded, question):
    with open_database([plain]) as database:
        try:
            # Past the check that it is one SELECT.
            database._connection.execute(guarded(question)).fetchall()
            reached = not question.startswith(IN_MEMORY)
        except duckdb.Error:
            reached = False
    assert not reached


def test_calls_lie_in_a_folder_of_their_own_that_is_gone_afterwards(spoken):
    before = hashes(spoken)
    with open_database([spoken]) as database:
        folder = database._folder
        list(database.ask("SELECT * FROM calls").rows)
        assert [path.name for path in folder.iterdir()] == ["0-calls.parquet"]
    assert not folder.exists()
    assert hashes(spoken) == before


def test_a_question_that_takes_too_much_memory_is_refused_in_one_line(plain, monkeypatch):
    monkeypatch.setitem(sql_query._LOCKED, "memory_limit", "50MB")
    question = "SELECT i, i::varchar AS s FROM range(5000000) one(i) ORDER BY s DESC"
    with (
        open_database([plain]) as database,
        pytest.raises(ConfigError, match=r"^sql: got a question that takes more than [^\n]+$"),
    ):
        next(database.ask(question).rows)


def test_rows_come_as_they_are_asked_for(plain):
    with open_database([plain]) as database:
        rows = database.ask("SELECT i FROM range(100000000000) one(i)").rows
        assert [next(rows) for _ in range(3)] == [(0,), (1,), (2,)]
