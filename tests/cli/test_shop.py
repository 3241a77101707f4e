"""The page on shop data: its commands and its Python do what it says, in one folder, from top to bottom."""

import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

from recsim_llm.cli.main import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "shop.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder after all commands of the page."""
    folder = tmp_path_factory.mktemp("page")
    for scenario in re.findall(r"```yaml\n(name: .*?)```", PAGE, flags=re.DOTALL):
        (folder / f"{yaml.safe_load(scenario)['name']}.yaml").write_text(scenario, encoding="utf-8")
    commands = re.findall(r"^    (recsim-llm .*)$", PAGE, flags=re.MULTILINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert [main(shlex.split(command)[1:]) for command in commands] == [0] * len(commands)
    return folder


def test_the_files_are_those_that_the_page_shows(done):
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
    purchases, products = shown.strip().split("\n\n")
    assert (done / "my-shop" / "interactions.csv").read_text(encoding="utf-8").startswith(purchases)
    assert (done / "my-shop" / "items.csv").read_text(encoding="utf-8").startswith(products)
    lines = (done / "my-shop" / "interactions.csv").read_text(encoding="utf-8").splitlines()
    assert f"{len(lines) - 1:,} purchases" in PAGE


def test_the_python_of_the_page_holds(done):
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    subprocess.run([sys.executable, "-c", code + "\nassert bought"], cwd=done, check=True)


def test_the_report_names_products_and_no_stars(done):
    page = (done / "runs" / "shop" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"\(SKU-[A-Z]{3}-\d\d\)", page)
    assert not re.search(r"\bstars?\b", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL))


def test_the_command_of_the_report_gives_the_run_again(done, monkeypatch):
    page = (done / "runs" / "shop" / "report.html").read_text(encoding="utf-8")
    (command,) = re.findall(r"<pre>(recsim-llm run .*?)</pre>", page, flags=re.DOTALL)
    monkeypatch.chdir(done)
    assert main(shlex.split(unescape(command).replace("\\\n", " "))[1:]) == 0
    assert (done / "again" / "segments.jsonl").read_bytes() == (done / "runs" / "shop" / "segments.jsonl").read_bytes()


def test_exports_have_the_shops_own_ids(done):
    clicks = (done / "exports" / "recbole" / "mf" / "mf-clicks" / "mf-clicks.inter").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"C\d{4}\tSKU-[A-Z]{3}-\d\d\t", line) for line in clicks[1:])
    assert (done / "exports" / "obp" / "random" / "users.csv").read_text(encoding="utf-8").startswith("user_id,user_key\n")
    words = (done / "exports" / "words" / "mf" / "dialogues.jsonl").read_text(encoding="utf-8")
    assert not re.search(r"\bC\d{4}\b", words)
    assert "SKU-" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "make", "shop"], "got 'shop' without a folder, expected `recsim-llm data make shop FOLDER`"),
        (["data", "make", "film", "x"], "got 'film', expected `recsim-llm data make shop FOLDER`"),
        (["data", "get", "ml-1m", "x"], "leave it out"),
        (["data", "make", "shop", "my-shop"], "which holds files"),
    ],
)
def test_a_shop_is_made_in_a_new_folder_alone(done, arguments, words, monkeypatch, capsys):
    monkeypatch.chdir(done)
    assert main(arguments) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")
