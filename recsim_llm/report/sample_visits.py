"""Two visits to look at: a typical one and a long one, drawn by the run's seed and shown page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from recsim_llm.log.reader import RunReader
from recsim_llm.log.tables import has_table
from recsim_llm.log.visit_rows import Drawn, VisitKey, VisitRows, draw_visits, read_visits
from recsim_llm.report import numbers
from recsim_llm.report.names import Names
from recsim_llm.report.spoken import read_texts
from recsim_llm.report.visit_pages import visit_pages

__all__ = ["SampleVisits", "read_sample_visits", "sample_visits_section"]

_MOST_PAGES = 20
_MORE = "All pages of more users: <code>recsim-llm report RUN --sessions 100</code>, or <code>all</code>"


@dataclass(frozen=True, kw_only=True)
class SampleVisits:
    """The visits that were drawn."""

    seed: int | None
    """Of the draw, the run's; None where the log has none, and 0 was taken."""
    spoken: bool
    """Whether they were drawn among the visits of which users said something."""
    typical: Drawn
    """One with the median number of clicks."""
    longest: Drawn
    """One with the most pages."""
    rows: Mapping[VisitKey, VisitRows]
    """Their pages."""
    texts: tuple[Mapping[str, Any], ...]
    """What users said of them: rows of ``texts``."""


def read_sample_visits(run: RunReader, arm: str) -> SampleVisits | None:
    """Draw and read two visits of an arm, among those of which users said something where there are such.

    Returns:
        The visits; None where none is over yet.

    Raises:
        LogError: the log cannot be read.
    """
    texts = _texts(run.folder, arm)
    seed = run.manifest["seed"]
    spoken = {_key(row) for row in texts}
    drawn = draw_visits(run, arm, int(seed or 0), among=spoken or None)
    if drawn is None:
        return None
    keys = {one.key for one in drawn}
    return SampleVisits(
        seed=None if seed is None else int(seed),
        spoken=bool(spoken),
        typical=drawn[0],
        longest=drawn[1],
        rows=read_visits(run, keys),
        texts=tuple(row for row in texts if _key(row) in keys),
    )


def sample_visits_section(sample: SampleVisits | None, names: Names, *, sessions: str | None = None) -> str:
    """Return the section of the page; where no visit is over yet, a sentence that says so.

    Args:
        sample: the visits.
        names: of items and users.
        sessions: name of the page that shows more of them; None where there is none.
    """
    if sample is None:
        return "<h2>Two visits</h2>\n<p>No visit is over yet, so none can be shown page by page.</p>"
    more = f'<a href="{sessions}">All pages of more users</a>' if sessions else _MORE
    among = " of which users said something" if sample.spoken else ""
    start = f"Drawn by the run's seed, {sample.seed}," if sample.seed is not None else "Drawn by seed 0"
    notes = (
        f"A typical visit. {start} among the {numbers.count(sample.typical.among)} visits of {sample.typical.key.arm}{among} "
        f"with {_counted(sample.typical.value, 'click')}, the median",
        f"A long visit. {start} among the {numbers.count(sample.longest.among)} visits of {sample.longest.key.arm}{among} "
        f"with {_counted(sample.longest.value, 'page')}, the most",
    )
    same = sample.typical.key == sample.longest.key
    parts = [_visit(sample, drawn, names, note) for drawn, note in zip((sample.typical, sample.longest), notes, strict=True)]
    how = (
        "Each line is a page; it opens to its slots. Before anything was drawn: the chance that the recommender showed the "
        "item there, that the user looked at it, that the user clicked it (with the look); then what was drawn from them. "
        "Single visits illustrate: they prove nothing about the others."
    )
    heading = "One visit" if same else "Two visits"
    shown = [*(parts[:1] if same else parts), f'<p class="aside">{more}.</p>']
    return "\n".join([f"<h2>{heading}, page by page</h2>", f'<p class="aside">{how}</p>', *shown])


def _visit(sample: SampleVisits, drawn: Drawn, names: Names, note: str) -> str:
    rows = sample.rows[drawn.key]
    clicks = sum(page["clicks"] for page in rows.pages)
    title = (
        f"{drawn.key.arm}: {names.user(drawn.key.user_id)}, visit {drawn.key.visit + 1}, "
        f"{_counted(len(rows.pages), 'page')}, {_counted(clicks, 'click')}"
    )
    texts = [row for row in sample.texts if _key(row) == drawn.key]
    pages = visit_pages(rows, names, most_pages=_MOST_PAGES, opened=drawn is sample.typical, texts=texts)
    return f'<div class="visit"><h3>{escape(title)}</h3>\n<p class="aside">{escape(note)}.</p>\n{pages}</div>'


def _counted(number: int, noun: str) -> str:
    return f"{numbers.count(number)} {noun}{'' if number == 1 else 's'}"


def _texts(run: Path, arm: str) -> Sequence[Mapping[str, Any]]:
    if not has_table(run, "texts"):
        return ()
    return [row for row in read_texts(run) if row["arm"] == arm and row["text"] is not None]


def _key(row: Mapping[str, Any]) -> VisitKey:
    return VisitKey(row["arm"], row["user_id"], row["visit"])
