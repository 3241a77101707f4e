"""Own tables on the command line: what error texts advise works as it stands, and every verb says what it left out."""

import json
import re
import shlex
import textwrap
from pathlib import Path

import pytest
import yaml

from recsim_llm.cli.main import main
from recsim_llm.cli.options import read_table_options
from recsim_llm.cli.parser import make_parser
from recsim_llm.cli.users import _card_request
from recsim_llm.data import TableSettings, open_dataset
from recsim_llm.errors import DataError
from recsim_llm.scenarios.schema import scenario_from

SMALL = ["--pages", "2", "--slate-size", "2", "--seed", "1", "--recommenders", "random,popularity"]
LEFT_OUT = "data: 20 rows were left out (sales.csv: not rated 20)"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a folder with 20 customers, 8 goods, ratings from 1 to 10 and -1 where nothing was rated."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [
        f"C{user:03};G-{item};{(user * item + user) % 10 + 1};{100 * user + item}" for user in range(20) for item in range(6)
    ]
    rows += [f"C{user:03};G-7;-1;{100 * user + 50}" for user in range(20)]
    goods = [f'G-{item};Thing {item};"{"Home, Garden" if item % 2 else "Garden, Toys"}"' for item in range(8)]
    (folder / "sales.csv").write_text("\n".join(["customer;good;stars;second", *rows]))
    (folder / "goods.csv").write_text("\n".join(["good;label;kind", *goods]))
    return folder


PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
STARTS = ("buyer;sku;day", "sku;label;tags", "recsim-llm fit sales", "data: read sales.csv")
COLUMNS = {
    "user_id": "customer",
    "item_id": "good",
    "rating": "stars",
    "timestamp": "second",
    "title": "label",
    "genres": "kind",
}
READING = [*(f"--column={ours}={theirs}" for ours, theirs in COLUMNS.items()), "--not-rated=-1", "--rating-scale=1,10"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 2
    *progress, text = capsys.readouterr().err.strip().splitlines()
    assert text.startswith("recsim-llm: ")
    assert "Traceback" not in "".join(progress)
    return text


def test_the_advice_of_each_message_leads_to_the_next_and_then_to_a_run(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "movielens", "--data", str(shop), *SMALL, "--out", str(tmp_path / "out")]
    text = refused(capsys, *command)
    assert "goods.csv with good, label, kind" in text
    command += [f"--column={ours}={theirs}" for ours, theirs in COLUMNS.items()]
    text = refused(capsys, *command)
    assert "-1 means not rated" in text
    (advice,) = re.findall(r"if -1 means not rated pass (.*), in a scenario", text)
    assert main([*command, *shlex.split(advice)]) == 0
    printed = capsys.readouterr().out
    assert LEFT_OUT in printed
    assert "read sales.csv as interactions and goods.csv as items, by their columns" in printed
    assert not (tmp_path / "out" / "report.html.part").exists()


def test_run_compare_and_resume_print_and_keep_what_was_left_out(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("run", "compare"):
        out, table = tmp_path / verb, tmp_path / f"{verb}.json"
        assert main([verb, "movielens", "--data", str(shop), *READING, *SMALL, "--out", str(out), "--json", str(table)]) == 0
        assert capsys.readouterr().out.count(LEFT_OUT) == 1
        assert json.loads(table.read_text())["reading"]["skipped"] == {"sales.csv: not rated": 20}
        assert json.loads((out / "manifest.json").read_text())["data"]["skipped"] == {"sales.csv: not rated": 20}
    assert main(["resume", str(tmp_path / "run")]) == 0
    assert LEFT_OUT in capsys.readouterr().out


def test_fit_prints_what_was_left_out(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(shop), str(tmp_path / "fit"), *READING, "--json", str(tmp_path / "fit.json")]) == 0
    assert LEFT_OUT in capsys.readouterr().out
    assert json.loads((tmp_path / "fit.json").read_text())["reading"]["skipped"] == {"sales.csv: not rated": 20}


def test_a_realism_card_reads_tables_by_the_same_options(shop: Path) -> None:
    request = _card_request(make_parser().parse_args(["realism", "--data", str(shop), *READING]))
    assert open_dataset(request.data, **request.tables.model_dump()).skipped == {"sales.csv: not rated": 20}
    assert request.tables.command_line() == [*READING[:-2], "--rating-scale=1,10", "--not-rated=-1"]


def test_the_scenario_says_the_same(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.parent)  # A scenario's file points into the current folder alone.
    settings = {
        "name": "shop",
        "data": shop.name,
        "columns": COLUMNS,
        "not_rated": -1,
        "rating_scale": [1, 10],
        "genre_separator": ", ",
        "string_ids": True,
        "recommenders": ["random", "popularity"],
        "slate_size": 2,
        "max_pages": 2,
        "seed": 1,
    }
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(settings))
    assert main(["run", str(tmp_path / "shop.yaml"), "--out", str(tmp_path / "out")]) == 0
    assert LEFT_OUT in capsys.readouterr().out
    assert main(["run", "movielens", "--data", str(shop), *READING, *SMALL, "--out", str(tmp_path / "flags"), "--quiet"]) == 0
    found = [json.loads((tmp_path / name / "manifest.json").read_text())["data"] for name in ("out", "flags")]
    assert found[0] == found[1]


def test_the_example_of_the_page_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = [textwrap.dedent(block).strip() for block in re.findall(r"(?:^    .*\n)+", page, flags=re.MULTILINE)]
    sales, products, command, printed = (next(block for block in blocks if block.startswith(start)) for start in STARTS)
    (tmp_path / "sales").mkdir()
    (tmp_path / "sales" / "sales.csv").write_text(sales)
    (tmp_path / "sales" / "products.csv").write_text(products)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    assert printed in capsys.readouterr().out


ROWS = "user_id,item_id,rating\n"
ADVISED = {
    "not rated": {"interactions.csv": ROWS + "1,1,4\n1,2,0\n2,1,3\n2,2,5\n"},
    "not rated, twice": {"interactions.csv": ROWS + "1,1,4\n1,2,-1\n2,1,3\n2,2,5\n3,1,99\n3,2,2\n"},
    "scale": {"interactions.csv": ROWS + "1,1,7\n1,2,9\n2,1,3\n"},
    "implicit": {"interactions.csv": "user_id,item_id\n1,1\n1,2\n"},
    "repeats": {"interactions.csv": ROWS + "1,1,4\n1,1,3\n2,1,5\n"},
    "flags": {"interactions.csv": ROWS + "1,1,1\n1,2,0\n2,1,1\n"},
    "ids": {"interactions.csv": ROWS + "1,1,4\n1e+05,2,3\n"},
    "genres": {"interactions.csv": ROWS + "1,1,4\n2,1,3\n", "items.csv": 'item_id,genres\n1,"Home, garden"\n'},
}


@pytest.mark.parametrize("files", ADVISED.values(), ids=ADVISED.keys())
def test_advice_means_the_same_in_all_three_forms_and_works(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path)
    advice = re.search(
        r"(?:pass|instance) ('?--(?:(?!; ).)*?), in a scenario (.*?), in Python (.*?)(?: if rows are .*|; .*)?$",
        str(error.value),
    )
    assert advice is not None
    command, scenario, python = advice.groups()
    options = read_table_options(make_parser().parse_args(["fit", str(tmp_path), "out", *shlex.split(command)]))
    keys = yaml.safe_load(f"{{{scenario}}}")
    settings = TableSettings.of(options)
    assert settings == TableSettings.of(eval(f"dict({python})"))
    made = scenario_from({"name": "x", "recommenders": ["random"], **keys}, "advice")
    assert settings == TableSettings.read(made.table_options, "advice")
    assert len(open_dataset(tmp_path, **settings.model_dump()).ratings) > 0


def test_clicks_run_without_ratings(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (shop / "sales.csv").read_text().splitlines()
    clicks = [";".join([*row.split(";")[:2], row.split(";")[3]]) for row in rows if ";-1;" not in row]
    (shop / "sales.csv").write_text("\n".join([*clicks, *clicks[1:6]]))
    columns = [f"--column={ours}={theirs}" for ours, theirs in COLUMNS.items() if ours != "rating"]
    command = ["run", "movielens", "--data", str(shop), *columns, *SMALL, "--out", str(tmp_path / "out")]
    assert "pass --feedback=implicit" in refused(capsys, *command)
    assert main([*command, "--feedback=implicit"]) == 0
    assert "data: 5 rows were counted as repeats of a user and an item" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--rating-scale=ten", "--rating-scale: got 'ten', expected numbers, for instance --rating-scale=1,10"),
        ("--rating-scale=1", "rating_scale: got (1.0,), expected"),
        ("--not-rated=x", "--not-rated: got 'x', expected numbers"),
        ("--constant-rating=9", "constant_rating: got 9.0, expected a number"),
    ],
)
def test_options_that_cannot_be_read_are_refused(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    assert said in refused(capsys, "fit", str(shop), str(tmp_path / "fit"), option)
    assert said in refused(capsys, "run", "movielens", "--data", str(shop), option, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
