"""The house: rooms whose modules can be told apart, and functions that can be read at a glance."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("recsim_llm", "agents", "envs", "scenarios")
MOST_LINES = 60

IN_TWO_ROOMS = {
    "world": "a population with its items and behaviour; and the Mesa model of a world in time, where the design names it",
    "tables": "data loads a user's tables of interactions and items; log keeps the tables beside a run's log",
    "schema": "the columns of a run's log, and the fields of a scenario file: both declare what a file must hold",
}
"""Module names that stand in more than one room, and why."""


def sources():
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            crosses_a_link = any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents)
            if not crosses_a_link:
                yield path


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_module_name_stands_in_two_rooms_without_a_reason():
    rooms = defaultdict(list)
    for path in sources():
        if not path.stem.startswith("__"):
            rooms[path.stem].append(str(path.relative_to(ROOT)))
    twice = {name: places for name, places in rooms.items() if len(places) > 1}
    assert twice.keys() == IN_TWO_ROOMS.keys(), twice


@pytest.mark.parametrize("top", TOPS)
def test_no_function_is_longer_than_a_screen(top):
    found = [
        f"{path.relative_to(ROOT)}: {function.name}, {function.end_lineno - function.lineno + 1} lines"
        for path in sources()
        if path.relative_to(ROOT).parts[0] == top
        for function in functions(path)
        if function.end_lineno - function.lineno + 1 > MOST_LINES
    ]
    assert not found
