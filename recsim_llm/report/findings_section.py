"""What a scenario measures and expects, for the terminal and the page: findings, contrasts, and series over time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import figure, fold, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["draw_series", "finding_lines", "findings_section", "read_measured", "seeds_lines"]

Content = Mapping[str, Any]

_FIGURE = "series_{}"
_COLUMNS = ("arm", "time", "value", "low", "high", "users")
_SIDES = {"above": "above", "below": "below", "equal": "equal to"}
_RULE = (
    "Intervals are 95%, over users, each by itself: with the same dice for every recommender where two are held against each "
    "other, and of what is a property of everyone together by leaving out each fiftieth of the users in turn. A finding holds "
    "where the interval lies on the expected side; it does not hold where it rules out that the number lies there, or by more "
    "than the tolerance; else it is not decided."
)


def read_measured(run: Path) -> Content | None:
    """Return what a run's ``metrics.json`` says of its scenario's measures; None where the scenario has none."""
    content = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    measured: Content | None = content.get("measured")
    return measured


def finding_lines(measured: Content | None) -> Iterator[str]:
    """Yield what came of every finding, and of the contrasts beside, as lines of the terminal."""
    if measured is None:
        return
    for finding in measured["findings"]:
        yield f"{finding['answer']}: {finding['claim']}"
        yield f"  {finding_words(finding)}"
        if not finding["may_judge"]:
            yield f"  {seed_words(finding, measured['seed'])}"
    judged = {finding["contrast"]["name"] for finding in measured["findings"]}
    for contrast in measured["contrasts"]:
        if contrast["name"] not in judged:
            yield f"{contrast['name']}: {contrast_words(contrast)}"


def finding_words(finding: Content) -> str:
    """Say in figures what a finding is about, and what was expected."""
    share = finding["contrast"]["unit"] == "share"
    than, room = (_short(finding[name], share=share) for name in ("than", "tolerance"))
    tolerance = f", give or take {room}" if finding["direction"] == "equal" else f" by {room} or more"
    expected = f"expected {_SIDES[finding['direction']]} {than}" + (tolerance if finding["tolerance"] else "")
    return f"{contrast_words(finding['contrast'])}; {expected}"


def seeds_lines(judged: Content) -> Iterator[str]:
    """Yield what came of every finding over its seeds, as lines of the terminal; ``judged`` is ``expectations.json``."""
    for finding in judged["findings"]:
        yield f"{finding['answer']}: {finding['claim']}"
        for seed, one in finding["by_seed"].items():
            yield f"  seed {seed}: {one['answer']}; {finding_words(one)}"
        if len(finding["by_seed"]) > 1:
            share = next(iter(finding["by_seed"].values()))["contrast"]["unit"] == "share"
            mean = numbers.with_interval(numbers.read_estimate(finding["mean"]), share=share)
            yield f"  mean over {len(finding['by_seed'])} seeds: {mean}, interval over seeds"


def _short(number: float, *, share: bool) -> str:
    """Write a number that somebody chose, with no more digits than they gave."""
    return (f"{number * 100.0:.6g}%" if share and number else f"{number:.6g}").replace("-", "−")


def contrast_words(contrast: Content) -> str:
    """Say what is contrasted, and the number with its interval."""
    estimate, share = numbers.read_estimate(contrast["estimate"]), contrast["unit"] == "share"
    bare = share or estimate.value is None or not contrast["unit"] or contrast["unit"][0].isdigit()
    unit = "" if bare else f" {contrast['unit']}"
    note = f" ({contrast['note']})" if contrast["note"] else ""
    users = f", {numbers.counted(estimate.users, 'user')}" if estimate.users else ""
    return f"{contrast['said']}: {numbers.with_interval(estimate, share=share)}{unit}{users}{note}"


def seed_words(finding: Content, seed: int) -> str:
    """Say why a run's seed does not judge a finding."""
    if not finding["seeds"]:
        return f"seed {seed}: the scenario names no seeds that may judge it"
    known = ", ".join(map(str, finding["seeds"]))
    return f"seed {seed} may have been used to choose parameters; seeds that may judge it: {known}"


def draw_series(measured: Content | None, folder: Path) -> dict[str, str]:
    """Write each series of two points in time or more as PNG and CSV, and return them for the page."""
    drawings = {}
    for series in () if measured is None else measured["series"]:
        name = _FIGURE.format(series["name"])
        rows = [
            (arm, time, *(point[key] for key in _COLUMNS[2:]))
            for arm, points in series["arms"].items()
            for time, point in enumerate(points)
        ]
        if not _can_draw(series):
            continue
        with drawing.style():
            drawings[name] = write_figure(_draw(series), folder, name, _title(series))
        write_figure_data(folder, name, _COLUMNS, rows)
    return drawings


def findings_section(measured: Content | None, drawings: Mapping[str, str], settings: Content = MappingProxyType({})) -> str:
    """Return the section of what was expected and measured; empty where the scenario says nothing of the kind.

    Args:
        measured: as of ``read_measured``.
        drawings: as of ``draw_series``.
        settings: of the scenario, whose interventions are named beside the figures.
    """
    if measured is None:
        return ""
    parts = ["<h2>What was expected</h2>" if measured["findings"] else "<h2>What was measured</h2>"]
    if measured["findings"]:
        rows = [(finding["claim"], _finding_cells(finding, measured["seed"])) for finding in measured["findings"]]
        parts.append(_words(whole_table(["Answer", "Number", "Expected", "Seeds"], [("", rows)])))
    if measured["contrasts"]:
        numbers_of = [(one["name"], [Cell(one["said"]), _number_cell(one), Cell(one["note"])]) for one in measured["contrasts"]]
        table = _words(whole_table(["What", "Number", ""], [("", numbers_of)]))
        parts.append(table if not measured["findings"] else fold("All contrasts", table))
    parts.append(f'<p class="aside">{escape(_RULE)}</p>')
    figures = [
        figure(name, _title(series), drawings[name], _caption(series, measured["seed"]))
        for series in measured["series"]
        if (name := _FIGURE.format(series["name"])) in drawings
    ]
    if figures:
        parts.extend(f'<p class="aside">{escape(said)}</p>' for said in _planned(settings))
        parts.append('<div class="figures">\n{}\n</div>'.format("\n".join(figures)))
    single = [series for series in measured["series"] if not _can_draw(series)]
    if rows_of := [(f"{one['name']}: {arm}", _points(one, points)) for one in single for arm, points in one["arms"].items()]:
        parts.append(whole_table(["Number"], [("", rows_of)]))
    return "\n".join(parts)


def _planned(settings: Content) -> Iterator[str]:
    """Yield in a line what happens by plan, and on which days; nothing where nothing does."""
    plans = settings.get("interventions") or ()
    ends = ["" if plan.get("until") is None else f" to {plan['until']:g}" for plan in plans]
    if plans:
        said = (f"{plan['name']}, from day {plan['at']:g}{end}" for plan, end in zip(plans, ends, strict=True))
        yield f"By plan: {'; '.join(said)}."


def _words(table: str) -> str:
    """Return a table whose cells hold sentences."""
    return f'<div class="words">{table}</div>'


def _points(series: Content, points: Sequence[Content]) -> list[Cell]:
    return [_estimate_cell(point, share=series["unit"] == "share") for point in points[:1]]


def _finding_cells(finding: Content, seed: int) -> list[Cell]:
    share = finding["contrast"]["unit"] == "share"
    expected = finding_words(finding).rpartition("; ")[2].removeprefix("expected ")
    seeds = f"{seed} may judge it" if finding["may_judge"] else seed_words(finding, seed)
    number = _estimate_cell(finding["contrast"]["estimate"], share=share)
    said = f"{finding['contrast']['said']}{'; ' + finding['contrast']['note'] if finding['contrast']['note'] else ''}"
    return [Cell(finding["answer"]), number._replace(interval=f"{number.interval} {said}".strip()), Cell(expected), Cell(seeds)]


def _number_cell(contrast: Content) -> Cell:
    return _estimate_cell(contrast["estimate"], share=contrast["unit"] == "share")


def _estimate_cell(content: Content, *, share: bool) -> Cell:
    estimate = numbers.read_estimate(content)
    digits = numbers.decimals(estimate, share=share)
    return Cell(numbers.plain(estimate.value, digits, share=share), numbers.interval_below(estimate, digits, share=share))


def _can_draw(series: Content) -> bool:
    return any(sum(point["value"] is not None for point in points) > 1 for points in series["arms"].values())


def _draw(series: Content) -> Figure:
    """Draw a series of every arm, with its interval as a band."""
    plot = drawing.new_figure(right=drawing.BESIDE)
    axes, labels = plot.axes[0], []
    for arm, points in series["arms"].items():
        known = [(time, point) for time, point in enumerate(points) if point["value"] is not None]
        if not known:
            continue
        times, values = [time for time, _ in known], [point["value"] for _, point in known]
        low, high = ([point["value"] if point[end] is None else point[end] for _, point in known] for end in ("low", "high"))
        axes.fill_between(times, low, high, color=drawing.colour(drawing.place_of(arm)), alpha=0.16, linewidth=0)
        labels.append(drawing.draw_series(axes, arm, times, values))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(f"{series['by']}, from 0")
    if series["unit"] == "share":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, 0.0), max(top, 0.01))
    axes.annotate(_unit(series), (0.02, 0.985), xycoords="figure fraction", color=drawing.MUTED, va="top")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return plot


def _unit(series: Content) -> str:
    return "share" if series["unit"] == "share" else str(series["unit"])


def _title(series: Content) -> str:
    return f"{series['name']}: {series['label'][0].lower()}{series['label'][1:]} by {series['by']}"


def _caption(series: Content, seed: int) -> str:
    users = max(point["users"] for points in series["arms"].values() for point in points)
    if not users:
        return f"Counted for the run as a whole: there is no interval over users. Seed {seed}."
    return f"Band: 95% interval over users, at most {numbers.count(users)} at a time. Seed {seed}."
