"""What error texts advise exists: options of the command line, keys of a scenario, parameters in Python, verbs."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from recsim_llm import errors
from recsim_llm.cli.parser import make_parser
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.scenarios.schema import Scenario

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("recsim_llm", "agents", "envs", "scenarios")
VERBS_WITH_DATA = ("run", "compare", "fit", "calibrate", "realism")
ERRORS = {name for name in errors.__all__ if name[0].isupper()}
OPTION = re.compile(r"(?<!var\()(?<![\w-])--([a-z][a-z0-9-]*)")
SETTING = re.compile(r"(?<![\w.{-])([a-z][a-z_0-9]+)=(?=[\w(\[{'\"])")
KEY = re.compile(r"--set ([a-z_]+)")
VERB = re.compile(r"`recsim-llm ([a-z]+)")

OTHER_PROGRAMS = {
    "force-reinstall": "of pip",
    "local-dir": "of Hugging Face's command, which fetches a model",
    "head": "of Ray's command, which starts a cluster",
    "no-deps": "of pip",
}
"""Options of other programs that a text may name, and whose they are."""


@cache
def trees() -> dict[Path, ast.Module]:
    paths = [path for top in TOPS for path in sorted((ROOT / top).rglob("*.py")) if not crosses_a_link(path)]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def crosses_a_link(path: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents)


def texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string in a tree but docstrings; what a formatted string fills in is one odd letter."""
    parts = {id(value) for inner in ast.walk(node) if isinstance(inner, ast.JoinedStr) for value in inner.values}
    doc = {id(inner.value) for inner in ast.walk(node) if isinstance(inner, ast.Expr)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.JoinedStr):
            yield inner.lineno, "".join(str(value.value) if isinstance(value, ast.Constant) else "\0" for value in inner.values)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and id(inner) not in parts | doc:
            yield inner.lineno, inner.value


def messages() -> Iterator[tuple[str, str]]:
    """Yield place and text of every string that goes into an error, and of every constant that is called a remedy."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            raised = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS
            named = isinstance(node, ast.Assign) and "remedy" in ast.unparse(node.targets[0]).lower()
            if raised or named:
                yield from ((f"{path.relative_to(ROOT)}:{line}", text) for line, text in texts(node))


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    (verbs,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(verbs.choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {text.removeprefix("--") for action in parser._actions for text in action.option_strings}


def defined_options() -> set[str]:
    """Return options of the command, and of any other parser in the package."""
    own = {
        argument.value.removeprefix("--")
        for tree in trees().values()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    return own.union(*map(options_of, parsers().values()), options_of(make_parser()))


def parameters() -> set[str]:
    """Return names of parameters of public functions and of fields of public classes."""
    found: set[str] = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.name[0] != "_" or node.name == "__init__"):
                found |= {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)}
            if isinstance(node, ast.ClassDef) and node.name[0] != "_":
                fields = (field for field in node.body if isinstance(field, ast.AnnAssign))
                found |= {field.target.id for field in fields if isinstance(field.target, ast.Name)}
    return found


def test_every_option_that_a_text_names_exists() -> None:
    known = defined_options() | set(OTHER_PROGRAMS)
    missing = [
        f"{path.relative_to(ROOT)}:{line}: --{option}"
        for path, tree in trees().items()
        for line, text in texts(tree)
        for option in OPTION.findall(text)
        if option.rstrip("-") == option and option not in known
    ]
    assert not missing


def test_every_setting_that_a_message_names_exists() -> None:
    known = parameters() | set(Scenario.model_fields)
    named = [(place, name) for place, text in messages() for name in SETTING.findall(text)]
    assert len({name for _, name in named}) > 5
    assert not [f"{place}: {name}=" for place, name in named if name not in known]


def test_every_scenario_key_and_verb_that_a_message_names_exists() -> None:
    everything = list(messages())
    assert any(VERB.search(text) for _, text in everything)
    missing = [f"{place}: {key}" for place, text in everything for key in KEY.findall(text) if key not in Scenario.model_fields]
    missing += [f"{place}: {verb}" for place, text in everything for verb in VERB.findall(text) if verb not in parsers()]
    assert not missing


def test_every_verb_that_takes_data_takes_how_to_read_them() -> None:
    places = {"data", "ratings"}
    taking = {verb for verb, parser in parsers().items() if places & {action.dest for action in parser._actions}}
    assert taking >= set(VERBS_WITH_DATA)
    # The verb data shows one log, whose path stands where the name of a set does.
    assert taking | {"data"} == {verb for verb, parser in parsers().items() if "column" in options_of(parser)}


@pytest.mark.parametrize("verb", VERBS_WITH_DATA)
def test_every_way_to_read_tables_is_an_option_and_a_scenario_key(verb: str) -> None:
    names = {"column" if name == "columns" else name.replace("_", "-") for name in TableSettings.model_fields}
    assert names <= options_of(parsers()[verb])
    assert TableSettings.model_fields.keys() <= Scenario.model_fields.keys()
    for name, field in TableSettings.model_fields.items():
        assert Scenario.model_fields[name].get_default(call_default_factory=True) == field.get_default(
            call_default_factory=True
        )


def test_the_ways_named_by_in_all_forms_are_ways_to_read_tables() -> None:
    calls = [
        call
        for tree in trees().values()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "in_all_forms"
    ]
    named = {keyword.arg for call in calls for keyword in call.keywords if keyword.arg is not None}
    assert len(named) >= 5
    assert named <= TableSettings.model_fields.keys()
