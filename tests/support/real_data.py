"""Where real data lies; tests that need it skip elsewhere."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def movielens_folder():
    """Return the folder of MovieLens latest-small, or skip the test."""
    given = os.environ.get("RECSIM_LLM_DATA")
    bases = [Path(given)] if given else []
    for base in (*bases, ROOT.parent / "shared" / "data"):
        for folder in (base, base / "ml-latest-small"):
            if (folder / "ratings.csv").is_file():
                return folder
    pytest.skip("no MovieLens data: set RECSIM_LLM_DATA to the folder of ml-latest-small, or to the one that holds it")


def shared_folder(name):
    """Return the folder of another real data set, or skip the test."""
    given = os.environ.get("RECSIM_LLM_DATA")
    for base in (*([Path(given), Path(given).parent] if given else []), ROOT.parent / "shared" / "data"):
        if (base / name).is_dir():
            return base / name
    pytest.skip(f"no data {name}: set RECSIM_LLM_DATA to the folder that holds it")
