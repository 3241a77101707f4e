"""What make installs: files of exact versions that serve every supported Python; and which warnings are errors."""

from __future__ import annotations

import configparser
import re
import warnings
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "requirements"
LOCKS = ("core", "dev", "torch", "torch-cpu", "oracle", "weights")
PYTHONS = ("3.11.7", "3.12.1", "3.13.0")


def entries(lock):
    """Return the entries of a lock, a line each, hashes included."""
    text = (FOLDER / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def versions(lock, python):
    """Return the versions by package that a lock gives a Python on Linux."""
    environment = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    }
    found = {}
    for line in entries(lock):
        requirement = Requirement(line.partition(" --hash")[0])
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            assert found.setdefault(canonicalize_name(requirement.name), pin.version) == pin.version
    return found


def needs(*, extras):
    """Return what setup.cfg asks for: the core's packages, or those of every extra."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lists = parser["options.extras_require"].values() if extras else [parser["options"]["install_requires"]]
    return [Requirement(line) for text in lists for line in text.splitlines() if line]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("lock", "extras"), [("core", False), ("dev", False), ("dev", True)])
def test_the_lock_has_a_version_that_setup_cfg_allows(lock, extras, python):
    locked = versions("torch", python) | versions(lock, python)
    for need in needs(extras=extras):
        version = locked[canonicalize_name(need.name)]
        assert need.specifier.contains(version), f"{need} got {version}, expected an allowed one; run make lock"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", ["core", "torch"])
def test_locks_agree(lock, python):
    whole = versions("dev", python)
    own = versions(lock, python)
    assert {name: whole[name] for name in own if name in whole} == {name: own[name] for name in own if name in whole}
    assert lock != "core" or own.keys() <= whole.keys()


def test_the_cpu_build_of_torch_is_that_of_the_lock():
    assert Version(versions("torch-cpu", "3.11.7")["torch"]).public == versions("torch", "3.11.7")["torch"]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_of_a_lock_has_a_hash(lock):
    assert entries(lock)
    for line in entries(lock):
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line[:80]


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_says_where_packages_come_from(path):
    assert not re.search(r"://|--(index|extra-index|find-links)|^-[if] ", path.read_text(encoding="utf-8"), re.MULTILINE)


def warn_from(module, category):
    exec("import warnings; warnings.warn('told', category)", {"__name__": module, "category": category})


@pytest.mark.parametrize("module", ["recsim_llm.core.kernel", "tests.core.test_kernel", "small_server"])
@pytest.mark.parametrize("category", [UserWarning, DeprecationWarning, FutureWarning])
def test_warnings_of_ours_are_errors(module, category):
    with pytest.raises(category):
        warn_from(module, category)


@pytest.mark.parametrize("category", [UserWarning, DeprecationWarning, FutureWarning])
def test_warnings_between_other_packages_are_not_errors(category, pytestconfig):
    if pytestconfig.getoption("pythonwarnings"):
        pytest.skip("the command line says which warnings are errors")
    with warnings.catch_warnings(record=True) as told:
        warn_from("transformers.models", category)
    assert [warning.category for warning in told] == [category]


@pytest.mark.parametrize(("module", "category"), [("numpy.linalg", RuntimeWarning), ("another", ResourceWarning)])
def test_arithmetic_and_leaks_are_errors_wherever_they_are_noticed(module, category):
    with pytest.raises(category):
        warn_from(module, category)
