"""The error tree: one module, every class drawn where it stands."""

import importlib
import inspect
import pkgutil
import re
import warnings
from contextlib import suppress

import numpy as np

import recsim_llm
from recsim_llm import errors


def everything_below(kind):
    return {kind, *(other for child in kind.__subclasses__() for other in everything_below(child))}


def test_every_error_of_the_package_is_defined_in_one_module():
    for module in pkgutil.walk_packages(recsim_llm.__path__, "recsim_llm."):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(ModuleNotFoundError):  # of an extra that is not installed
                importlib.import_module(module.name)
    ours = {kind for kind in everything_below(errors.RecSimError) if kind.__module__.startswith("recsim_llm")}
    assert {kind.__module__ for kind in ours} == {"recsim_llm.errors"}
    assert {kind.__name__ for kind in ours} == set(errors.__all__) - {"hide_secrets", "is_full", "one_of"}


def test_the_tree_in_the_docstring_is_the_tree():
    drawn, path = {}, []
    for line in inspect.getdoc(errors).splitlines():
        if found := re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else None
    assert set(drawn) == set(errors.__all__) - {"hide_secrets", "is_full", "one_of"}
    for name, parent in drawn.items():
        if parent is not None:
            assert getattr(errors, name).__mro__[1] is getattr(errors, parent), name


def test_the_text_of_an_error_is_one_line_whatever_it_repeats():
    array = np.arange(40).reshape(8, 5)
    error = errors.ConfigError(f"seed: got {array!r}, expected one\u2028integer\r\n")
    assert len(str(error).splitlines()) == 1
    assert str(error).startswith("seed: got array([[ 0,  1,  2,  3,  4], [ 5, ")
    assert str(error).endswith("]), expected one integer ")


def test_the_text_of_an_error_holds_nothing_that_a_terminal_obeys_and_is_never_long():
    error = errors.DataError("title: got \x1b]0;owned\x07\x1b[2J\u202eevil\ud83d, expected words")
    assert str(error) == "title: got evil?, expected words"
    address = "http://user:" + "s3cret" * 100 + "@host"
    for size in (10, 2_300, 2_390, 2_399, 9_590, 9_600):
        error = errors.DataError("x" * size + " " + address + " " + "y" * 10_000_000 + "; mend it")
        assert len(str(error)) < 3_700
        assert str(error).endswith("yyy; mend it")
        assert "s3cret" not in str(error)
