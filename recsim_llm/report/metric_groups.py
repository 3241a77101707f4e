"""What the report says beyond clicks: relevance, diversity, exposure, filter bubbles, fairness, funnel, folded by group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html import escape

from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.metrics import DETAILS, GROUPS, Definition, GroupGap, RunMetrics
from recsim_llm.report import numbers
from recsim_llm.report.summary_tables import Cell

__all__ = ["metric_groups", "metrics_section"]

Rows = list[tuple[str, list[Cell]]]
Layout = Callable[[Iterable[str], Iterable[tuple[str, Rows]]], str]

_ARROWS = {"more": " ↑", "less": " ↓", None: ""}
_PLAIN_DIGITS = 3
_MEASURES = ("return", "clicks", "satisfaction")


def metrics_section(metrics: RunMetrics | None, layout: Layout) -> str:
    """Return the section as HTML; empty without metrics.

    Args:
        metrics: of the run.
        layout: turns heads (HTML) and groups of rows into a table.
    """
    if metrics is None:
        return ""
    heads = [escape(arm.arm) for arm in metrics.arms]
    folded = (
        f"<details><summary>{escape(GROUPS[name])}</summary>\n{layout(heads, [('', rows)])}\n{_notes(metrics, name)}</details>"
        for name, rows in metric_groups(metrics)
    )
    return "\n".join(["<h2>More metrics</h2>", f"<p>{escape(_introduction(metrics))}</p>", *folded])


def metric_groups(metrics: RunMetrics) -> Iterator[tuple[str, Rows]]:
    """Yield the name of each group of metrics and its rows: a label and one cell an arm."""
    for name in GROUPS:
        rows = [_row(metrics, definition) for definition in _told(metrics) if definition.group == name]
        yield name, rows + (_gap_rows(metrics) if name == "fairness" else [])


def _told(metrics: RunMetrics) -> list[Definition]:
    """Return the metrics that the page shows: nothing of ratings where nobody gave any."""
    rated = any(arm.funnel["rated"] for arm in metrics.arms) or metrics.truth == "likes"
    return [definition for definition in DETAILS if rated or not definition.of_ratings]


def _introduction(metrics: RunMetrics) -> str:
    users, popular, tail = map(numbers.count, (metrics.truth_users, metrics.popularity_list, metrics.tail_items))
    likes = metrics.truth == "likes"
    truth = f"are held-out ratings of {LIKE_THRESHOLD:g} stars or more" if likes else "is what was taken in the held-out part"
    return (
        "In brackets: 95% intervals by user. ↑ more is better, ↓ less is better; without an arrow it depends on what is "
        f"wanted. Relevance is of the {metrics.slots} places of the first page; the truth {truth}, which {users} users have. "
        f"Serendipity counts clicks outside the {popular} most popular items. {tail} items are in the long tail, outside the "
        f"head that holds 80% of {_merit(metrics)}."
    )


def _merit(metrics: RunMetrics) -> str:
    return "the training ratings" if metrics.truth == "likes" else "what was taken in the training part"


def _row(metrics: RunMetrics, definition: Definition) -> tuple[str, list[Cell]]:
    share = definition.unit == "share"
    measures = [arm.metrics[definition.key] for arm in metrics.arms]
    estimates = [measure.estimate for measure in measures]
    bare = all(estimate.low is None for estimate in estimates) and not share
    digits = _PLAIN_DIGITS if bare else numbers.common_decimals(estimates, share=share)
    cells = [
        Cell(numbers.plain(e.value, digits, share=share), measure.group or numbers.interval(e, digits, share=share))
        for measure, e in zip(measures, estimates, strict=True)
    ]
    return definition.label + _ARROWS[definition.better], cells


def _gap_rows(metrics: RunMetrics) -> Rows:
    """Return what the worst group gets and the gaps between groups, with the group that fares worst where it can be told."""
    rows: Rows = []
    fields = metrics.arms[0].user_groups if metrics.arms else ()
    for measure in _MEASURES:
        for field in fields:
            gaps = [arm.user_groups[field][measure] for arm in metrics.arms]
            if all(gap.gap.value is None for gap in gaps):
                continue
            by = f"by {field.replace('_', ' ')}"
            if measure == "return":
                worst = [gap.worst for gap in gaps]
                digits = numbers.common_decimals(worst)
                cells = [Cell(numbers.plain(one.value, digits), numbers.interval(one, digits)) for one in worst]
                rows.append((f"Return of the group with the least {by}{_ARROWS['more']}", cells))
            digits = numbers.common_decimals([gap.gap for gap in gaps])
            rows.append((f"Gap in {measure} {by}{_ARROWS['less']}", [_gap_cell(gap, digits) for gap in gaps]))
    return rows


def _gap_cell(gap: GroupGap, digits: int) -> Cell:
    least = f" ({gap.lowest})" if gap.gap.excludes(0.0) else ""
    return Cell(numbers.plain(gap.gap.value, digits) + least, numbers.interval(gap.gap, digits))


def _notes(metrics: RunMetrics, group: str) -> str:
    """Say why numbers or intervals are missing."""
    about: dict[str, list[str]] = {}
    for definition in (one for one in _told(metrics) if one.group == group):
        by_note: dict[str, list[str]] = {}
        for arm in metrics.arms:
            by_note.setdefault(arm.metrics[definition.key].note, []).append(arm.arm)
        for note, arms in by_note.items():
            of_whom = "" if len(arms) == len(metrics.arms) else f" ({', '.join(arms)})"
            about.setdefault(note, []).append(definition.label + of_whom)
    notes = [f"{', '.join(labels)}: {note}." for note, labels in about.items() if note]
    notes += [_fairness_note(metrics)] if group == "fairness" else []
    return f'<p class="aside">{escape(" ".join(notes))}</p>\n' if notes else ""


def _fairness_note(metrics: RunMetrics) -> str:
    return (
        "Exposure counts how often items were shown, weighted with the probability of a look, by "
        f"{metrics.providers}; merit is the share of {_merit(metrics)}; the {metrics.providers} with the least exposure for "
        "its merit is named. A gap is the highest group mean less the lowest; its interval holds for all pairs of groups "
        "together, and the group that gets least is named where the interval leaves out 0. The interval of what the group with "
        "the least gets holds for all groups together. A return is the sum of a user's rewards."
    )
