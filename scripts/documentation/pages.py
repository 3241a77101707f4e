"""MkDocs hook: the documents at the top of the repository become pages, and links between documents follow them.

Links stay as a code host reads them, relative to the file in the repository; the site has other places for some files.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
TOP_FILES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE.txt",
    "examples/ppo_from_scratch.py": "examples/ppo_from_scratch.py",
    "notebooks/a_living_world.ipynb": "notebooks/a_living_world.ipynb",
    "notebooks/cold_start.ipynb": "notebooks/cold_start.ipynb",
    "notebooks/conversational_recommenders.ipynb": "notebooks/conversational_recommenders.ipynb",
    "notebooks/filter_bubble.ipynb": "notebooks/filter_bubble.ipynb",
    "notebooks/forget_a_user.ipynb": "notebooks/forget_a_user.ipynb",
    "notebooks/how_real.ipynb": "notebooks/how_real.ipynb",
    "notebooks/offline_rl.ipynb": "notebooks/offline_rl.ipynb",
    "notebooks/poisoning.ipynb": "notebooks/poisoning.ipynb",
    "notebooks/quickstart.ipynb": "notebooks/quickstart.ipynb",
    "notebooks/social_contagion.ipynb": "notebooks/social_contagion.ipynb",
    "notebooks/train_a_recommender.ipynb": "notebooks/train_a_recommender.ipynb",
    "scripts/offline_rl_d3rlpy.py": "scripts/offline_rl_d3rlpy.py",
}
"""Files outside ``docs/`` that documents link to: path in the repository, and in the site."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files from outside ``docs/``."""
    for source, target in TOP_FILES.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links at the places that the files have in the site; the first page, alone in its part, needs no list of pages."""
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]
    return LINK.sub(lambda link: site_link(link[1], page.file.src_uri), markdown)


def site_link(target: str, page: str) -> str:
    """Return a link of a page, ``page`` in the site, as the site needs it; unknown files stay and fail the strict build."""
    sources = {place: source for source, place in TOP_FILES.items()}
    source = sources.get(page, f"docs/{page}")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    place = TOP_FILES.get(wanted, wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
    return target if place is None else posixpath.relpath(place, posixpath.dirname(page) or ".")
