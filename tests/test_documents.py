"""The documents: their Python runs, their commands exist, the notebook runs."""

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


@pytest.mark.slow
def test_the_notebook_runs_and_its_outputs_are_there(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    path = ROOT / "notebooks" / "quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.outputs for cell in notebook.cells if cell.cell_type == "code" and "print(" in cell.source)
    for cell in notebook.cells:
        # The figures of the committed outputs come from the long training; running it is what is tested here.
        source = cell.source.replace("agent.learn(120_000)", "agent.learn(5_000)")
        cell.source = source.replace("np.arange(1000)", "np.arange(20)")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=resources).execute()
