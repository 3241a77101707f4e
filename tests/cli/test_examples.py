"""The example that each verb's ``--help`` shows: it can be parsed, and typed one after the other the examples work."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from recsim_llm.cli.main import main
from recsim_llm.cli.parser import make_parser
from recsim_llm.scenarios import load_scenario, run


def examples():
    """Return the verb and the arguments of each example, in the order of the help."""
    (choices,) = (action.choices for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    lines = [(name, line.strip()) for name, verb in choices.items() for line in verb.epilog.splitlines()]
    return [(name, shlex.split(line)[1:]) for name, line in lines if line.startswith("recsim-llm ")]


EXAMPLES = examples()
ELSEWHERE = {"fit", "realism", "suite", "tune", "warm", "watch"}
"""Verbs that take long, or until somebody ends them, and whose tests run them on the same data."""
SMALLER = {"compare": ["--n-users", "40", "--pilot", "20"], "audit": ["--n-users", "6"], "train": ["--steps", "2000"]}


@pytest.mark.parametrize(("verb", "arguments"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else "")
def test_an_example_is_of_its_own_verb_and_holds_no_placeholder(verb, arguments):
    assert make_parser().parse_args(arguments).handler
    assert arguments[0] == verb
    assert not [word for word in arguments if word.isupper() and len(word) > 1]


@pytest.mark.slow
def test_examples_work_from_an_empty_folder_in_the_order_of_the_help(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run(load_scenario("exploring", {"users.count": 60, "max_pages": 2}), tmp_path / "runs" / "logged")
    for verb, arguments in EXAMPLES:
        downloads, serves = arguments[:2] == ["data", "get"], "--mcp" in arguments
        if verb not in ELSEWHERE and not downloads and not serves:
            assert main([*arguments, *SMALLER.get(verb, [])]) == 0, (verb, capsys.readouterr().err)


GUIDES = ("audits.md", "off-policy.md")
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
def test_the_commands_of_the_guides_to_audits_and_estimates_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    smaller = {"audit": ["--n-users", "6"], "run": ["--n-users", "60", "--pages", "2"]}
    for guide in GUIDES:
        commands = re.findall(r"^    recsim-llm (.*)$", (DOCS / guide).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert commands
        for command in commands:
            verb, *rest = shlex.split(command)
            # What a policy that learns its attack finds has tests of its own, which take as long as all else here.
            if "openai/gpt-4.1-mini" not in rest and "exploits" not in rest:
                assert main([verb, *rest, *smaller.get(verb, [])]) == 0, (command, capsys.readouterr().err)
