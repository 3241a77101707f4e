"""What an exposure log holds, in figures: how much of it there is, how it was clicked, and which of its columns are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.data.reading_notes import reading_lines

__all__ = ["LogSummary", "summarise_log"]

_QUANTILES = (0.25, 0.5, 0.75)
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True, kw_only=True)
class LogSummary:
    """Figures of a log."""

    name: str
    """Of the log."""
    counts: dict[str, int]
    """Of impressions, pages, sessions, users, items, clicks and pages without a click."""
    pages_of_sessions: tuple[float, ...]
    """Lower quartile, median and upper quartile of the pages of a session."""
    positions: tuple[tuple[int, int, int], ...]
    """For each position, from 0, that something was shown at: the position, impressions and clicks."""
    known: dict[str, str]
    """What is known of time, positions, dwell, ratings, purchases and propensities, in words; ``unknown`` where nothing is."""
    layout: str
    """How positions lie on a page."""
    reading: dict[str, Any]
    """What was left out, lost or decided in reading, as ``reading_lines`` takes it."""
    licence: str
    """Terms of use; empty means unknown."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        positions = [{"position": place, "impressions": shown, "clicks": clicks} for place, shown, clicks in self.positions]
        return {
            "name": self.name,
            **self.counts,
            "pages_of_sessions": list(self.pages_of_sessions),
            "positions": positions,
            "known": self.known,
            "layout": self.layout,
            "reading": self.reading,
            "licence": self.licence,
        }

    def lines(self) -> list[str]:
        """Return the figures in words, a line each."""
        of = {name: f"{number:,}" for name, number in self.counts.items()}
        rate = self.counts["clicks"] / self.counts["impressions"]
        quartiles = ", ".join(f"{pages:g}" for pages in self.pages_of_sessions)
        lines = [
            f"{self.name}: {of['impressions']} impressions of {of['items']} items on {of['pages']} pages, in {of['sessions']} "
            f"sessions of {of['users']} users",
            f"clicks        {of['clicks']} ({rate:.3f} of impressions); {of['pages_without_a_click']} pages without one",
            f"sessions      {quartiles} pages (quartiles)",
            *(f"{name:<13} {words}" for name, words in self.known.items()),
        ]
        if self.positions:
            lines.append(f"layout        {self.layout}")
            lines.append("position  impressions   clicks   rate")
            lines += [f"{place:>8} {shown:>12,} {clicks:>8,}  {clicks / shown:.3f}" for place, shown, clicks in self.positions]
        return [*lines, *reading_lines(self.reading), *((self.licence,) if self.licence else ())]


def summarise_log(exposures: Exposures) -> LogSummary:
    """Count what a log holds."""
    pages = exposures.pages
    of_sessions = np.unique(pages.session, return_counts=True)[1]
    clicks = np.bincount(exposures.page_index, weights=exposures.clicked, minlength=len(pages.page))
    return LogSummary(
        name=exposures.name,
        counts={
            "impressions": len(exposures),
            "pages": len(pages.page),
            "sessions": len(of_sessions),
            "users": len(exposures.users),
            "items": len(exposures.items),
            "clicks": int(exposures.clicked.sum()),
            "pages_without_a_click": int((clicks == 0).sum()),
        },
        pages_of_sessions=tuple(float(pages) for pages in np.quantile(of_sessions, _QUANTILES)),
        positions=_by_position(exposures),
        known=_known(exposures),
        layout=exposures.layout,
        reading={"skipped": dict(exposures.skipped), "unread": dict(exposures.unread), "notes": list(exposures.notes)},
        licence=exposures.licence,
    )


def _by_position(exposures: Exposures) -> tuple[tuple[int, int, int], ...]:
    place, index, shown = np.unique(exposures.position, return_inverse=True, return_counts=True)
    clicks = np.bincount(index, weights=exposures.clicked).astype(np.int64)
    rows = zip(place.tolist(), shown.tolist(), clicks.tolist(), strict=True)
    return tuple(row for row in rows if row[0] >= 0)


def _known(exposures: Exposures) -> dict[str, str]:
    placed, rows = int((exposures.position >= 0).sum()), len(exposures)
    purchased = exposures.purchased
    return {
        "times": _times(exposures.timestamp),
        "positions": f"of {placed:,} of {rows:,} impressions" if placed else "unknown",
        "dwell": _quartiles(exposures.dwell, f"of {int(exposures.clicked.sum()):,} clicks", " s"),
        "ratings": _quartiles(exposures.rating, f"of {rows:,} impressions", " stars"),
        "purchases": "unknown" if purchased is None else f"{int(purchased.sum()):,} of {rows:,} impressions",
        "propensities": _quartiles(exposures.propensity, f"of {rows:,} impressions", ""),
    }


def _quartiles(values: DoubleArray | None, whole: str, unit: str) -> str:
    known = np.empty(0) if values is None else values[~np.isnan(values)]
    if not len(known):
        return "unknown"
    low, median, high = np.quantile(known, _QUANTILES)
    return f"of {len(known):,} {whole}: quartiles {low:.3g}, {median:.3g}, {high:.3g}{unit}"


def _times(values: DoubleArray | None) -> str:
    known = np.empty(0) if values is None else values[~np.isnan(values)]
    if values is None or not len(known):
        return "unknown"
    first, last = (_moment(float(moment)) for moment in (known.min(), known.max()))
    return f"of {len(known):,} of {len(values):,} impressions, {first} to {last} UTC"


def _moment(second: float) -> str:
    if abs(second) > _LAST_SECOND // 2:
        return f"second {second:g}"
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")
