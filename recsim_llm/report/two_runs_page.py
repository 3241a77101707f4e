"""The page of two runs compared: the verdict, where the runs drifted apart, what was compared, and the visits behind it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from recsim_llm.comparison.results import FILE_NAME, Comparison
from recsim_llm.core.files import write_atomically
from recsim_llm.log.manifest import read_manifest
from recsim_llm.log.reader import open_run
from recsim_llm.log.visit_rows import VisitKey, VisitRows, read_visits
from recsim_llm.report import comparison_figure, drawing, numbers
from recsim_llm.report.claims import claim_of_row, compared_claims, table_rows
from recsim_llm.report.comparison_page import comparison_section
from recsim_llm.report.comparison_rows import Content, recommender_of
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.first_screen import compared_head, page_title
from recsim_llm.report.names import Names, read_names
from recsim_llm.report.page_layout import document, table, whole_table
from recsim_llm.report.serving_costs import read_servings, serving_section
from recsim_llm.report.summary_tables import Cell, estimate_cells
from recsim_llm.report.trust import trust_section
from recsim_llm.report.worst_visits import WorstVisits, worst_visits_section

__all__ = ["write_two_runs"]


def write_two_runs(folder: Path, comparison: Comparison) -> Path:
    """Write ``comparison.json``, ``report.html`` and ``figures/`` of two runs compared into a folder that is there.

    Args:
        folder: where.
        comparison: of the recommenders of two runs, whose folders are read.

    Returns:
        Path of ``report.html``.

    Raises:
        LogError: a run's log cannot be read.
    """
    content: dict[str, Any] = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    figures = folder / "figures"
    figures.mkdir()
    write_atomically(folder / FILE_NAME, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
    page = folder / "report.html"
    with drawing.apart(recommender_of(content, arm) for arm in content["arms"]):
        plot = _draw(content, figures) if comparison_figure.can_draw(content) else ""
        write_atomically(page, _page(content, plot).encode())
    return page


def _page(content: Content, plot: str) -> str:
    runs = [Path(source["folder"]) for source in content["sources"]]
    manifests = [read_manifest(run) for run in runs]
    rows = [claim_of_row(content, row) for _, _, rows in table_rows(content) for row in rows]
    worst = WorstVisits([*compared_claims(content), *rows], content["arms"])
    names, visits = _read_visits(content, worst)
    parts = [
        comparison_section(content, plot, table, worst.link),
        _values(content),
        worst_visits_section(worst, visits, names),
        _sources(content, manifests),
        serving_section(read_servings(content["sources"])),
        trust_section(manifests[0], None, ""),
        _again(content),
    ]
    folders = " and ".join(run.name for run in runs)
    title = f"{page_title(content['scenario'], content['arms'], manifests[0])}, runs {folders}"
    return document(f"{title} – recsim_llm", compared_head(title, content, manifests[0], worst.link), parts)


def _draw(content: Content, folder: Path) -> str:
    name, title = comparison_figure.FIGURE, comparison_figure.forest_title(content)
    with drawing.style():
        element = write_figure(comparison_figure.draw_forest(content), folder, name, title)
    write_figure_data(folder, name, comparison_figure.FIGURE_COLUMNS, comparison_figure.forest_rows(content))
    return element


def _read_visits(content: Content, worst: WorstVisits) -> tuple[dict[str, Names], dict[VisitKey, VisitRows]]:
    """Return what items and users are called, by recommender, and the visits, each from the run that it comes from."""
    names: dict[str, Names] = {}
    visits: dict[VisitKey, VisitRows] = {}
    for source in content["sources"]:
        run, labels = Path(source["folder"]), source["recommenders"]
        of_run = read_names(run)
        names |= dict.fromkeys(labels, of_run)
        wanted = {key._replace(arm=labels[key.arm]): key for key in worst.visits() if key.arm in labels}
        visits |= {wanted[key]: rows for key, rows in read_visits(open_run(run), wanted).items()}
    return names, visits


def _values(content: Content) -> str:
    """Return the section with every metric of every recommender."""
    arms = content["arms"]
    heads = [drawing.swatch(recommender_of(content, arm), escape(arm)) for arm in arms]
    rows = []
    for metric in content["metrics"]:
        estimates = [numbers.read_estimate(content["values"][metric["key"]][arm]) for arm in arms]
        rows.append((metric["label"], estimate_cells(estimates, share=metric["unit"] == "share")))
    note = (
        f"In brackets: 95% intervals by user; {numbers.NO_INTERVAL}. "
        f"{numbers.counted(content['users'], 'user')} whom all recommenders served, seed "
        f"{content['seed']}."
    )
    return f'<h2>Results</h2>\n{whole_table(heads, [("", rows)])}\n<p class="aside">{note}</p>'


def _sources(content: Content, manifests: list[dict[str, Any]]) -> str:
    heads = [escape(source["folder"]) for source in content["sources"]]
    facts = [dict(_facts(*pair)) for pair in zip(content["sources"], manifests, strict=True)]
    rows = [(name, [Cell(fact[name]) for fact in facts]) for name in facts[0]]
    return f"<h2>What was compared</h2>\n{whole_table(heads, [('', rows)])}"


def _facts(source: Mapping[str, Any], manifest: Content) -> Iterator[tuple[str, str]]:
    data = manifest.get("data") or {}
    yield "Scenario", source["scenario"]
    yield "Recommenders taken from it", ", ".join(source["recommenders"].values())
    yield "Users", numbers.count(manifest["users"])
    yield "Seed", str(manifest["seed"])
    yield "Data", str(data.get("name", numbers.NONE))
    yield "Data fingerprint", str(data.get("fingerprint", numbers.NONE))[:12]
    yield "Population fingerprint", str((manifest.get("population") or {}).get("fingerprint", numbers.NONE))[:12]
    yield "Version of recsim_llm", str((manifest.get("versions") or {}).get("recsim_llm", numbers.NONE))


def _again(content: Content) -> str:
    judging, folders = content["judging"], [source["folder"] for source in content["sources"]]
    given = {
        "metrics": ",".join(judging["metrics"]),
        **{name: judging[name] for name in ("effect", "confidence", "correction", "groups")},
    }
    options = [part for name, value in given.items() if value not in ("", None) for part in (f"--{name}", str(value))]
    command = shlex.join(["recsim-llm", "compare", *folders, *options, "--out", "again"])
    return f"<h2>Reproduce</h2>\n<pre>{escape(command)}</pre>"
