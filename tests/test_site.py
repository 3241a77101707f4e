"""The documentation site: it builds without a warning, stands alone, and its reference holds every public name."""

import argparse
import ast
import configparser
import re
import subprocess
import sys
import zlib
from html import unescape
from pathlib import Path

import pytest
import yaml

from recsim_llm import __version__
from recsim_llm.cli.parser import make_parser

ROOT = Path(__file__).resolve().parents[1]
DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)
ELSEWHERE = {
    "recsim_llm": "its names are those of the rooms",
    "recsim_llm.cli": "what it offers is the command, which has a page of its own",
    "recsim_llm.realism.lines": "what it offers is what recsim_llm.realism offers",
}
"""Rooms without a place in the reference, and why."""


def rooms():
    """Return the packages that setup.cfg lists: folder by name."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return dict(line.split(" = ") for line in parser["options"]["package_dir"].split("\n") if line)


def face(folder):
    """Return the names that a package lists as public, each with the module that it comes from, None where it is its own."""
    tree = ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    return {name: homes.get(name) for name in (ast.literal_eval(lists[0]) if lists else [])}


def shown():
    """Return what the pages of the reference say they show."""
    return {name for page in (ROOT / "docs/reference").glob("*.md") for name in DIRECTIVE.findall(page.read_text("utf-8"))}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it, in a folder of its own."""
    pytest.importorskip("mkdocs", reason="building the site needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def inventory(site):
    """Return the full names that the reference has an entry for."""
    raw = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(raw).decode().splitlines()}


def table_rows(page):
    """Return the cells of every row of every table of a page, as text."""
    rows = re.findall(r"<tr.*?</tr>", page.read_text("utf-8"), flags=re.DOTALL)
    cells = [re.findall(r"<t[dh].*?</t[dh]>", row, flags=re.DOTALL) for row in rows]
    return [[" ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in row] for row in cells]


def test_the_citation_names_the_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == __version__


@pytest.mark.parametrize("room", [name for name in rooms() if name not in ELSEWHERE])
def test_a_room_has_its_place_in_the_reference(room):
    assert any(name == room or name.startswith(f"{room}.") for name in shown()), room


@pytest.mark.slow
@pytest.mark.parametrize("room", [name for name, folder in rooms().items() if face(folder) and name not in ELSEWHERE])
def test_the_reference_has_an_entry_for_every_name_of_a_room(site, room):
    entries = inventory(site)
    # Large rooms show their names under the modules that these come from.
    missing = {name for name, home in face(rooms()[room]).items() if not entries & {f"{room}.{name}", f"{home}.{name}"}}
    assert not missing


@pytest.mark.slow
def test_the_observation_of_the_environment_is_a_table(site):
    assert ["history_clicked", "[h * k] int8", "1 where clicked"] in table_rows(site / "reference/envs.html")


@pytest.mark.slow
def test_a_parameter_is_shown_with_type_meaning_and_default(site):
    assert ["max_pages", "int | None", "page budget of a visit (default 20).", "None"] in table_rows(
        site / "reference/envs.html"
    )


@pytest.mark.slow
def test_a_field_of_a_record_is_shown_with_type_meaning_and_default(site):
    rows = table_rows(site / "reference/core.html")
    assert ["genre_names", "tuple[str, ...]", "Names of the genre columns.", "required"] in rows
    assert [
        "retired",
        "BoolArray | None",
        "bool [n]: items that may no longer be shown; None means that all may be.",
        "None",
    ] in rows


@pytest.mark.slow
def test_every_verb_of_the_command_is_there_with_all_its_options(site):
    page = unescape((site / "reference/command-line.html").read_text("utf-8"))
    (verbs,) = (action.choices for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, verb in verbs.items():
        part = page.partition(f'<h2 id="{name}"')[2].partition("<h2 ")[0]
        assert verb.description in part
        options = {action.option_strings[-1] for action in verb._actions if action.option_strings} - {"--help"}
        assert options == set(re.findall(r"<td><code>(--[\w-]+)", part)), name


@pytest.mark.slow
def test_nothing_of_the_site_comes_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(https?:[^\" >]+)", page.read_text("utf-8"))
        assert not loaded, page.name
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(\"?(https?:[^)]*)|@import", style.read_text("utf-8")), style.name


@pytest.mark.slow
def test_the_search_finds_what_the_docstrings_say(site):
    index = (site / "search/search_index.json").read_text("utf-8")
    assert "BrowseEnv" in index
    assert "position_decay" in index
