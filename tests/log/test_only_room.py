"""The log's files are opened in one room: two readers of one log have disagreed before."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("recsim_llm", "agents", "envs", "scenarios")
PARQUET = re.compile(r"pyarrow\.(parquet|dataset|feather)|from pyarrow import .*\b(parquet|dataset)\b|read_parquet\(")
OTHER_FILES = {
    "recsim_llm/data/table_files.py": "the user's own tables",
    "recsim_llm/population/population_files.py": "populations",
    "recsim_llm/recommenders/saved_scores.py": "tables of scores from other programs",
}
"""Who opens Parquet that is no run's, and what it is."""


def sources():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("recsim_llm/log/") and path.resolve() == path:
                yield name, path.read_text(encoding="utf-8")


def test_parquet_of_runs_is_opened_in_the_room_of_the_log_alone():
    assert {name for name, text in sources() if PARQUET.search(text)} == set(OTHER_FILES)


@pytest.mark.parametrize("literal", ['"segments.jsonl"', '/ "impressions"', '/ "pages"', '/ "visits"'])
def test_no_other_room_names_the_files_of_the_log(literal):
    assert [name for name, text in sources() if literal in text] == []


def test_reading_a_manifest_loads_nothing_heavy():
    code = "import sys; from recsim_llm.log import open_run; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
