"""Tables that spreadsheets open: nothing that came from outside begins a formula in any of them."""

import csv

import pytest
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.cli.main import main
from recsim_llm.core.spreadsheet_text import defused

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
FORMULA = '=HYPERLINK("http://127.0.0.1/"&A1,"x")'
PLANTED = (FORMULA, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "  =1+1", "'=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose ids, titles and arms are formulas."""
    folder = tmp_path_factory.mktemp("formulas")
    data = folder / "data"
    data.mkdir()
    users, items = range(14), range(24)
    with (data / "interactions.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["user_id", "item_id", "rating", "timestamp"])
        rows.writerows(
            [f"{PLANTED[user % 6]}{user}", f"{PLANTED[item % 6]}{item}", 1 + (user * item) % 5, user * item]
            for user in users
            for item in items
            if (user + item) % 3
        )
    with (data / "items.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["item_id", "title", "genres"])
        rows.writerows([f"{PLANTED[item % 6]}{item}", f"{PLANTED[item % 6]} film {item}", "=Drama"] for item in items)
    arms = 'recommenders=[{name: "=cmd|x", recommender: random}, {name: "@SUM(A1)", recommender: popularity}]'
    asked = ["--n-users", "10", "--pages", "2", "--slate-size", "3", "--seed", "1", "--set", arms, "--quiet"]
    assert main(["run", "demo", "--data", str(data), *asked, "--out", str(folder / "run")]) == 0
    return folder / "run"


def check(folder):
    """Return how many cells of the tables below a folder were looked at; none begins a formula."""
    count = 0
    for path in folder.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.reader(stream):
                for cell in row:
                    count += 1
                    number = cell.removeprefix("-").replace(".", "", 1).replace("e-", "", 1).isdecimal()
                    assert number or not cell.lstrip(" ").startswith(BEGINNINGS), (path.name, cell)
    return count


def test_figures_of_a_report_hold_no_formula(run):
    assert main(["report", str(run), "--quiet"]) == 0
    assert check(run / "figures") > 20


@pytest.mark.parametrize("form", ["movielens", "obp", "minari"])
def test_exports_hold_no_formula(form, run, tmp_path):
    more = ["--arm", "=cmd|x"] if form == "minari" else []
    assert main(["export", str(run), form, str(tmp_path / "out"), *more, "--quiet"]) == 0
    assert check(tmp_path / "out") > 20


def test_exported_items_can_still_be_told_apart(run, tmp_path):
    assert main(["export", str(run), "movielens", str(tmp_path / "out"), "--quiet"]) == 0
    for path in (tmp_path / "out").rglob("movies.csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            assert len({row["movieId"] for row in csv.DictReader(stream)}) == 24


@fuzz(200)
@given(one=st.text(alphabet="'=+-@ a\t", max_size=6), other=st.text(alphabet="'=+-@ a\t", max_size=6))
def test_different_texts_stay_different(one, other):
    assert (defused(one) == defused(other)) == (one == other)
    assert not defused(one).lstrip(" ").startswith(BEGINNINGS)
