"""Recommenders of installed packages: found by name, listed, and told apart from this package's own faults."""

import json
import re
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from recsim_llm.cli.main import main

GUIDE = (Path(__file__).parents[2] / "docs" / "recommenders.md").read_text(encoding="utf-8")
SMALL = ["--n-users", "8", "--pages", "2", "--slate-size", "3", "--seed", "1", "--quiet"]


def block(language, containing):
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL) if containing in text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages can be installed into."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


def install(site, project, module, code):
    """Put into a folder what installing a project of one module leaves there."""
    (site / f"{module}.py").write_text(textwrap.dedent(code))
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))


def package(point, code="", name="freshest"):
    return (
        {"name": "shop-recommenders", "version": "1.0", "entry-points": {"recsim_llm.recommenders": {name: point}}},
        "shop",
        code,
    )


def listed(tmp_path):
    assert main(["list", "--quiet", "--json", str(tmp_path / "list.json")]) == 0
    return json.loads((tmp_path / "list.json").read_text())["recommenders"]


def test_the_package_of_the_guide_is_listed_and_runs(site, tmp_path):
    project = tomllib.loads(block("toml", "shop-recommenders"))["project"]
    code = block("python", "class Freshest").replace("check_recommender(Freshest)", "")
    install(site, project, "shop_recommenders", code)
    assert listed(tmp_path)["freshest"] == "Shows the newest items first, none of them again."
    assert main(["run", "demo", "--recommenders", "popularity,freshest", *SMALL, "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["arms"] == ["popularity", "freshest"]


@pytest.mark.parametrize(
    ("point", "code", "words"),
    [
        ("shop:Frist", "class First: pass", "has no attribute 'Frist'"),
        ("no_shop:First", "", "No module named 'no_shop'"),
        ("shop:First", "raise RuntimeError('no licence')", "RuntimeError: no licence (shop.py line 1)"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named_and_hides_no_other(point, code, words, site, tmp_path, capsys):
    install(site, *package(point, code))
    said = listed(tmp_path)
    assert words in said["freshest"]
    assert said["freshest"].startswith("cannot be loaded: ")
    assert "popularity" in said
    assert main(["run", "demo", "--recommenders", "freshest", *SMALL, "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert f"recommenders 'freshest', entry point '{point}' of the package shop-recommenders: got " in told
    assert words in told
    assert "Traceback" not in told


def test_an_arm_with_a_name_of_its_own_is_named_beside_the_path(tmp_path, capsys):
    arms = "recommenders=[popularity, {name: mine, recommender: 'numpy:Loads'}]"
    assert main(["run", "demo", "--set", arms, *SMALL, "--out", str(tmp_path / "run")]) == 2
    assert "recommender 'mine': recommenders 'numpy:Loads': got no 'Loads'" in capsys.readouterr().err
