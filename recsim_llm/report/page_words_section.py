"""What words did, on pages and from users: persuasion, faithfulness, trust, obedience, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.page_layout import figure, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["draw_page_words", "page_words_section"]

Arms = Sequence[Mapping[str, Any]]
Rows = list[tuple[str, list[Cell]]]

_TITLES = {"trust_by_visit": "How much users trust words on pages", "persuasion_by_visit": "What words do to clicks"}
_MEASURES = {"trust_by_visit": "trust", "persuasion_by_visit": "lift"}
_CAPTIONS = {
    "trust_by_visit": "Mean trust, 0 to 1, after the pages of each visit, over the users who came.",
    "persuasion_by_visit": "By how much a click on a slot with words is likelier than on the same slot without them, by visit: "
    "both probabilities are exact and of the same user at the same moment.",
}
_PERSUASION = {
    "lift": ("Click likelier for the words, a slot", True),
    "caused": ("Clicks that words caused, of clicks on slots with words", True),
    "rating_caused": ("Stars of these clicks", False),
    "rating_anyway": ("Stars of the others", False),
    "regret": ("Regret, stars", False),
}
_FAITHFUL = {
    "readable": "Explanations of which a reason could be read",
    "in_catalog": "Of these, true of the item",
    "of_user": "Of what they say of the user, true",
    "faithful": "True altogether",
    "consistent": "The same reason as the time before, of repeated ones",
}
_OBEDIENCE = {
    "obeyed": "Next page without what less was wanted of",
    "before": "Share of such items, on the page itself",
    "after": "The same, on the next page",
    "others_before": "Other genres passed over, on the page itself",
    "others_after": "The same, on the next page",
}
_NOTE = (
    "In brackets: 95% interval by user. Words are shown and left out for the same users at the same moment; of a click that "
    "was made it is known how likely the words caused it. Regret: stars of clicks made anyway less stars of clicks that words "
    "caused. Obedience is 1 where nothing of what users wanted less of came on the next page, and 0 where it came on as other "
    "genres did that were passed over on the same page."
)


def draw_page_words(arms: Arms | None, folder: Path) -> dict[str, str]:
    """Write the figures that have data as PNG and CSV, and return them for the page.

    Args:
        arms: as ``ArmWords.to_json`` tells them; None where nobody reads or says anything.
        folder: of figures.
    """
    drawings = {}
    for name, measure in _MEASURES.items():
        curves = {arm["arm"]: _curve(arm, measure) for arm in arms or ()}
        if not any(len(points) > 1 for points in curves.values()):
            continue
        with drawing.style():
            drawings[name] = write_figure(_draw(measure, curves), folder, name, _TITLES[name])
        rows = [(arm, *point) for arm, points in curves.items() for point in points]
        write_figure_data(folder, name, ("arm", "visit", measure), rows)
    return drawings


def page_words_section(arms: Arms | None, drawings: Mapping[str, str]) -> str:
    """Return the section as HTML; empty where nobody reads or says anything."""
    if not arms:
        return ""
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    groups = [("Persuasion", _persuasion(arms)), ("Explanations", _faithful(arms)), ("What users say", _said(arms))]
    figures = [figure(name, _TITLES[name], drawings[name], _CAPTIONS[name]) for name in _TITLES if name in drawings]
    drawn = ['<div class="figures">\n{}\n</div>'.format("\n".join(figures))] if figures else []
    table = whole_table(heads, [group for group in groups if group[1]])
    return "\n".join(["<h2>Words</h2>", table, f'<p class="aside">{escape(_NOTE)}</p>', *drawn])


def _persuasion(arms: Arms) -> Rows:
    if arms[0]["persuasion"] is None:
        return []
    rows: Rows = [("Slots with words", [Cell(numbers.count(arm["persuasion"]["slots"])) for arm in arms])]
    if any(arm["persuasion"]["unknown"] for arm in arms):
        cells = [Cell(numbers.count(arm["persuasion"]["unknown"])) for arm in arms]
        rows.append(("Slots with words that users read themselves", cells))
    rows += [_row(label, arms, ("persuasion", key), share=share) for key, (label, share) in _PERSUASION.items()]
    return [*rows, _trust(arms)]


def _trust(arms: Arms) -> tuple[str, list[Cell]]:
    estimates = [numbers.read_estimate(arm["visits"][-1]["trust"]) for arm in arms if arm["visits"]]
    if len(estimates) < len(arms):
        return "Trust in the last visit", [Cell(numbers.NONE)] * len(arms)
    return "Trust in the last visit", [_cell(one, numbers.common_decimals(estimates)) for one in estimates]


def _faithful(arms: Arms) -> Rows:
    if arms[0]["faithfulness"] is None or not any(arm["faithfulness"]["explanations"] for arm in arms):
        return []
    rows: Rows = [("Explanations", [Cell(numbers.count(arm["faithfulness"]["explanations"])) for arm in arms])]
    return rows + [_row(label, arms, ("faithfulness", key), share=True) for key, label in _FAITHFUL.items()]


def _said(arms: Arms) -> Rows:
    if arms[0]["obedience"] is None:
        return []
    rows: Rows = [
        ("Slots about which something was said", [Cell(numbers.count(arm["remarks"])) for arm in arms]),
        (
            "Requests for less of something, with a page after them",
            [Cell(numbers.count(arm["obedience"]["requests"])) for arm in arms],
        ),
        _row("Obedience", arms, ("obedience", "obedience")),
    ]
    return rows + [_row(label, arms, ("obedience", key), share=True) for key, label in _OBEDIENCE.items()]


def _row(label: str, arms: Arms, place: tuple[str, str], *, share: bool = False) -> tuple[str, list[Cell]]:
    group, key = place
    estimates = [numbers.read_estimate(arm[group][key]) for arm in arms]
    digits = numbers.common_decimals(estimates, share=share)
    return label, [_cell(one, digits, share=share) for one in estimates]


def _cell(estimate: Any, digits: int, *, share: bool = False) -> Cell:
    return Cell(numbers.plain(estimate.value, digits, share=share), numbers.interval_below(estimate, digits, share=share))


def _curve(arm: Mapping[str, Any], measure: str) -> list[tuple[int, float]]:
    return [(one["visit"], one[measure]["value"]) for one in arm["visits"] if one[measure]["value"] is not None]


def _draw(measure: str, curves: Mapping[str, list[tuple[int, float]]]) -> Figure:
    plot = drawing.new_figure(right=drawing.BESIDE)
    axes, labels = plot.axes[0], []
    for arm, points in curves.items():
        if points:
            across, up = zip(*points, strict=True)
            labels.append(drawing.draw_series(axes, arm, across, up))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("visit, from 0")
    if measure == "lift":
        axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.3g}%")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return plot
