"""Faces: what a package exports, typed for checkers and imported for everybody else when it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FACES = ["recsim_llm", "recsim_llm.agents", "recsim_llm.language", "recsim_llm.log", "recsim_llm.population"]
every_face = pytest.mark.parametrize("face", FACES)
MOST = 25


def typed(module):
    """Return the names that a type checker sees, and the modules from which."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {alias.name: statement.module for statement in block.body for alias in statement.names}


@every_face
def test_checkers_and_users_see_the_same_names(face):
    module = importlib.import_module(face)
    names = typed(module)
    assert set(names) == set(module.__all__)
    for name, home in names.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name), name


@every_face
def test_listed_names_are_offered_for_completion_before_they_are_used(face):
    script = (
        f"import {face} as face; assert set(face.__all__) <= set(dir(face)); assert not set(face.__all__) & set(vars(face))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@every_face
def test_an_unknown_name_is_an_attribute_error(face):
    module = importlib.import_module(face)
    with pytest.raises(AttributeError, match=f"module '{face}' has no attribute 'nothing_of_this_name'"):
        _ = module.nothing_of_this_name


def test_the_face_of_the_package_holds_what_a_first_hour_needs_and_no_more():
    assert len(importlib.import_module("recsim_llm").__all__) <= MOST
