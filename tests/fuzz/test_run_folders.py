"""Run folders of anybody: damaged, spoiled and planted. Every verb ends with what was asked for, or with one line."""

import hashlib
import json
import shutil
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import written_runs as logs
from fuzzing import Refusal, checked_line, damaged, encoded, fuzz, outcome, rewritten, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.cli.main import main
from recsim_llm.exports.sql_query import open_database
from recsim_llm.log import open_run, open_segments
from recsim_llm.metrics import measure_run
from recsim_llm.report import page, write_report, write_sessions

SMALL = ["--n-users", "8", "--pages", "2", "--slate-size", "3", "--seed", "1", "--quiet"]
MODEL = ["--users", "language", "--model", "scripted/genres"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with calls of a language model."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["run", "demo", *SMALL, *MODEL, "--recommenders", "random,popularity", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def folder(whole, tmp_path_factory):
    """A copy to be spoiled, one file at a time."""
    return shutil.copytree(whole, tmp_path_factory.mktemp("spoiled") / "run")


@pytest.fixture(autouse=True)
def _plain_pages(monkeypatch):
    for drawer in ("write_figure", "_draw_comparison"):
        monkeypatch.setattr(page, drawer, lambda *_: "")


@contextmanager
def with_content(path, content):
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def look(folder):
    """Read a folder in every way that is quick; return the first refusal."""
    ways = (
        lambda: [*open_run(folder).batches("pages", ["user_id", "clicks", "reward"])],
        lambda: open_run(folder).columns("impressions", ["user_id", "item_id", "item_key", "clicked", "rating"]),
        lambda: measure_run(folder),
        lambda: asked(folder),
    )
    found = [outcome(way) for way in ways]
    return next((one for one in found if isinstance(one, Refusal)), None)


def asked(folder):
    with open_database([folder]) as database:
        database.tables()
        return [*database.ask("SELECT arm, avg(clicks) FROM pages GROUP BY arm").rows]


def names(folder, ending):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{ending}") if path.is_file())


def test_a_whole_folder_is_read(whole):
    assert look(whole) is None


@fuzz(60)
@given(data=st.data())
def test_damaged_tables(folder, data):
    path = folder / data.draw(st.sampled_from(names(folder, ".parquet")))
    with with_content(path, data.draw(damaged(path.read_bytes()))):
        look(folder)


@fuzz(60)
@given(data=st.data())
def test_damaged_tables_whose_checksums_are_right(folder, data):
    path = folder / data.draw(st.sampled_from([name for name in names(folder, ".parquet") if "/" in name]))
    content = data.draw(damaged(path.read_bytes()))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    index = (folder / "segments.jsonl").read_text().replace(before, hashlib.sha256(content).hexdigest())
    with with_content(path, content), with_content(folder / "segments.jsonl", index.encode()):
        look(folder)


KINDS = (pa.string(), pa.int8(), pa.float32(), pa.bool_(), pa.list_(pa.int64()), pa.null(), pa.binary(), pa.timestamp("ns"))


@fuzz(80)
@given(data=st.data())
def test_columns_of_other_types(folder, data):
    path = folder / data.draw(st.sampled_from(names(folder, ".parquet")))
    table = pq.read_table(path)
    name = data.draw(st.sampled_from(table.schema.names))
    act = data.draw(st.sampled_from(["gone", "null", "other", "none", "twice"]))
    if act in ("null", "other"):
        kind = data.draw(st.sampled_from(KINDS)) if act == "other" else table.schema.field(name).type
        table = table.set_column(table.schema.names.index(name), name, pa.nulls(len(table), kind))
    else:
        changed = {"gone": table.drop_columns([name]), "none": table.slice(0, 0), "twice": pa.concat_tables([table, table])}
        table = changed[act]
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content, before = sink.getvalue().to_pybytes(), hashlib.sha256(path.read_bytes()).hexdigest()
    index = (folder / "segments.jsonl").read_text().replace(before, hashlib.sha256(content).hexdigest())
    with with_content(path, content), with_content(folder / "segments.jsonl", index.encode()):
        look(folder)


@fuzz(80)
@given(data=st.data())
def test_spoiled_manifests(folder, data):
    content = json.loads((folder / "manifest.json").read_text())
    spoilt = spoiled(content).map(lambda value: encoded(json.dumps(value))) | damaged(json.dumps(content).encode())
    with with_content(folder / "manifest.json", data.draw(spoilt)):
        look(folder)


@fuzz(100)
@given(data=st.data())
def test_spoiled_indices(folder, data):
    text = (folder / "segments.jsonl").read_text()
    first, *rest = text.splitlines()
    lines = spoiled(json.loads(first)).map(lambda value: encoded("\n".join([json.dumps(value), *rest, ""])))
    spoilt = data.draw(lines | rewritten(text).map(encoded) | damaged(text.encode()))
    with with_content(folder / "segments.jsonl", spoilt):
        look(folder)


@pytest.mark.parametrize(
    "path", ["pages/../../secret.parquet", "pages//../secret.parquet", "/etc/passwd", "pages", "", "pages/a/b.parquet"]
)
def test_an_index_leads_nowhere_else(path, tmp_path):
    run = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"], finished={"a": True, "b": True})
    secret = tmp_path / "secret.parquet"
    secret.write_bytes(next((run / "pages").iterdir()).read_bytes())
    line = json.loads((run / "segments.jsonl").read_text().splitlines()[0])
    line["sha256"] = {path: hashlib.sha256(secret.read_bytes()).hexdigest()}
    (run / "segments.jsonl").write_text(json.dumps(line) + "\n")
    for read in (open_run, open_segments):
        assert isinstance(outcome(lambda read=read: read(run)), Refusal)


@pytest.mark.parametrize("name", ["segments.jsonl", "manifest.json", "metrics.json", "comparison.json"])
@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a":' * 100_000, b"9" * 5_000, b"\xff\xfe\x00", b"1e999", b'{"arm": Infinity}\n']
)
def test_bombs(name, content, folder):
    path = folder / name
    fresh = not path.exists()
    path.write_bytes(path.read_bytes() if path.exists() else b"")
    with with_content(path, content):
        look(folder)
        outcome(lambda: write_report(folder))
    if fresh:
        path.unlink()


@fuzz(25)
@given(data=st.data())
def test_damaged_calls(folder, data):
    path = folder / "calls.sqlite"
    with with_content(path, data.draw(damaged(path.read_bytes()))):
        outcome(lambda: write_sessions(folder, 3))
        outcome(lambda: calls_of(folder))


def calls_of(folder):
    with open_database([folder]) as database:
        return [*database.ask("SELECT count(*) FROM calls").rows], [*database.ask("SELECT * FROM parts").rows]


@pytest.mark.parametrize("verb", ["report", "resume", "compare", "export"])
@fuzz(6)
@given(data=st.data())
def test_verbs_end_with_one_line(verb, whole, tmp_path_factory, capsys, data):
    folder = shutil.copytree(whole, tmp_path_factory.mktemp("verb") / "run")
    name = data.draw(st.sampled_from(["manifest.json", "segments.jsonl", "metrics.json", "items.parquet", "calls.sqlite"]))
    path = folder / name
    if not path.exists():
        return
    content = path.read_bytes()
    spoilt = damaged(content)
    if name.endswith(".json"):
        spoilt |= spoiled(json.loads(content)).map(lambda value: encoded(json.dumps(value)))
    path.write_bytes(data.draw(spoilt))
    more = ["obp", str(folder.with_name("export"))] if verb == "export" else []
    capsys.readouterr()
    status = main([verb, str(folder), *more, "--quiet"])
    said = capsys.readouterr().err.splitlines()
    assert status in (0, 2)
    if status == 2:
        assert len(said) == 1, said
        checked_line(said[0].removeprefix("recsim-llm: "))
        assert not folder.with_name("export").exists()
    assert not [path for path in folder.rglob("*.part") if path.is_file()]
