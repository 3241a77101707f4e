"""Side files with other types, sizes and shapes than were written: one line that names the file, never a traceback."""

import copy
import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import RecSimError
from recsim_llm.report import page, write_report

SMALL = ["--n-users", "30", "--pages", "2", "--seed", "1", "--recommenders", "random,popularity", "--quiet"]
ODD = (None, True, -1, 0.5, 10**30, float("nan"), "", "text", [], {}, [[]], {"a": 1}, [None], 2**63, 1e308)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "run"
    assert main(["compare", "demo", *SMALL, "--out", str(folder)]) == 0
    return folder


def places(value, path=()):
    """Yield the path of everything in a JSON value."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def changed(content, path, value, remove):
    """Return the content with one thing in it replaced or removed."""
    if not path:
        return value
    content = copy.deepcopy(content)
    place = content
    for key in path[:-1]:
        place = place[key]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


def mutations(content, count):
    random, known = np.random.default_rng(0), list(places(content))
    for number in range(count):
        path = known[int(random.integers(len(known)))]
        yield changed(content, path, ODD[int(random.integers(len(ODD)))], bool(path) and number % 4 == 0)


def texts(path, count):
    """Yield mutations of a file as text: other values, and cuts."""
    content = path.read_text()
    yield from ("", "{", "[]", "null", "[" * 100_000, content[: len(content) // 2], content + "}", "\udcff")
    for mutation in mutations(json.loads(content), count):
        yield json.dumps(mutation)


@contextmanager
def file_of(path, text):
    before = path.read_bytes()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", ["comparison.json", "manifest.json"])
def test_a_report_names_the_damaged_file_or_is_written(name, compared, monkeypatch):
    for drawer in ("write_figure", "_draw_comparison"):
        monkeypatch.setattr(page, drawer, lambda *_: "")
    said = []
    for text in texts(compared / name, 20):
        with file_of(compared / name, text):
            try:
                write_report(compared)
            except RecSimError as error:
                said.append(str(error))
    assert len(said) > 12
    assert [line for line in said if name not in line or "\n" in line] == []


@pytest.mark.parametrize("verb", [["resume"], ["compare"], ["export"]], ids=lambda verb: verb[0])
@pytest.mark.parametrize("name", ["manifest.json", "comparison_settings.json"])
def test_other_verbs_end_with_one_line(verb, name, compared, tmp_path, capsys):
    folder = shutil.copytree(compared, tmp_path / "run")
    more = ["obp", str(tmp_path / "export")] if verb == ["export"] else []
    for text in texts(compared / name, 6):
        with file_of(folder / name, text):
            status = main([*verb, str(folder), *more, "--quiet"])
        said = capsys.readouterr().err
        assert status == 0 or (status == 2 and said.count("\n") == 1), said
        shutil.rmtree(tmp_path / "export", ignore_errors=True)


def test_a_damaged_file_is_not_followed_by_the_command_that_met_it(compared, tmp_path, capsys):
    folder = shutil.copytree(compared, tmp_path / "run")
    (folder / "items.parquet").write_bytes(b"PAR1 cut off")
    assert main(["report", str(folder)]) == 2
    assert capsys.readouterr().err.endswith("restore the file or start a new run\n")


def test_nothing_to_say_names_the_options_and_promises_no_kept_answers(compared, capsys):
    assert main(["speak", str(compared)]) == 2
    said = capsys.readouterr().err
    assert "got 0 reviews, 0 reasons, 0 interviews" in said
    assert said.endswith("pass --reviews N, --reasons N or --interviews N\n")


def test_both_remedies_for_a_damaged_comparison_work(compared, tmp_path, capsys):
    folder = shutil.copytree(compared, tmp_path / "run")
    for remedy in ("remove", "anew"):
        (folder / "comparison.json").write_text("{}")
        assert main(["report", str(folder), "--quiet"]) == 2
        assert "remove it, or make it anew" in capsys.readouterr().err
        if remedy == "remove":
            (folder / "comparison.json").unlink()
            assert main(["report", str(folder), "--quiet"]) == 0
        else:
            assert main(["compare", str(folder), "--quiet"]) == 0
            assert (folder / "comparison.json").read_bytes() == (compared / "comparison.json").read_bytes()
