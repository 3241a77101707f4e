"""The fixed words: docstrings are Markdown and keep to them."""

import ast
import importlib.util
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

from recsim_llm.core import arrays

ROOT = Path(__file__).resolve().parents[1]
WORDS = (ROOT / "docs/words.md").read_text(encoding="utf-8")
SOURCES = [path for room in ("recsim_llm", "agents", "envs", "scenarios") for path in sorted((ROOT / room).rglob("*.py"))]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_MARKDOWN = re.compile(r"::$|^\s*={4,} ={4,}|:(?:class|func|meth|mod|attr|ref):`|^\s*\.\. \w+::", re.MULTILINE)


@cache
def docstrings(path):
    """Return every string of a module that stands alone as a statement, with its line: docstrings, also of fields."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    alone = [node.value for body in blocks for node in body if isinstance(node, ast.Expr)]
    return [(node.lineno, node.value) for node in alone if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def forbidden():
    """Return the words that the page says are not used."""
    table = WORDS.partition("## Words that are not used")[2]
    rows = re.findall(r"^\| (?!not |---)(.+?) \|", table, flags=re.MULTILINE)
    return [word for row in rows for word in row.split(", ")]


def names(text):
    """Return the full names of this package that a text mentions as code."""
    return set(re.findall(r"(?<!`)`{1,2}(recsim_llm(?:\.\w+)+)(?:\(.*?\)|[:.\w]*)`{1,2}", text))


def resolves(name):
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:  # What stands before the last dot is no package.
        pass
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_page_names_words_that_are_not_used():
    assert {"customer", "catalogue", "LLM", "user_idx"} <= set(forbidden())


def test_the_page_says_what_every_type_of_array_holds():
    table = WORDS.partition("| type in a signature |")[2].partition("\n## ")[0]
    held = dict(re.findall(r"^\| `(\w+)` \| (\w+)", table, flags=re.MULTILINE))
    assert set(held) == set(arrays.__all__)
    # The last name of an alias is the type of an entry, in every way that NumPy has of spelling one.
    types = {name: re.findall(r"numpy\.(\w+)", str(getattr(arrays, name)))[-1] for name in held if name != "TextArray"}
    assert {name: kind.removesuffix("_") for name, kind in types.items()} == {name: held[name] for name in types}


@pytest.mark.parametrize("word", forbidden())
def test_docstrings_do_not_use_the_word(word):
    found = re.compile(rf"(?<![\w-]){re.escape(word)}s?(?![\w-])", re.IGNORECASE)
    uses = [f"{path.name}:{line}" for path in SOURCES for line, text in docstrings(path) if found.search(text)]
    assert not uses


def test_docstrings_are_markdown():
    wrong = [f"{path.name}:{line}" for path in SOURCES for line, text in docstrings(path) if NOT_MARKDOWN.search(text)]
    assert not wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_names_in_a_document_exist(path):
    assert not [name for name in names(path.read_text(encoding="utf-8")) if not resolves(name)]


def test_the_names_in_docstrings_exist():
    mentioned = {name for path in SOURCES for _, text in docstrings(path) for name in names(text)}
    assert mentioned
    assert not [name for name in sorted(mentioned) if not resolves(name)]
