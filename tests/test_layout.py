"""The layout: rooms at the top of the repository, one import name, and a package that holds what the tree holds."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

import recsim_llm

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("agents", "envs", "scenarios")
HEAVY = ("torch", "transformers", "openai", "aiohttp", "jinja2", "mesa", "ray", "matplotlib", "pyarrow", "scipy", "pydantic")
EXTRAS = ("stable_baselines3", "torch", "mesa", "ray", "transformers", "llguidance", "sentence_transformers")
NOT_SOURCE = (".git", ".venv", "*.egg-info", "build", "dist", "runs", "__pycache__", ".*_cache", ".hypothesis")


def settings():
    """Return the ``options`` of setup.cfg: package names, and their folders by name."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    folders = dict(line.split(" = ") for line in parser["options"]["package_dir"].split("\n") if line)
    return parser["options"]["packages"].split(), folders


def python(*arguments, cwd=ROOT, **environment):
    """Run a fresh interpreter and return what it did."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def modules():
    found = pkgutil.walk_packages(recsim_llm.__path__, "recsim_llm.")
    return ["recsim_llm", *(module.name for module in found)]


def load(name):
    """Import a module; skip the test if it needs an extra that is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name in EXTRAS:
                pytest.skip(f"{name} needs {error.name}, which is not installed")
            raise


def order(name):
    """Sort as ruff does (RUF022): constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_every_folder_with_an_init_is_listed_as_a_package():
    names, folders = settings()
    tops = [ROOT / "recsim_llm", *(ROOT / room for room in ROOMS)]
    inits = [init for top in tops for init in top.rglob("__init__.py") if not crosses_a_link(init, top)]
    found = {".".join(init.parent.relative_to(ROOT).parts) for init in inits}
    expected = {name if name.startswith("recsim_llm") else f"recsim_llm.{name}" for name in found}
    assert set(names) == expected
    assert folders.keys() == expected
    assert names == sorted(names)
    for name, folder in folders.items():
        assert (ROOT / folder / "__init__.py").is_file(), name


def crosses_a_link(path, top):
    return any(parent.is_symlink() for parent in path.parents if top in parent.parents)


@pytest.mark.parametrize("room", ROOMS)
def test_links_lead_to_the_rooms(room):
    link = ROOT / "recsim_llm" / room
    if not link.is_symlink() and not os.environ.get("CI"):
        pytest.skip("this checkout has no symbolic links; type checks of the rooms need them")
    assert os.readlink(link) == f"../{room}"
    assert link.resolve() == ROOT / room


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_only_imported_by_its_full_name(room):
    shortcut = python("-c", f"import {room}")
    assert shortcut.returncode == 1
    assert shortcut.stderr.strip().endswith(f"ImportError: import recsim_llm.{room}, not {room}")
    assert python("-c", f"import recsim_llm.{room}").returncode == 0


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_all_its_public_names(room):
    module = load(f"recsim_llm.{room}")
    assert all(hasattr(module, name) for name in module.__all__)
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public - {"TYPE_CHECKING", "lazy_names"} == set(module.__all__)


@pytest.mark.parametrize("name", modules())
def test_listed_names_exist_are_sorted_and_are_documented(name):
    module = load(name)
    listed = getattr(module, "__all__", [])
    assert list(listed) == sorted(listed, key=order)
    assert len(set(listed)) == len(listed)
    for public in listed:
        value = getattr(module, public)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"{name}.{public} has no docstring"


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is(name):
    path = load(name).__file__
    assert ast.get_docstring(ast.parse(Path(path).read_text(encoding="utf-8")))


def test_the_import_is_light():
    script = f"import sys, recsim_llm; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("room", ["agents", "log", "population"])
def test_the_face_of_a_room_is_light(room):
    script = f"import sys, recsim_llm.{room}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    assert python("-c", script).stdout.strip() == ""


def test_the_environment_is_found_by_its_name_in_a_fresh_interpreter(tmp_path):
    (tmp_path / "plugin.py").write_text("import conftest\n\ndef build(*_, **__):\n    return conftest.build_world()\n")
    script = (
        "import gymnasium, sys; assert 'recsim_llm' not in sys.modules; "
        "env = gymnasium.make('recsim_llm:RecSimLLM/Browse-v0', users='plugin:build', slate_size=3); "
        "env.reset(seed=1); print(env.spec.id)"
    )
    done = python("-c", script, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT / "tests")]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "RecSimLLM/Browse-v0"


def test_importing_the_package_registers_the_environment():
    script = "import gymnasium, recsim_llm; print('RecSimLLM/Browse-v0' in gymnasium.registry)"
    assert python("-c", script).stdout.strip() == "True"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the tree, and the wheel and source archive built from it; the checkout gets no build folder."""
    pytest.importorskip("setuptools", reason="building needs setuptools")
    folder = tmp_path_factory.mktemp("built")
    tree, out = folder / "tree", folder / "out"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    script = f"from setuptools import build_meta as b; b.build_sdist({str(out)!r}); b.build_wheel({str(out)!r})"
    done = python("-c", script, cwd=tree)
    assert done.returncode == 0, done.stderr[-2000:]
    return tree, out


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built):
    tree, out = built
    _, folders = settings()
    source = {
        f"{name.replace('.', '/')}/{path.name}"
        for name, folder in folders.items()
        for path in (tree / folder).iterdir()
        if path.is_file() and path.suffix != ".pyc"
    }
    below = [*(tree / "agents/language/templates").rglob("*.jinja"), *(tree / "scenarios").glob("*/*.yaml")]
    source |= {f"recsim_llm/{path.relative_to(tree).as_posix()}" for path in below}
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == source
    assert {"recsim_llm/py.typed", "recsim_llm/data/fictional_films.csv"} <= packed


def test_the_wheel_knows_the_command(built):
    _, out = built
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert "recsim-llm = recsim_llm.cli.main:main" in wheel.read(entry_points).decode()


@pytest.mark.parametrize("folder", ["tests", "notebooks", "benchmarks", "docs", *ROOMS, "recsim_llm"])
def test_the_source_archive_holds_the_folder(built, folder):
    tree, out = built
    with tarfile.open(next(out.glob("*.tar.gz"))) as archive:
        packed = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    source = [path for path in (tree / folder).rglob("*") if path.is_file() and not crosses_a_link(path, tree)]
    expected = {str(path.relative_to(tree)) for path in source if path.suffix != ".pyc"}
    assert expected
    assert expected <= packed
